"""A Ratchet node: the IO around `ratchet`'s replica, in wings that import one way.

    __main__      the entry point: takes signals, then imports the rest
    cli           the command `ratchet`
    node          the composition root: makes the parts, joins them, runs and stops them
    http          browsers, balancers, operators and peers come in here; Sanic is used here alone
    peering       connections to all other nodes
    counting      the one task that owns the replica and the disk
    operator      what is wrong in a cluster, in sentences
    demo          a local cluster: real nodes, links to cut, a balancer

    settings      everything that can be set, with unit and default
    signals       signals that stop a node
    log_throttle  a log line once a minute
    crash_points  a hook for tests of crashes

`http` imports `counting`, `peering` and `operator`; those three import none of each other. The last
four are for all.
"""
