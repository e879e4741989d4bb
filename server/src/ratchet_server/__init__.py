"""A Ratchet node: the IO around `ratchet`'s replica.

    early       the first line of the program: hears signals before anything else is read
    cli         the command `ratchet`; status prints how a cluster is
    demo        a local cluster: real nodes, links to cut, a balancer
    settings    everything one can set, with unit and default
    node        the composition root: makes the parts, joins them, runs and stops them
    api, pages  HTTP: the contract's calls; the pages and files
    cluster     the cluster as this node sees it; advice: what is wrong, and what mends it
    retirement  the operator's word that a node won't come back
    departure   how a node goes: the balancer first, then views, rows, sockets
    metrics     numbers for Prometheus
    readiness   when a node that has just started may show its numbers
    keeper      the one task that owns the replica: counts, commits, answers
    mesh, link  replication: connections to all peers, and one of them; addresses: whom to dial
    store       what is on disk: one SQLite file
    datadir     the folder of that file: made, checked, locked
    watchers    browsers that watch a number: encoded once, written to all
    guard       who may call what: secret, loopback, origin
    catalogue   the clips that are shown
    errors      the contract's error answers
    steps       a hook for tests of crashes

Imports point down this list; `settings`, `errors` and `steps` are for all.
"""
