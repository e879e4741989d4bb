"""The error response to each refusal of the keeper: its status, code, message and retry time."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ratchet_server.counting.refusals import (
    ClockInDoubt,
    CountFull,
    DataLost,
    DiskFull,
    KeyReused,
    Locked,
    NoPeer,
    NotShared,
    Overloaded,
    Refusal,
    Stopped,
    Stopping,
    Superseded,
    TooManyViews,
)


class Error(NamedTuple):
    """The parts of an error response. `message` may name fields of the refusal in braces."""

    status: int
    code: str
    message: str
    retry_after_s: int | None = None


# 503 promises that the view was surely not counted.
ERRORS: Final[Mapping[type[Refusal], Error]] = {
    Stopping: Error(
        503,
        "draining",
        "This node is stopping and did not count the view; send it to another node.",
        1,
    ),
    Superseded: Error(
        503,
        "superseded",
        "A newer process of this node has taken over, and this one did not count the view; "
        "send it again.",
        1,
    ),
    Stopped: Error(
        503, "stopped", "This node has stopped and did not count the view; send it to another node."
    ),
    Overloaded: Error(
        503,
        "overloaded",
        "Too many views are waiting at this node, so it did not count this one; send it again.",
        1,
    ),
    DiskFull: Error(
        503,
        "disk_full",
        "This node's disk is full, so it did not count the view; make room, or send the view to "
        "another node.",
        1,
    ),
    Locked: Error(
        503,
        "locked",
        "Another program has locked this node's database, so it did not count the view; end that "
        "program, or send the view to another node.",
        1,
    ),
    DataLost: Error(
        503,
        "data_lost",
        "The files with this node's data were deleted, moved or damaged, so it did not count the "
        "view; its log says how to mend it. Send the view to another node.",
        1,
    ),
    ClockInDoubt: Error(
        503,
        "clock_in_doubt",
        "This machine's clock or that of another node is more than a day wrong, so this node did "
        "not count the view; set the clock, or send the view to another node.",
        1,
    ),
    CountFull: Error(
        507,
        "count_full",
        "The number of this video is the largest that there is, so this node did not count the "
        "view. No video has so many views: OPERATING.md says how to mend the number.",
    ),
    TooManyViews: Error(
        400,
        "too_many_views",
        "No node can have counted so many views of the video since this one started, so other "
        "nodes would not believe the number. Bring counts of another program by `ratchet import`.",
    ),
    NoPeer: Error(
        503,
        "no_peer",
        "No other node is connected to this one, so it did not count the view; send it again, or "
        "ask for ack=disk.",
        1,
    ),
    KeyReused: Error(
        422,
        "key_reused",
        "The Idempotency-Key {key} was used for a view of {video}; make a new key for each view.",
    ),
    NotShared: Error(
        504,
        "not_shared",
        "The view is on this node's disk, but no other node has confirmed it in time. Send it "
        "again with the same Idempotency-Key.",
    ),
}


def error_of(refusal: Refusal) -> Error:
    """The error for `refusal`, with the refusal's fields in its message."""
    error = ERRORS[type(refusal)]
    return error._replace(message=error.message.format_map(vars(refusal)))
