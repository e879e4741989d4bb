"""The URLs of message buses (`--bus`): which are valid, and how they are shown.

A URL may have several hosts and a password, which `urllib` and most messages don't expect. A
`BusUrl` never shows its password.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

from ratchet_server.settings import values
from ratchet_server.settings.values import SettingError


class Kind(NamedTuple):
    """What the URLs of one scheme may have."""

    bus: str
    port: int | None
    tls: bool = False
    most_hosts: int = 1
    login: bool = True
    # What the path names, and what it is if the URL has none; None: there is no path.
    path: str | None = None
    parameters: frozenset[str] = frozenset({"cluster"})


_MULTICAST: Final = frozenset({"cluster", "iface", "ttl"})
KINDS: Final[Mapping[str, Kind]] = {
    "nats": Kind("nats", 4222, most_hosts=16),
    "nats+tls": Kind("nats", 4222, tls=True, most_hosts=16),
    # What NATS itself calls it.
    "tls": Kind("nats", 4222, tls=True, most_hosts=16),
    "redis": Kind("redis", 6379, path="0"),
    "rediss": Kind("redis", 6379, tls=True, path="0"),
    "amqp": Kind("rabbitmq", 5672, path="/"),
    "amqps": Kind("rabbitmq", 5671, tls=True, path="/"),
    "kafka": Kind("kafka", 9092, most_hosts=16, path="ratchet"),
    "kafka+tls": Kind("kafka", 9092, tls=True, most_hosts=16, path="ratchet"),
    "multicast": Kind("multicast", None, login=False, parameters=_MULTICAST),
}
DEFAULT_CLUSTER: Final = "ratchet"
# The largest hop limit of multicast.
_MOST_HOPS: Final = 255

_URL: Final = re.compile(
    r"(?P<scheme>[a-z+]+)://"
    r"(?:(?P<login>[^/?#]*)@)?"
    r"(?P<hosts>[^/?#@]*)"
    r"(?:/(?P<path>[^?#]*))?"
    r"(?:\?(?P<query>[^#]*))?"
    r"(?:#(?P<fragment>.*))?"
)
_HOST: Final = re.compile(
    r"(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?"
)
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")
_INTERFACE: Final = re.compile(r"[!-.0-~]{1,60}")


class Host(NamedTuple):
    """Where a broker listens."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusUrl:
    """A bus, and how to reach it. As a text it is the URL without its login, and without what need
    not be given."""

    scheme: str
    hosts: tuple[Host, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    # A virtual host, a database or a topic.
    path: str = ""
    # Only nodes with the same name hear each other.
    cluster: str = DEFAULT_CLUSTER
    # Of multicast: the network interface, and over how many routers messages go.
    iface: str | None = None
    ttl: int = 1

    @property
    def kind(self) -> Kind:
        """What its scheme stands for."""
        return KINDS[self.scheme]

    @property
    def is_local(self) -> bool:
        """Whether, by its URL, nobody on another machine can send on it. (A hop limit only bounds
        what this node sends.)"""
        if self.kind.bus == "multicast":
            return self.iface == "lo" or _is_loopback(self.iface or "")
        return all(_is_loopback(host.name) for host in self.hosts)

    @property
    def whole(self) -> str:
        """All of it, with the password: for a process that uses the bus, and never for people."""
        login = ":".join(quote(part or "", safe="") for part in (self.user, self.password))
        path = "" if self.kind.path is None else f"/{quote(self.path, safe='')}"
        query = {"cluster": self.cluster}
        if self.kind.bus == "multicast":
            query |= {"iface": self.iface or "", "ttl": str(self.ttl)}
        hosts = ",".join(map(str, self.hosts))
        at = "" if login == ":" else f"{login}@"
        return f"{self.scheme}://{at}{hosts}{path}?{urlencode(query)}"

    def __str__(self) -> str:
        path = "" if self.path == (self.kind.path or "") else f"/{quote(self.path, safe='')}"
        parameters = {
            "cluster": None if self.cluster == DEFAULT_CLUSTER else self.cluster,
            "iface": self.iface,
            "ttl": None if self.ttl == 1 else self.ttl,
        }
        query = urlencode({name: value for name, value in parameters.items() if value is not None})
        hosts = ",".join(map(str, self.hosts))
        return f"{self.scheme}://{hosts}{path}{'?' if query else ''}{query}"


def buses(texts: Sequence[str]) -> tuple[BusUrl, ...]:
    """The buses with these URLs. Raises `SettingError`, without a password in it."""
    urls = tuple(_bus(text) for text in values.rejoined(texts))
    names = [str(url) for url in urls]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"{name} is given twice")
    return urls


def _bus(text: str) -> BusUrl:
    if not (text.isascii() and text.isprintable()):
        raise SettingError(
            "the URL of a bus has only printable ASCII: in a login, write other characters as the "
            "%XX of their UTF-8"
        )
    match = _URL.fullmatch(text)
    if match is None or match["scheme"] not in KINDS:
        given = match["scheme"] if match else text.partition(":")[0][:20]
        raise SettingError(
            f"a bus is {', '.join(f'{scheme}://…' for scheme in KINDS)}; {given!r} is none of them"
        )
    if "@" in text and match["login"] is None:
        # Don't show the host: it may be half of a password.
        raise SettingError(
            f"{match['scheme']}://…: in a login, write / as %2F, ? as %3F, # as %23 and @ as %40"
        )
    kind, shown = KINDS[match["scheme"]], f"{match['scheme']}://{match['hosts'][:200]}"
    if match["fragment"] is not None:
        raise SettingError(f"{shown} has nothing after #")
    user, password = _login(match["login"], kind, shown)
    parameters = _parameters(match["query"] or "", kind, shown)
    cluster = parameters.get("cluster", DEFAULT_CLUSTER)
    if not _WORD.fullmatch(cluster):
        raise SettingError(f"{shown}: cluster= is 1 to 63 of A-Z a-z 0-9 _ -")
    url = BusUrl(
        scheme=match["scheme"],
        hosts=_hosts(match["hosts"], kind, shown),
        user=user,
        password=password,
        path=_path(match["path"], kind, shown),
        cluster=cluster,
        iface=parameters.get("iface"),
        ttl=_hops(parameters.get("ttl", "1"), shown),
    )
    if kind.bus == "multicast":
        _check_group(url)
    return url


def _login(text: str | None, kind: Kind, shown: str) -> tuple[str | None, str | None]:
    if text is None:
        return None, None
    if not kind.login:
        raise SettingError(f"{shown} has no login")
    user, _, password = text.partition(":")
    return unquote(user) or None, unquote(password) or None


def _hosts(text: str, kind: Kind, shown: str) -> tuple[Host, ...]:
    parts = text.split(",")
    if len(parts) > kind.most_hosts:
        most = "one host" if kind.most_hosts == 1 else f"{kind.most_hosts} hosts at most"
        raise SettingError(f"{shown} has {len(parts)} hosts; it takes {most}")
    return tuple(_host(part, kind, shown) for part in parts)


def _host(text: str, kind: Kind, shown: str) -> Host:
    match = _HOST.fullmatch(text)
    if match is None:
        raise SettingError(f"{shown}: a host is name:port or address:port")
    if match["port"] is None and kind.port is None:
        raise SettingError(f"{shown} needs a port")
    port = int(match["port"]) if match["port"] else kind.port or 0
    if not 0 < port < 65536:
        raise SettingError(f"{shown}: a port is 1 to 65535")
    return Host(match["host"].strip("[]"), port)


def _path(text: str | None, kind: Kind, shown: str) -> str:
    if not text:
        return kind.path or ""
    if kind.path is None:
        raise SettingError(f"{shown} has no path")
    path = unquote(text)
    if kind.bus == "redis" and not (path.isdigit() and len(path) <= 4):
        raise SettingError(f"{shown}/…: after the host comes the number of a database")
    if kind.bus == "kafka" and not _TOPIC.fullmatch(path):
        raise SettingError(
            f"{shown}/…: after the hosts comes a topic, 1 to 200 of A-Z a-z 0-9 . _ -"
        )
    return path


def _parameters(text: str, kind: Kind, shown: str) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True)
    given = dict(pairs)
    if unknown := given.keys() - kind.parameters:
        known = ", ".join(f"{name}=" for name in sorted(kind.parameters))
        raise SettingError(f"{shown} has no {min(unknown)[:40]!r}; after ? it takes {known}")
    if len(pairs) != len(given):
        raise SettingError(f"{shown}: each parameter may be given once")
    if "iface" in given and not _INTERFACE.fullmatch(given["iface"]):
        raise SettingError(f"{shown}: iface= is the name or the address of a network interface")
    return given


def _hops(text: str, shown: str) -> int:
    if not text.isdigit() or int(text) > _MOST_HOPS:
        raise SettingError(f"{shown}: ttl= is 0 to {_MOST_HOPS}")
    return int(text)


def _check_group(url: BusUrl) -> None:
    """Raises `SettingError` unless `url` names a multicast group and how to reach it."""
    try:
        group = ip_address(url.hosts[0].name)
    except ValueError:
        group = None
    if group is None or not group.is_multicast:
        raise SettingError(
            f"{url} is no multicast group; take an address of 239.0.0.0/8 or ff05::/16"
        )
    if url.iface is None:
        raise SettingError(
            f"{url} needs ?iface=, the network interface whose neighbours hear each other"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
