"""A DNS server in the tests' process, on loopback, whose answers a test chooses.

It answers by UDP and by TCP. An answer that is too long for UDP is truncated, as real servers do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, Final, Literal

from dnslib import QTYPE, RCODE, RR, DNSError  # type: ignore[import-untyped]
from dnslib.server import BaseResolver, DNSLogger, DNSServer  # type: ignore[import-untyped]

from testing.nodes import HOST, free_port

# How soon a server notices that it should end.
_POLL_S: Final = 0.02
# The longest answer by UDP to a client that asks for no longer one.
_DATAGRAM: Final = 512
# `answer`: what the zone has. `fail`: SERVFAIL. `nothing`: not a word.
Manner = Literal["answer", "fail", "nothing"]


class Zone(BaseResolver):  # type: ignore[misc]  # dnslib has no types
    """What the server knows. A test changes it while the server runs."""

    def __init__(self, port: int) -> None:
        self.at = f"{HOST}:{port}"
        self.manner: Manner = "answer"
        self._records: list[Any] = []
        # Kinds of records for which it fails.
        self.fails_for: set[str] = set()
        # The requests, and by which protocol they came.
        self.asked: list[tuple[str, str, str]] = []

    def hold(self, *lines: str) -> None:
        """Know exactly these lines of a zone file."""
        self._records = RR.fromZone("\n".join(lines))

    def resolve(self, request: Any, handler: Any) -> Any:
        """The answer to a request."""
        name, kind = request.q.qname, QTYPE[request.q.qtype]
        self.asked.append((str(name), kind, handler.protocol))
        if self.manner == "nothing":
            # The handler sends nothing then.
            raise DNSError("silent")
        reply = request.reply()
        if self.manner == "fail" or kind in self.fails_for:
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        known = [one for one in self._records if one.rname == name]
        for alias in [one for one in known if QTYPE[one.rtype] == "CNAME"]:
            reply.add_answer(alias)
            known += [one for one in self._records if one.rname == alias.rdata.label]
        if not known:
            reply.header.rcode = RCODE.NXDOMAIN
        reply.add_answer(*(one for one in known if QTYPE[one.rtype] == kind))
        if handler.protocol == "udp" and len(reply.pack()) > _DATAGRAM:
            # dnslib would leave out the question, too. Real servers send it.
            reply = request.reply()
            reply.header.tc = 1
        return reply


@contextmanager
def dns_server() -> Iterator[Zone]:
    """A server, on the same port for UDP and TCP."""
    port = free_port()
    zone, quiet = Zone(port), DNSLogger(logf=lambda _text: None)
    servers = [DNSServer(zone, HOST, port, tcp=tcp, logger=quiet) for tcp in (False, True)]
    threads = [Thread(target=each.server.serve_forever, args=(_POLL_S,)) for each in servers]
    for thread in threads:
        thread.start()
    try:
        yield zone
    finally:
        for server in servers:
            server.stop()
            server.server.server_close()
        for thread in threads:
            thread.join()
