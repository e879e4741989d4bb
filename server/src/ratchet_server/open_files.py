"""How many files this process may open: each connection is one.

Many systems start a process with a soft limit of 1,024, for programs that use `select`, and a much
higher hard limit, up to which the process may raise its own.
"""

import resource
from typing import Final

# More than this helps no node: so many connections take gigabytes. (Some container engines grant a
# thousand million files.)
MOST: Final = 65_536
# For operators.
HOW_TO_RAISE: Final = (
    "raise its hard limit of open files (systemd: LimitNOFILE=; docker: --ulimit nofile=; a shell: "
    "ulimit -n), or add nodes"
)
# What macOS grants, whatever it names as the hard limit.
_MACOS_MOST: Final = 10_240


def raise_limit() -> int:
    """Raise the soft limit as far as this process may. Return the limit."""
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
    """Raise the limit for this process and its children to `wanted`, or as far as the system lets
    us. Some systems allow only 256 by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
