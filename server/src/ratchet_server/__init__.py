"""A Ratchet node: the IO around `ratchet`'s replica, in wings that import in one direction.

    __main__      the entry point: holds signals back, then imports the rest
    cli           the command `ratchet`
    container     the start of the container image; health: its health check
    node          the composition root: makes the parts, joins them, runs and stops them
    http          browsers, balancers, operators and peers reach a node here; only it uses Sanic
    peering       connections to all other nodes
    counting      the one task that owns the replica and the disk
    client        the calls to a node, for programs and for the operator's commands
    operator      the operator's commands, and the report of what is wrong in a cluster
    demo          a local cluster: real nodes, links that can be cut, a balancer

    settings      every setting of a node, with its unit and default
    signals       the signals that stop a node
    open_files    how many files this process may open
    output        prints a command's output, even if stdout is broken
    log_throttle  bounds what is logged
    crash_points  a hook for tests of crashes

`http` imports `counting`, `peering` and `operator`, which do not import each other. All of them may
import `client` and the last six.
"""

from typing import Final

# What pip installs this package as.
DISTRIBUTION: Final = "ratchet-views"
