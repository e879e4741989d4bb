"""Multicast: datagrams to a group on the local network (RFC 1112, RFC 4291). There is no broker.

A datagram is small, and may get lost: then its frame is lost, and asked for again. Every node gets
what is sent to one of them; the others drop it at its head.
"""

import asyncio
import contextlib
import ipaddress
import socket
import struct
import sys
from collections.abc import AsyncIterator
from typing import Final

from ratchet_server.peering.bus.port import BusError, Hear
from ratchet_server.settings.buses import BusUrl

# A datagram that no network in use cuts into pieces: many tunnels take 1,400 bytes with headers.
# Multicast has no discovery of the path's size.
_DATAGRAM: Final = 1350
# The system's default holds some ninety datagrams, and drops the others while this node is busy.
_BUFFER: Final = 4 * 2**20
# So many in a row, and then a pause, so that receivers keep up.
_BURST: Final = 20
_PAUSE_S: Final = 0.005
# Linux's number (ip(7)); Python has no name for it.
_IP_MULTICAST_ALL: Final = 49


class Multicast:
    """A group on one network interface."""

    def __init__(self, url: BusUrl) -> None:
        self._url = url

    @contextlib.asynccontextmanager
    # A group has no inboxes: what is for one process goes to all.
    async def connect(self, process: str, hear: Hear) -> AsyncIterator["_Line"]:  # noqa: ARG002
        """See `port.Bus`."""
        try:
            sock = _socket(self._url)
        except (OSError, ValueError) as error:
            raise BusError(f"can't be joined: {error}") from None
        loop = asyncio.get_running_loop()
        receiver = _Receiver(hear, loop.create_future())
        transport, _ = await loop.create_datagram_endpoint(lambda: receiver, sock=sock)
        try:
            host = self._url.hosts[0]
            yield _Line(transport, (host.name, host.port), receiver.end)
        finally:
            transport.abort()
            # Let the loop close the socket.
            await asyncio.sleep(0)


class _Line:
    largest = _DATAGRAM

    def __init__(
        self,
        transport: asyncio.DatagramTransport,
        group: tuple[str, int],
        end: "asyncio.Future[BusError]",
    ) -> None:
        self._transport = transport
        self._group = group
        self._end = end
        self._sent = 0

    async def publish(self, to: str | None, message: bytes) -> None:  # noqa: ARG002
        self._sent += 1
        if self._sent % _BURST == 0:
            await asyncio.sleep(_PAUSE_S)
        if self._end.done():
            raise self._end.result()
        self._transport.sendto(message, self._group)

    async def broken(self) -> BusError:
        return await asyncio.shield(self._end)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, hear: Hear, end: "asyncio.Future[BusError]") -> None:
        self.end = end
        self._hear = hear

    def datagram_received(self, data: bytes, _address: object) -> None:
        self._hear(data)

    def error_received(self, error: Exception) -> None:
        # An interface that is down says so for each datagram.
        self._break(str(error))

    def connection_lost(self, error: Exception | None) -> None:
        self._break(str(error) if error else "closed the socket")

    def _break(self, why: str) -> None:
        if not self.end.done():
            self.end.set_result(BusError(why))


def _socket(url: BusUrl) -> socket.socket:
    """A socket that has joined the group on the interface of `url`. Raises `OSError`, or
    `ValueError` if there is no such interface."""
    host, iface = url.hosts[0], url.iface or ""
    group = ipaddress.ip_address(host.name)
    family = socket.AF_INET if group.version == 4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        # Several nodes on one machine each get a copy.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        if group.version == 4:
            member = struct.pack("=4s4si", group.packed, *_interface(iface))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, url.ttl)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            _only_joined(sock)
            # Bound to any address, it would get what others send to this port in other groups.
            sock.bind((host.name, host.port))
        else:
            index = socket.if_nametoindex(iface)
            member = struct.pack("=16si", group.packed, index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, url.ttl)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
            sock.bind((host.name, host.port, 0, index))
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _interface(text: str) -> tuple[bytes, int]:
    """The address and the index of an interface that is named by either."""
    try:
        return ipaddress.IPv4Address(text).packed, 0
    except ValueError:
        pass
    try:
        return bytes(4), socket.if_nametoindex(text)
    except OSError:
        names = ", ".join(name for _, name in socket.if_nameindex())
        raise ValueError(f"there is no interface {text!r}; there are {names}") from None


def _only_joined(sock: socket.socket) -> None:
    """Don't hear what another program's socket has joined on another interface (Linux)."""
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
