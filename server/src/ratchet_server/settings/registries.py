"""How `--registry` is parsed: which registry it names, where its servers are, what they are told.

A URL names a registry and a cluster: the part after the last host is the cluster's own, and two
clusters at one registry have two. No URL holds a password, because `ps` shows flags, and logs show
URLs: the password is in a file or in a variable, which the URL names.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from ratchet_server.settings import values
from ratchet_server.settings.values import SettingError

_PORT: Final = re.compile(r"[0-9]{1,5}")
_HOST: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]")
_PATH: Final = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_SERVICE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_OF_KUBERNETES: Final = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)")
# As long as a name in the DNS. No registry takes much longer ones.
_LONG: Final = 253
_LONG_TOKEN: Final = 4096
_MOST_SERVERS: Final = 16


@dataclass(frozen=True, slots=True)
class RegistryUrl:
    """A registry. `str` gives the URL for logs and reports, without its parameters."""

    scheme: str
    # Of the form host:port, with brackets around an IPv6 address. For the DNS: the servers that are
    # asked; empty: those of the system.
    servers: tuple[str, ...]
    # What the cluster is called there: a prefix, a service, a path, or a name in the DNS.
    name: str
    # The port of the nodes, where the registry knows only their hosts.
    port: int | None = None
    # The password, or the token.
    token: str | None = field(default=None, repr=False)

    @property
    def tls(self) -> bool:
        """Whether its servers are called over TLS."""
        return self.scheme.endswith("+tls")

    def __str__(self) -> str:
        if self.port is not None:
            return f"{self.scheme}://{self.name}:{self.port}"
        if self.scheme.startswith("dns"):
            return f"{self.scheme}://{self.name}"
        return f"{self.scheme}://{','.join(self.servers)}/{self.name}"


def registry_urls(texts: Sequence[str]) -> tuple[RegistryUrl, ...]:
    """Registries without repetition."""
    return tuple(dict.fromkeys(map(_registry, values.rejoined(texts))))


def _registry(text: str) -> RegistryUrl:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in _KINDS:
        raise SettingError(f"a registry is {_listed(_EXAMPLES.values())}, not {_shown(text)}")
    where, _, query = rest.partition("?")
    example = _EXAMPLES[scheme]
    valid, parse = _KINDS[scheme]
    if "@" in where:
        instead = "leave it out"
        if "token-file" in valid:
            instead = f"put user:password into a file, and name that: {example}?token-file=FILE"
        raise SettingError(
            f"{scheme}:// was given a user or a password, which others could read there; {instead}"
        )
    parameters = _parameters(query, valid, scheme)
    parsed = parse(scheme, where, parameters)
    if parsed is None or len(parsed.name) > _LONG or any(len(it) > _LONG for it in parsed.servers):
        raise SettingError(f"it is {example}, not {_shown(text)}")
    return parsed


def _parameters(query: str, valid: Sequence[str], scheme: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    for name in names:
        if name not in valid or names.count(name) > 1:
            # The value may be a password.
            raise SettingError(
                f"{scheme}:// takes each of the parameters {' and '.join(valid)} once, and no "
                f"other; it was given {name[:40]!r}"
            )
    return dict(pairs)


# -- each kind ---------------------------------------------------------------------------------


def _with_servers(
    form: re.Pattern[str], port: int, most: int = _MOST_SERVERS
) -> Callable[[str, str, Mapping[str, str]], RegistryUrl | None]:
    """Parses host:port,host:port/name. `port` is what a host without one has."""

    def parse(scheme: str, where: str, parameters: Mapping[str, str]) -> RegistryUrl | None:
        hosts, _, name = where.partition("/")
        servers = [_server(host, port) for host in hosts.split(",")]
        if not form.fullmatch(name) or None in servers or len(servers) > most:
            return None
        return RegistryUrl(
            scheme, tuple(filter(None, servers)), name, token=_token(scheme, parameters)
        )

    return parse


def _dns(scheme: str, where: str, parameters: Mapping[str, str]) -> RegistryUrl | None:
    name, _, port = where.rpartition(":")
    if not _HOST.fullmatch(name) or name.startswith("[") or not _is_port(port):
        return None
    return RegistryUrl(scheme, _asked(parameters), name, int(port))


def _srv(scheme: str, where: str, parameters: Mapping[str, str]) -> RegistryUrl | None:
    if not _HOST.fullmatch(where) or where.startswith("["):
        return None
    return RegistryUrl(scheme, _asked(parameters), where)


def _kubernetes(_scheme: str, where: str, parameters: Mapping[str, str]) -> RegistryUrl | None:
    match = _OF_KUBERNETES.fullmatch(where)
    name = match and f"_peer._tcp.{match[1]}.{match[2]}.svc.cluster.local"
    return RegistryUrl("dns+srv", _asked(parameters), name) if name else None


_KINDS: Final = {
    "etcd": (("token-file", "token-variable"), _with_servers(_PATH, 2379)),
    "etcd+tls": (("token-file", "token-variable"), _with_servers(_PATH, 2379)),
    "consul": (("token-file", "token-variable"), _with_servers(_SERVICE, 8500, most=1)),
    "consul+tls": (("token-file", "token-variable"), _with_servers(_SERVICE, 8501, most=1)),
    "zookeeper": (("token-file", "token-variable"), _with_servers(_PATH, 2181)),
    "dns": (("server",), _dns),
    "dns+srv": (("server",), _srv),
    "kubernetes": (("server",), _kubernetes),
}
_EXAMPLES: Final = {
    "etcd": "etcd://host:2379,host:2379/prefix",
    "etcd+tls": "etcd+tls://host:2379,host:2379/prefix",
    "consul": "consul://host:8500/service",
    "consul+tls": "consul+tls://host:8501/service",
    "zookeeper": "zookeeper://host:2181,host:2181/path",
    "dns": "dns://name:port",
    "dns+srv": "dns+srv://_peer._tcp.name",
    "kubernetes": "kubernetes://service.namespace",
}


def _server(text: str, default: int) -> str | None:
    host, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not host:
        host, port = port, ""
    fine = _HOST.fullmatch(host) and (not port or _is_port(port))
    return f"{host}:{port or default}" if fine else None


def _asked(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """The DNS server of `?server=`, if there is one."""
    if "server" not in parameters:
        return ()
    server = _server(parameters["server"], 53)
    try:
        ip_address((server or "").rpartition(":")[0].strip("[]"))
    except ValueError:
        raise SettingError(
            f"server= is a DNS server's IP address and port, 127.0.0.1:8600 for example, not "
            f"{_shown(parameters['server'])}"
        ) from None
    return (server,) if server else ()


def _token(scheme: str, parameters: Mapping[str, str]) -> str | None:
    if not parameters:
        return None
    if len(parameters) > 1:
        raise SettingError(f"{scheme}:// takes token-file= or token-variable=, not both")
    if file := parameters.get("token-file"):
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"the token file {file} can't be read: {error}") from None
        where = file
    else:
        where = parameters.get("token-variable", "")
        token = os.environ.get(where, "").strip()
    if not token or not token.isprintable() or not token.isascii() or len(token) > _LONG_TOKEN:
        raise SettingError(
            f"{where!r} should hold one line of printable ASCII: a token, or user:password"
        )
    if not scheme.startswith("consul") and ":" not in token:
        raise SettingError(f"{where!r} should hold user:password, as {scheme} wants it")
    return token


def _is_port(text: str) -> bool:
    return bool(_PORT.fullmatch(text)) and 0 < int(text) < 65536


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}"


def _shown(text: str) -> str:
    """A text for messages, without what may be a password."""
    return repr(re.sub(r".*@", "…@", text.partition("?")[0])[:80])
