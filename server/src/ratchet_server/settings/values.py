"""How settings are parsed: each function makes a value from a text, or raises `SettingError`."""

import logging
import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from ratchet import names

MEMORY: Final = ":memory:"
# It stands for every site, and for every host name.
ANY: Final = "*"

# No spaces and no line ends: secrets and addresses are sent in headers.
_PRINTABLE: Final = re.compile(r"[!-~]+")
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
# One that this node sends, and one that it accepts, too, while the secret changes.
_MOST_SECRETS: Final = 2
_SHORT_SECRET: Final = 16
# With the secret, the head of a request must stay far below what nodes and proxies take.
_LONG_SECRET: Final = 512
_YEAR_S: Final = 365 * 86400
# No IPv6, because a Content-Security-Policy can't name IPv6 hosts. Host names are in the form that
# browsers send.
_ORIGIN: Final = re.compile(r"(https?)://([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::([0-9]{1,5}))?")
# As long as host names in the DNS.
_LONG_HOST: Final = 253
_LONG_LABEL: Final = 63
# A page's Content-Security-Policy lists the sites that may frame it. HAProxy takes 15 KiB of
# headers in all, and Varnish 8 KiB in one header.
LONGEST_LIST: Final = 7000
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_YES: Final = {"1", "true", "yes", "on"}
_NO: Final = {"0", "false", "no", "off"}

_log = logging.getLogger(__name__)


class SettingError(ValueError):
    """A setting has a wrong value. The message says which values are valid, and which it has."""


def node_name(text: str) -> str:
    """The name of a node."""
    try:
        name = names.node(text)
    except names.Invalid as error:
        raise SettingError(str(error)) from None
    if names.is_import(name):
        raise SettingError(f"names of imports begin with {names.IMPORT}, so no node's name does")
    return name


def import_name(text: str) -> str:
    """The name of an import."""
    try:
        return names.node(names.IMPORT + text).removeprefix(names.IMPORT)
    except names.Invalid:
        raise SettingError("the name of an import is 1 to 56 of a-z 0-9 -") from None


def video_id(text: str) -> str:
    """The id of a video."""
    try:
        return names.video(text)
    except names.Invalid as error:
        raise SettingError(str(error)) from None


def port(text: str) -> int:
    """A TCP port, or 0 for any that is free."""
    return _whole(text, 65535, "a port is a whole number")


def seconds(text: str) -> int:
    """A whole number of seconds."""
    return _whole(text, _YEAR_S, "it is a whole number of seconds")


def videos(text: str) -> int:
    """A number of videos. The largest is more than any machine has room for."""
    return _whole(text, 100_000_000, "it is a whole number")


def days(text: str) -> int:
    """A number of days: ten years at most, as each costs memory."""
    return _whole(text, 3660, "it is a whole number")


def seconds_or_never(text: str) -> int | None:
    """A whole number of seconds; None for 0."""
    return seconds(text) or None


def yes_or_no(text: str) -> bool:
    """A switch."""
    if text.lower() not in _YES | _NO:
        raise SettingError(f"it is yes or no, not {_shown(text)}")
    return text.lower() in _YES


def one_of(*words: str) -> Callable[[str], str]:
    """Exactly one of these words."""

    def chosen(text: str) -> str:
        if text not in words:
            listed = f"{', '.join(words[:-1])} or {words[-1]}"
            raise SettingError(f"it is {listed}, not {_shown(text)}")
        return text

    return chosen


def path(text: str) -> Path | None:
    """A file or a folder, whether or not it exists; None for an empty text."""
    return Path(text) if text else None


def data(text: str) -> Path | Literal[":memory:"]:
    """A folder, whether or not it exists, or `MEMORY`."""
    return MEMORY if text == MEMORY else Path(text)


def built_page(text: str) -> Path:
    """A folder into which the page was built."""
    if not (Path(text) / "build.json").is_file():
        raise SettingError(
            f"there is no built page in {text}; build one: python browser/build.py --out {text}"
        )
    return Path(text)


def check_url(text: str) -> str:
    """`text`, if it is http(s)://host:port without a path."""
    try:
        parts = urlsplit(text)
        fine = parts.scheme in {"http", "https"} and parts.hostname and parts.port is not None
    except ValueError:
        fine = False
    bare = fine and parts.path in {"", "/"} and not parts.query and not parts.fragment
    # Peers send their addresses to each other in frames, which take printable ASCII only.
    if not bare or not _PRINTABLE.fullmatch(text) or len(text) > 200:
        raise SettingError(f"an address is http://host:port, not {text[:200]!r}")
    return text


def urls(texts: Sequence[str]) -> tuple[str, ...]:
    """Addresses that `check_url` accepts."""
    return tuple(map(check_url, texts))


def rejoined(texts: Sequence[str]) -> list[str]:
    """URLs that may have several hosts, and so commas: a list in a variable was split there. What
    does not begin with a scheme belongs to the URL before it."""
    urls: list[str] = []
    for part in ",".join(texts).split(","):
        if urls and "://" not in part:
            urls[-1] += f",{part.strip()}"
        else:
            urls.append(part.strip())
    return urls


def origin(text: str) -> str:
    """A site, as browsers write it in the header `Origin`."""
    # `lower` turns some letters beyond ASCII into ASCII ones.
    match = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if match is None or not 0 < int(match[3] or 1) < 65536:
        raise SettingError(
            f"an origin is https://host or http://host:port, without a path, not {text[:200]!r}"
        )
    scheme, host, port = match[1], match[2], int(match[3] or _DEFAULT_PORTS[match[1]])
    if len(host) > _LONG_HOST or any(len(label) > _LONG_LABEL for label in host.split(".")):
        raise SettingError(f"no host has a name as long as that of {text[:200]!r}")
    return f"{scheme}://{host}" + ("" if port == _DEFAULT_PORTS[scheme] else f":{port}")


def origins(texts: Sequence[str]) -> tuple[str, ...]:
    """Sites without repetition, or `ANY` alone."""
    if ANY in texts:
        if [*texts] != [ANY]:
            raise SettingError(f"{ANY} means every site; list some sites, or give {ANY} alone")
        return (ANY,)
    return tuple(dict.fromkeys(map(origin, texts)))


def listed_origins(texts: Sequence[str]) -> tuple[str, ...]:
    """`origins` that fit together into one header."""
    sites = origins(texts)
    length = len(" ".join(sites))
    if length > LONGEST_LIST:
        raise SettingError(
            f"{len(sites)} sites make a header of {length} characters, and balancers and proxies "
            f"refuse long ones; list sites of {LONGEST_LIST} characters together, or give {ANY}"
        )
    return sites


def hosts(texts: Sequence[str]) -> tuple[str, ...]:
    """Host names without repetition, or `ANY` alone."""
    if ANY in texts:
        if [*texts] != [ANY]:
            raise SettingError(f"{ANY} means every host; list some hosts, or give {ANY} alone")
        return (ANY,)
    for text in texts:
        if not _HOST.fullmatch(text):
            raise SettingError(f"a host is a name without a port, not {_shown(text)}")
    return tuple(dict.fromkeys(text.lower() for text in texts))


def secrets(*words: str) -> tuple[str, ...]:
    """The cluster's secret, and perhaps another one that this node accepts. No message shows
    them."""
    if not all(map(_PRINTABLE.fullmatch, words)):
        raise SettingError("a secret is one word of printable ASCII, without spaces")
    if len(set(words)) < len(words):
        raise SettingError("it has the same secret twice; leave one out, or make a new one")
    if any(len(word) > _LONG_SECRET for word in words):
        raise SettingError(f"a secret has at most {_LONG_SECRET} characters")
    if any(len(word) < _SHORT_SECRET for word in words):
        _log.warning(
            "the secret is shorter than %d characters, and can be guessed: openssl rand -hex 32 "
            "makes a good one",
            _SHORT_SECRET,
        )
    return words


def secrets_in(file: str) -> tuple[str, ...]:
    """The secrets in a file: one on each line, with or without white space around it."""
    try:
        with Path(file).open(encoding="utf-8") as opened:
            text, mode = opened.read(), os.fstat(opened.fileno()).st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{file} can't be read: {error}") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise SettingError(f"{file} is empty; write a secret into it")
    if len(lines) > _MOST_SECRETS:
        raise SettingError(f"{file} has {len(lines)} lines; it may have one secret or two")
    if mode & stat.S_IROTH:
        _log.warning(
            "every user of this machine can read the secret in %s: chmod 600 %s", file, file
        )
    try:
        return secrets(*lines)
    except SettingError as error:
        raise SettingError(f"{file}: {error}") from None


def _whole(text: str, most: int, what: str) -> int:
    if not _DIGITS.fullmatch(text.strip()) or int(text) > most:
        raise SettingError(f"{what} from 0 to {most}, not {_shown(text)}")
    return int(text)


def _shown(text: str) -> str:
    return repr(text[:80])
