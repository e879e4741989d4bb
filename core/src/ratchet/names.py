"""Names and numbers: what a video id, a node name, a count and a generation may be.

Each function takes a value of any type from outside and returns it, or raises `Invalid`.
"""

import re
from typing import Final

# The largest integer that JavaScript, SQLite and JSON all hold exactly.
MAX_COUNT: Final = 2**53 - 1

# The largest generation that a replica takes from others. A process with a broken clock, or a
# hostile one, must leave its name room for some thousand million further starts.
MAX_GENERATION: Final = MAX_COUNT - 2**42

# The most views of one name that are noted as lifted. Every node believes as many: see `bounds`.
MAX_LIFTED: Final = 2**50

# The last day that a generation can name: see `days`.
MAX_DAY: Final = MAX_GENERATION // (86_400 * 1_000_000)

# The names of imports begin with this, and no node's name does: see `imports`.
IMPORT: Final = "import-"

# At most so many ids of a cluster are sent. A cluster has one for each node that has started on an
# empty disk and could not reach any other.
MAX_IDS: Final = 1000

_VIDEO: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NODE: Final = re.compile(r"[a-z0-9-]{1,63}")
_KEY: Final = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")


class Invalid(ValueError):
    """A value from outside does not have the form it must have. The message names the rule."""


def video(value: object) -> str:
    """`value` as a video id: 1 to 64 of ``A-Z a-z 0-9 _ -``. Raises `Invalid`."""
    if isinstance(value, str) and _VIDEO.fullmatch(value):
        return value
    raise Invalid(f"a video id is 1 to 64 of A-Z a-z 0-9 _ -, not {shown(value)}")


def node(value: object) -> str:
    """`value` as a node name: 1 to 63 of ``a-z 0-9 -``. Raises `Invalid`."""
    if isinstance(value, str) and _NODE.fullmatch(value):
        return value
    raise Invalid(f"a node name is 1 to 63 of a-z 0-9 -, not {shown(value)}")


def key(value: object) -> str:
    """`value` as the key of a view: a UUID in lower case. Raises `Invalid`."""
    if isinstance(value, str) and _KEY.fullmatch(value):
        return value
    raise Invalid(f"a key is a UUID in lower case, not {shown(value)}")


def is_import(node: str) -> bool:
    """Whether a name is that of an import."""
    return node.startswith(IMPORT)


def natural(value: object) -> int:
    """`value` as a count or a sequence number: 0 to 2**53-1. Raises `Invalid`."""
    # bool is an int in Python, and `true` is no count.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT:
        return value
    raise Invalid(f"a count is a whole number from 0 to 2**53-1, not {shown(value)}")


def generation(value: object) -> int:
    """`value` as a generation: 0 to `MAX_GENERATION`. Raises `Invalid`."""
    if natural(value) <= MAX_GENERATION:
        return natural(value)
    raise Invalid("a generation is a start time in microseconds since 1970, before the year 2255")


def day(value: object) -> int:
    """`value` as a day: 0 to `MAX_DAY`. Raises `Invalid`."""
    if natural(value) <= MAX_DAY:
        return natural(value)
    raise Invalid("a day is a number of days since 1970, before the year 2255")


def shown(value: object) -> str:
    """`value` for a message: short, however large it is."""
    # repr() of a huge int or text would cost what the limits are there to save.
    if isinstance(value, int) and not -MAX_COUNT <= value <= MAX_COUNT:
        return "a number beyond 2**53-1"
    if isinstance(value, (str, int, float, type(None))):
        text = repr(value[:81] if isinstance(value, str) else value)
        return text if len(text) <= 80 else text[:77] + "..."
    return f"a {type(value).__name__}"
