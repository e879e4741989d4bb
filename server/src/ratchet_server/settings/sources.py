"""Where settings come from: the flags of a command, else the environment, else their defaults."""

import argparse
import dataclasses
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ratchet_server.settings import Setting, SettingError, Settings

_FIELDS: Final = {field.name: field for field in dataclasses.fields(Settings)}


def declared() -> Iterator[tuple[Setting, str]]:
    """Every setting with its default as people read it, in the order of their declaration."""
    for field in _FIELDS.values():
        for setting in _ways(field):
            yield setting, _default(field, setting)


def read(line: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """A node's settings. Raises `SettingError`, which names the flag or the variable."""
    return Settings(**{name: read_one(name, line, environ) for name in _FIELDS})


def read_one(name: str, line: argparse.Namespace, environ: Mapping[str, str]) -> Any:
    """The value of one field of `Settings`. Raises `SettingError`, as `read` does."""
    field = _FIELDS[name]
    for setting in _ways(field):
        where, given = _given(setting, line, environ)
        if given is None:
            continue
        if isinstance(given, bool):  # A switch, which argparse has read.
            return given
        try:
            return setting.parse(given)
        except SettingError as error:
            raise SettingError(f"{where}: {error}") from None
    if field.default is dataclasses.MISSING:
        setting = _ways(field)[0]
        raise SettingError(f"{setting.flag} or {setting.variable} is missing: {setting.help}")
    return field.default


def add_flags(parser: argparse.ArgumentParser, *names: str) -> None:
    """Declare to `parser` the flags of these fields of `Settings`. Flags that aren't given leave
    None, so that the environment is asked."""
    for name in names:
        field = _FIELDS[name]
        for setting in _ways(field):
            flag, _, metavar = setting.flag.partition(" ")
            text = _help(setting, _default(field, setting)).replace("%", "%%")
            if metavar:
                action = "append" if setting.many else "store"
                parser.add_argument(flag, metavar=metavar, action=action, help=text)
            elif flag:
                parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)


def add_all_flags(parser: argparse.ArgumentParser) -> None:
    """Declare every flag to `parser`, and let its help end with the variables without a flag."""
    add_flags(parser, *_FIELDS)
    lines = ["only in the environment:"]
    for setting, default in declared():
        if not setting.flag:
            text = f"{setting.help} (default: {default})"
            lines += [f"  {setting.variable}", _wrapped(text, " " * 6)]
    # argparse would make one paragraph of the list; so it wraps nothing, and we wrap the rest.
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _wrapped(parser.description or "")
    parser.epilog = "\n".join(lines)


def _ways(field: "dataclasses.Field[Any]") -> tuple[Setting, ...]:
    annotated: Any = field.type
    ways: tuple[Setting, ...] = annotated.__metadata__
    return ways


def _given(
    setting: Setting, line: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[str, Any]:
    """Where a setting is given, and what: a text, a list where it takes many, None for nothing."""
    flag = setting.flag.partition(" ")[0]
    if flag and (given := getattr(line, flag[2:].replace("-", "_"), None)) is not None:
        return flag, given
    where = f"{setting.variable} ({flag})" if flag else setting.variable
    text = environ.get(setting.variable)
    if text is None or not setting.many:
        return where, text
    return where, [part.strip() for part in text.split(",") if part.strip()]


def _default(field: "dataclasses.Field[Any]", setting: Setting) -> str:
    match field.default:
        case dataclasses.MISSING:
            return "required"
        case None | ():
            return setting.unset
        case bool(on):
            return "yes" if on else "no"
        case value:
            return f"{value} {setting.unit}".rstrip()


def _help(setting: Setting, default: str) -> str:
    told = default if default == "required" else f"default: {default}"
    return f"{setting.help} ({told}; {setting.variable})"


def _wrapped(text: str, indent: str = "") -> str:
    # As wide as argparse writes.
    width = max(shutil.get_terminal_size().columns - 2, 40)
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)
