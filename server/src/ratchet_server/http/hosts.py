"""Which host names a node answers to: a defence against DNS rebinding.

A node on loopback is out of reach for other machines, but not for the browsers of its own machine.
Suppose that evil.example resolves to 127.0.0.1 once its page is loaded. To the browser, the page
and the node now have the same origin, so the page reads whatever the node answers. But the browser
puts the page's own host name into `Host`.

A node that listens beyond loopback answers to any name by default. Whoever can reach its port may
read it without a browser, too; and it can't know all names that its network has for it.
"""

import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from sanic import Request

from ratchet_server.http.errors import ApiError
from ratchet_server.settings import ANY

_SHOWN: Final = 100


class Hosts:
    """`allowed`: the names of RATCHET_ALLOWED_HOSTS, or `ANY`. `listens_at`: the IP address.
    `own`: names under which this node calls itself."""

    def __init__(self, allowed: Sequence[str], *, listens_at: str, own: Iterable[str] = ()) -> None:
        self.are_checked = ANY not in allowed and (bool(allowed) or _is_loopback(listens_at))
        self._names = {name.lower() for name in (*allowed, *own, socket.gethostname())}

    @classmethod
    def of_node(cls, allowed: Sequence[str], *, host: str, url: str, listening: str) -> "Hosts":
        """The hosts of a node that was given `host` to listen on, and that listens at `listening`.
        Peers reach it at `url`."""
        listens_at, own = urlsplit(listening).hostname, urlsplit(url).hostname
        return cls(allowed, listens_at=listens_at or "", own=(host, own or ""))

    def check(self, request: Request) -> None:
        """Refuse a request to a name that nobody gave this node. Raises `ApiError`.

        No page can make a browser send `Via`, so a request with it comes through a balancer. Such a
        request has the site's name. (A page can forge `X-Forwarded-For` and the like.)
        A client that sends no `Host` is no browser. Neither is a client of `/peer`, where the guard
        refuses browsers.
        """
        hosts = request.headers.getall("host", [])
        if all(map(self._is_ours, hosts)) or "via" in request.headers or request.path == "/peer":
            return
        raise ApiError(
            403,
            "other_host",
            f"This node does not answer to the host name {hosts[0][:_SHOWN]!r}. Use its address, "
            "or localhost. Its operator can list more names in RATCHET_ALLOWED_HOSTS; a balancer "
            "can send a Via header.",
        )

    def _is_ours(self, host: str) -> bool:
        name = _without_port(host)
        return name in self._names or _is_local(name) or _is_address(name)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().removesuffix(".")


def _is_local(name: str) -> bool:
    # Nobody can register names below `localhost` (RFC 6761).
    return name == "localhost" or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    # Rebinding needs a name: the page of an address comes from that address.
    return _address(name) is not None


def _is_loopback(name: str) -> bool:
    address = _address(name)
    return address is not None and address.is_loopback


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
