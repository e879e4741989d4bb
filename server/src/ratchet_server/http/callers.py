"""Which user of this machine has the other end of a connection.

A proxy on the same machine comes from loopback, as an operator does, and nginx adds no header
unless it is told to. But it runs as a user of its own.
"""

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

# The caller has closed its end already, or it isn't on this machine: no user has it.
NOBODY: Final = -1

# Linux lists all connections of the machine here. To read them takes milliseconds where there are
# thousands, so this is for calls that are rare.
_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def user_of(peer: Sequence[Any], here: Sequence[Any]) -> int | None:
    """The user id at the other end of the connection from `peer` to `here`, as its socket names
    both; `NOBODY` if no user has that end; None where the system doesn't tell."""
    ends = [(_in_table(peer, table), _in_table(here, table)) for table in (0, 1)]
    found = False
    for table, (theirs, ours) in zip(_TABLES, ends, strict=True):
        try:
            lines = table.read_text().splitlines()
        except OSError:
            continue
        found = True
        for line in lines:
            _, local, remote, _, _, _, _, uid, _, inode, *_ = line.split()
            # A socket that its process has closed has no inode, and the system says user 0 of it.
            if local == theirs and remote == ours and inode != "0":
                return int(uid)
    return NOBODY if found else None


def _in_table(end: Sequence[Any], table: int) -> str:
    """An end of a connection, as one of the tables has it: 32-bit words in the machine's order. A
    program that speaks IPv4 by a socket for IPv6 stands in the second."""
    address = ip_address(end[0])
    packed = address.packed
    if table == 1 and address.version == 4:
        packed = b"\0" * 10 + b"\xff\xff" + packed
    words = [packed[i : i + 4] for i in range(0, len(packed), 4)]
    host = "".join(f"{socket.ntohl(int.from_bytes(word)):08X}" for word in words)
    return f"{host}:{end[1]:04X}"
