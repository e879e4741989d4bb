"""A client of Ratchet nodes, for programs: typed, and the one that the command `ratchet` uses.

    from ratchet_server.client import Client, new_key

    with Client("http://10.0.0.1:1234") as node:
        print(node.count("tide", key=new_key()).views)

`calls` has the calls; `connection` sends them; `results` is what they return; `errors` what they
raise. PROTOCOL.md explains each call.
"""

from ratchet_server.client.calls import Client, new_key
from ratchet_server.client.errors import CallError, Refused, Unreachable
from ratchet_server.client.results import (
    Counted,
    CountedMany,
    Entry,
    Imported,
    Joined,
    Node,
    Peer,
    Snapshot,
    Video,
)

__all__ = [
    "CallError",
    "Client",
    "Counted",
    "CountedMany",
    "Entry",
    "Imported",
    "Joined",
    "Node",
    "Peer",
    "Refused",
    "Snapshot",
    "Unreachable",
    "Video",
    "new_key",
]
