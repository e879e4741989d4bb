"""What a client names in a header such as Accept or Accept-Encoding (RFC 9110, 12.4 and 12.5)."""

import re
from typing import Final

_NEVER: Final = re.compile(r"q=0(\.0{0,3})?")


def named(header: str) -> set[str]:
    """The names that `header` lists and doesn't refuse (`q=0`). A wildcard is only a wildcard: it
    names nothing else."""
    names = set[str]()
    for part in header.lower().split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        if not any(_NEVER.fullmatch(each) for each in parameters):
            names.add(name)
    return names
