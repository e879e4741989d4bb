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


def raise_limit() -> int:
    """Raise the soft limit as far as this process may. Returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST
    allowed = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    for limit in (allowed, min(allowed, _MACOS_MOST)):
        if limit <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        except (OSError, ValueError):
            continue
        return limit
    return soft


def allow(wanted: int) -> None:
    """Raise the soft limit for this process and its children to `wanted`, or else to the hard
    limit. The default of some systems is only 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
