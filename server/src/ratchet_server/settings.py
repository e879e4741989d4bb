"""Everything that can be set on a node: each with its unit, default and limits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from ratchet import names

Ack = Literal["memory", "disk", "peers"]
ACKS: Final[tuple[Ack, ...]] = get_args(Ack)

OnTerm = Literal["stop", "leave"]

MEMORY: Final = ":memory:"
# Among the origins: every site.
ANY: Final = "*"

# Neither spaces nor line ends: both a secret and an address stand in headers.
_PRINTABLE: Final = re.compile(r"[!-~]+")
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
# No IPv6: a browser's policies know no such hosts. The names are as browsers send them.
_ORIGIN: Final = re.compile(r"(https?)://([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::([0-9]{1,5}))?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_YES: Final = {"1", "true", "yes", "on"}
_NO: Final = {"", "0", "false", "no", "off"}


class SettingError(ValueError):
    """A setting that can't be. The message says which, and what it may be."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One node's settings. The first block are flags of `ratchet node` and `RATCHET_<FLAG>`."""

    name: str
    host: str = "127.0.0.1"
    port: int = 1234
    # The folder of the SQLite file; MEMORY: no storage at all.
    data: Path | Literal[":memory:"] = Path("data")
    peers: tuple[str, ...] = ()
    # How peers reach this node, where that isn't the address it binds.
    advertise: str | None = None
    media: Path | None = None
    # Count any valid video id, not only the catalogue's.
    open: bool = False
    secret: str | None = None

    # Only in the environment.
    ack: Ack = "disk"  # RATCHET_ACK: what an answer means where the request doesn't say
    key_lifetime_s: int = 900  # RATCHET_KEY_LIFETIME
    join_timeout_s: int = 10  # RATCHET_JOIN_TIMEOUT
    peers_timeout_s: int = 5  # RATCHET_PEERS_TIMEOUT: how long ack=peers waits for a peer
    fold_grace_s: int = 3600  # RATCHET_FOLD_GRACE: how long a slot is closed before it is folded
    # RATCHET_RETIRE_AFTER: a node that is missing for so long is retired by itself; None: never
    retire_after_s: int | None = None
    on_term: OnTerm = "stop"  # RATCHET_ON_TERM: what SIGTERM means
    discover: bool = True  # RATCHET_DISCOVER: dial peers that other peers tell of, too
    page: Path | None = None  # RATCHET_PAGE: the folder of the built page; None: the packaged one
    panel: bool = False  # RATCHET_PANEL: the watch page has the debug panel
    # RATCHET_PLAYGROUND: the demo's control, which pages may then call
    playground: str | None = None
    # RATCHET_EMBED_ORIGINS: the sites that may show counts of this one, or ANY alone
    embed_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise SettingError("the node needs a name: --name, or RATCHET_NAME")
        try:
            names.node(self.name)
        except names.Invalid as error:
            raise SettingError(f"--name: {error}") from None
        if not 0 <= self.port <= 65535:
            raise SettingError(f"--port is 0 to 65535, not {self.port}")
        for name, urls in (
            ("--peer", self.peers),
            ("--advertise", () if self.advertise is None else (self.advertise,)),
        ):
            for url in urls:
                check_url(url, f"{name}: ")
        if self.ack not in ACKS:
            raise SettingError(f"RATCHET_ACK is memory, disk or peers, not {self.ack!r}")
        if self.on_term not in get_args(OnTerm):
            raise SettingError(f"RATCHET_ON_TERM is stop or leave, not {self.on_term!r}")
        if self.secret is not None and not self.secret:
            raise SettingError("the secret is empty; leave it out, or put one in")
        if self.page is not None and not (self.page / "build.json").is_file():
            raise SettingError(
                f"RATCHET_PAGE: there is no built page in {self.page}; "
                f"build one: python browser/build.py --out {self.page}"
            )


def check_url(url: str, where: str = "") -> str:
    """`url` as http(s)://host:port without a path. Raises `SettingError`, which tells `where`."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and parts.hostname and parts.port is not None
    except ValueError:
        fine = False
    bare = fine and parts.path in {"", "/"} and not parts.query and not parts.fragment
    # Peers tell each other their addresses, in printable ASCII.
    if not bare or not _PRINTABLE.fullmatch(url) or len(url) > 200:
        raise SettingError(f"{where}an address is http://host:port, not {url[:200]!r}")
    return url


def origin(text: str, name: str) -> str:
    """`text` as browsers say where a page comes from. Raises `SettingError`."""
    # Beyond ASCII there are letters that become these ones.
    match = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if match is None or not 0 < int(match[3] or 1) < 65536:
        raise SettingError(
            f"{name}: an origin is https://host or http://host:port, without a path, "
            f"not {text[:200]!r}"
        )
    scheme, host, port = match[1], match[2], int(match[3] or _DEFAULT_PORTS[match[1]])
    return f"{scheme}://{host}" + ("" if port == _DEFAULT_PORTS[scheme] else f":{port}")


def origins(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A list of origins from the environment, or ANY alone. Raises `SettingError`."""
    given = [part.strip() for part in environ.get(name, "").split(",") if part.strip()]
    if ANY in given:
        if given != [ANY]:
            raise SettingError(f"{name}: {ANY} means every site; name some, or say {ANY} alone")
        return (ANY,)
    return tuple(dict.fromkeys(origin(part, name) for part in given))


def seconds(environ: Mapping[str, str], name: str, default: int) -> int:
    """A whole number of seconds from the environment, 0 to a year. Raises `SettingError`."""
    text = environ.get(name, str(default))
    if not _DIGITS.fullmatch(text) or int(text) > 365 * 86400:
        raise SettingError(
            f"{name} is a whole number of seconds, at most a year of them, not {text[:80]!r}"
        )
    return int(text)


def yes_or_no(environ: Mapping[str, str], name: str, default: str = "no") -> bool:
    """A switch from the environment. Raises `SettingError`."""
    text = environ.get(name, default).lower()
    if text not in _YES | _NO:
        raise SettingError(f"{name} is yes or no, not {text[:80]!r}")
    return text in _YES


def secret_of(environ: Mapping[str, str], file: str | None) -> str | None:
    """The cluster's secret: what stands in `file`, else RATCHET_SECRET. Raises `SettingError`."""
    where, text = "RATCHET_SECRET", environ.get("RATCHET_SECRET", "")
    if file is not None:
        where = f"--secret-file {file}"
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{where}: {error}") from None
    elif not text:
        return None
    if not text:
        raise SettingError(f"{where}: there is nothing in it")
    if not _PRINTABLE.fullmatch(text):
        raise SettingError(f"{where}: one word of printable ASCII is expected")
    return text
