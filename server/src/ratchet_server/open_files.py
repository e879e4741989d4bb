"""How many files, and so how many connections, a process may have open."""

import resource


def allow(wanted: int) -> None:
    """Raise the limit for this process and its children to `wanted`, or as far as the system lets
    us. Some systems allow only 256 by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
