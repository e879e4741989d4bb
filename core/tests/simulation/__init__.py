"""A cluster of real replicas and browsers on virtual time, with every fault, driven by one seed.

The replicas and browsers are the real code; the wire, the disks and the clock are simulated, and
nothing sleeps. One seed makes one run: it draws the cluster, then step after step what happens to
it, and the fate of every frame. The invariants of ARCHITECTURE.md are checked after every step. If
one is broken, the run ends and prints the seed, the steps and what broke. Quiet hours are skipped,
so a thousand of them cost a second.

Read in this order:

    steps        what can happen, as words
    agenda       virtual time
    disk         what a node has stored
    process      a running node: a replica, and a driver that does what `ratchet.replica` asks
    network      which processes are connected, and what happens to frames on their way
    clients      views with keys, sent again to other nodes
    browsers     tabs, storage, reloads
    truth        which views were really counted, and which may have been lost
    invariants   what must hold
    world        all of it together
    actions      what each step does to a world
    chooser      draws the next step from the seed
    run          one run, from a seed or from a list of steps
    shrink       the shortest list of steps that still breaks the same invariant
    sometimes    which faults must have happened in a fair number of runs
    __main__     the command line
    mutants      breaks the core in known ways, and shows which invariant catches each
    scale        how long many replicas take to agree, and what that costs
    plot         draws the figures of scale

This is the idea of FoundationDB's simulation ("if it can happen, make it happen often") and of
TigerBeetle's: the real code, deterministic, faults as the normal case, a seed that replays.
"""
