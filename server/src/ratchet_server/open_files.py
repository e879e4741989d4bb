"""How many files this process may open: each connection is one.

Many systems start a process with a soft limit of 1,024, because programs that use `select` need it.
The hard limit is much higher. A process may raise its own soft limit up to the hard one.
"""

import resource
from typing import Final

# The most that a node asks for: so many connections already take gigabytes. (Some container engines
# allow a thousand million files.)
MOST: Final = 65_536
# Advice for operators, for the end of a log line.
HOW_TO_RAISE: Final = (
    "raise its hard limit of open files (systemd: LimitNOFILE=; docker: --ulimit nofile=; a shell: "
    "ulimit -n), or add nodes"
)
# The most that macOS grants, even if its hard limit is higher.
_MACOS_MOST: Final = 10_240


def raise_limit(most: int = MOST) -> int:
    """Raise the soft limit to `most`, or as far as this process may. A higher limit stays. Its
    children inherit the limit. Returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST
    allowed = most if hard == resource.RLIM_INFINITY else min(hard, most)
    for limit in (allowed, min(allowed, _MACOS_MOST)):
        if limit <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (OSError, ValueError):
            continue
        return limit
    return soft
