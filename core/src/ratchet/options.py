"""What can be chosen for a replica: how patient it is, and how much it does at once."""

from dataclasses import dataclass

from ratchet.codec import MAX_TEXT
from ratchet.frames import MAX_ROWS


@dataclass(frozen=True, slots=True)
class Options:
    """The defaults are for a node. Tests choose less, so that every bound is met."""

    # How many seconds a slot is closed before it may be folded.
    grace_s: float = 3600.0
    # After how many seconds a missing member is retired. None: never.
    retire_after_s: float | None = None
    # Rows in one frame.
    max_rows: int = MAX_ROWS
    # Slots in one digest. A cluster has as many as nodes, and some that wait to be folded. It has
    # more than this only where a fold was blocked for years. Then a digest leaves the others out
    # until these are folded: the maps, which unblock the fold, must come through.
    max_slots: int = 5000
    # Rows that one transaction lifts into the base. Views wait meanwhile.
    max_lifted: int = 2000
    # For how many seconds after its start every process has been in sight of the cluster, if it
    # ever is: names that have gone are forgotten not before.
    retention_s: float = 7 * 86400.0
    # For how many days, today included, views are kept by day: see `days`. 0: not at all.
    kept_days: int = 30
    # So many names that have gone stay listed. When there are more, they are forgotten together.
    spare_names: int = 32
    # Characters in one digest. All that it has to say fits, but for thousands of names.
    max_digest: int = MAX_TEXT
    # Characters of a digest that is always sent whole, and not as a pulse: see `pulses`.
    max_whole: int = 2000
    # Whether the operator has given us addresses of other nodes: see `identity`.
    sent: bool = False


DEFAULTS = Options()
