"""The error that a client gets for each refusal of the keeper: status, code, words, retry time."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ratchet_server.counting.refusals import (
    DiskFull,
    KeyReused,
    NoPeer,
    NotShared,
    Overloaded,
    Refusal,
    Stopped,
    Stopping,
    Superseded,
)


class Told(NamedTuple):
    """`message` may name fields of the refusal in braces."""

    status: int
    code: str
    message: str
    retry_after_s: int | None = None


# 503 promises that the view was surely not counted.
TOLD: Final[Mapping[type[Refusal], Told]] = {
    Stopping: Told(503, "draining", "This node is stopping; another one will count it.", 1),
    Superseded: Told(503, "superseded", "A newer process of this node counts; send it again.", 1),
    Stopped: Told(503, "stopped", "This node has stopped; nothing was done."),
    Overloaded: Told(503, "overloaded", "Too many views wait here.", 1),
    DiskFull: Told(503, "disk_full", "This node's disk is full; nothing was done.", 1),
    NoPeer: Told(503, "no_peer", "No other node is connected to this one; it was not counted.", 1),
    KeyReused: Told(
        422, "key_reused", "The Idempotency-Key {key} was used for {video}; use a new one a view."
    ),
    NotShared: Told(
        504,
        "not_shared",
        "It is counted on this node's disk, and no other node has said to have it. Send it again "
        "with its Idempotency-Key.",
    ),
}


def told(refusal: Refusal) -> Told:
    """The row of `refusal`, with its fields in the message."""
    row = TOLD[type(refusal)]
    return row._replace(message=row.message.format_map(vars(refusal)))
