"""Which user of this machine owns the other end of a connection.

This tells an operator from a proxy on the same machine. Both connect from loopback, and nginx adds
no header unless it is configured to. But a proxy runs as a user of its own.
"""

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

# No user of this machine owns the end: its process has closed it, or it is on another machine.
NOBODY: Final = -1

# Linux lists all connections of the machine here. With thousands of them, reading takes
# milliseconds, so use this only for rare calls.
_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def user_of(peer: Sequence[Any], here: Sequence[Any]) -> int | None:
    """The id of the user who owns the end `peer` of the connection from `peer` to `here`. Both are
    addresses, as our socket returns them. `NOBODY` if no user owns that end; None if this system
    has no such tables."""
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
            # After its process has closed it, a socket has inode 0 and user 0.
            if local == theirs and remote == ours and inode != "0":
                return int(uid)
    return NOBODY if found else None


def _in_table(end: Sequence[Any], table: int) -> str:
    """An end of a connection, in the format of a table: 32-bit words in the machine's byte order.
    The second table, for IPv6, also lists the IPv4 connections of IPv6 sockets."""
    address = ip_address(end[0])
    packed = address.packed
    if table == 1 and address.version == 4:
        packed = b"\0" * 10 + b"\xff\xff" + packed
    words = [packed[i : i + 4] for i in range(0, len(packed), 4)]
    host = "".join(f"{socket.ntohl(int.from_bytes(word)):08X}" for word in words)
    return f"{host}:{end[1]:04X}"
