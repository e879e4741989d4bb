"""A Ratchet node: the IO around `ratchet`'s replica.

    cli         the command `ratchet`
    settings    everything one can set, with unit and default
    node        the composition root: makes the parts, joins them, runs and stops them
    keeper      the one task that owns the replica: counts, commits, answers
    store       what is on disk: one SQLite file
    datadir     the folder of that file: made, checked, locked
    mesh, link  replication: connections to all peers, and one of them
    watchers    browsers that watch a number: encoded once, written to all
    api, pages  HTTP: the contract's calls; the pages and files
    guard       who may call what: secret, loopback, origin
    catalogue   the clips that are shown
    errors      the contract's error answers
    metrics     numbers for Prometheus
    demo        a local cluster; stand_in is its balancer where there is no HAProxy

Imports point from the top of this list to its end, and never back.
"""
