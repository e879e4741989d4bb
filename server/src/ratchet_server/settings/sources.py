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
    """Every setting, with its default as documents show it, in the order of declaration."""
    for field in _FIELDS.values():
        for setting in _ways(field):
            yield setting, _default(field, setting)


def read(line: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Read a node's settings. Raises `SettingError`, which names the flag or the variable."""
    return Settings(**{name: read_one(name, line, environ) for name in _FIELDS})


def read_one(name: str, line: argparse.Namespace, environ: Mapping[str, str]) -> Any:
    """Read the value of one field of `Settings`. Raises `SettingError`, as `read` does."""
    field = _FIELDS[name]
    for setting in _ways(field):
        where, given = _given(setting, line, environ)
        if given is None:
            continue
        if isinstance(given, bool):  # A switch, which argparse has parsed.
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
    """Add the flags of these fields of `Settings` to `parser`. A flag that isn't given becomes
    None, so that `read` looks in the environment."""
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
    """Add every flag to `parser`, and let its help end with the variables that have no flag."""
    add_flags(parser, *_FIELDS)
    lines = ["only in the environment:"]
    for setting, default in declared():
        if not setting.flag:
            text = f"{setting.help} (default: {default})"
            lines += [f"  {setting.variable}", _wrapped(text, " " * 6)]
    # argparse would wrap the list into one paragraph. So it wraps nothing, and we wrap the rest.
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
    """The flag or variable of a setting, and its value: a text, a list if the setting takes many,
    or None if it isn't given."""
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
    shown = default if default == "required" else f"default: {default}"
    return f"{setting.help} ({shown}; {setting.variable})"


def _wrapped(text: str, indent: str = "") -> str:
    # The width that argparse uses.
    width = max(shutil.get_terminal_size().columns - 2, 40)
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)
