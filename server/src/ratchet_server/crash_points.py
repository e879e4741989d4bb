"""A hook for tests of crashes: a node that kills itself, or that fails, at a named step.

In the environment, `RATCHET_DIE_AT=<step>` kills the process as `kill -9` does, and
`RATCHET_FAIL_AT=<step>` raises an error that no code expects. Where neither is set, `reached` does
nothing.
"""

import os
import signal
from typing import Final, Literal, get_args

Step = Literal[
    "start-listening",  # the port and the data are ours; nothing is read yet
    "start-loaded",  # all that is stored is in memory
    "slot-opened",  # nobody has heard of the slot yet
    "slot-written",  # it is on disk
    "fold-decided",  # here, or heard of; nothing is on disk yet
    "fold-half-written",  # in the transaction, before it is committed
    "fold-part-written",  # a large slot: some of its rows are lifted, others are not
    "fold-written",  # all of the slot is in the base, on disk
    "leave-refusing",  # views are refused, the last ones perhaps not on disk
    "leave-closed",  # the slot is closed, in memory alone
    "leave-written",  # on disk, too
    "leave-handed-over",  # a peer has everything
    "peer-dialled",  # a peer answers; nothing is said on the connection yet
    "retire-decided",  # in memory alone
    "retire-written",  # on disk, and not answered
]
STEPS: Final[tuple[Step, ...]] = get_args(Step)

_die_at: Final = os.environ.get("RATCHET_DIE_AT")
_fail_at: Final = os.environ.get("RATCHET_FAIL_AT")


def reached(step: Step) -> None:
    """This process has come so far."""
    if step == _die_at:
        os.kill(os.getpid(), signal.SIGKILL)
    if step == _fail_at:
        raise RuntimeError(f"told to fail at {step}")
