"""A hook for tests of crashes: a node kills itself, or fails, at a named step.

With `RATCHET_DIE_AT=<step>` in the environment, the process kills itself there as `kill -9` would.
With `RATCHET_FAIL_AT=<step>`, it raises an error that no code expects. With neither, `reached` does
nothing.
"""

import os
import signal
from typing import Final, Literal, get_args

Step = Literal[
    "start-listening",  # the port and the data are ours; the node has read nothing yet
    "start-loaded",  # all stored data is in memory
    "slot-opened",  # no peer knows the slot yet
    "slot-written",  # the slot is on disk
    "fold-decided",  # by this node or another; nothing is on disk yet
    "fold-half-written",  # in the transaction, before its commit
    "fold-part-written",  # some rows of a large slot are lifted, others are not
    "fold-written",  # all of the slot is in the base, on disk
    "leave-refusing",  # the node refuses views; the last ones may not be on disk
    "leave-closed",  # the slot is closed, in memory alone
    "leave-written",  # the slot is closed on disk, too
    "leave-handed-over",  # a peer has everything
    "peer-dialled",  # a peer has answered; no frame has been sent yet
    "retire-decided",  # the closing is in memory alone
    "retire-written",  # the closing is on disk; the operator has no response yet
]
STEPS: Final[tuple[Step, ...]] = get_args(Step)


def reached(step: Step) -> None:
    """Note that this process has reached `step`: kill it, or fail, if the environment says so."""
    if step == os.environ.get("RATCHET_DIE_AT"):
        os.kill(os.getpid(), signal.SIGKILL)
    if step == os.environ.get("RATCHET_FAIL_AT"):
        raise RuntimeError(f"RATCHET_FAIL_AT={step}")
