"""A cluster of real replicas and browsers on virtual time, with every fault, driven by one seed.

Nothing sleeps and nothing is mocked but the wire, the disks and the clock. One seed makes one run:
it draws the cluster, then step after step what happens to it, then the fate of every frame. After
every step the invariants of the design hold, or the run ends with the seed, the step and the words
that say what broke. Long quiet hours are skipped, so a thousand of them cost a second.

Read in this order:

    steps        what can happen, as words
    agenda       virtual time
    disk         what a node has stored
    process      a running node: does all that a replica asks of whoever drives it
    network      who hears whom, and what happens to frames on their way
    browsers     tabs, storage, reloads
    truth        what was really counted, and what may have been lost
    invariants   what must hold
    world        all of it together; carries out steps
    chooser      draws the next step from the seed
    run          one run, from a seed or from a list of steps
    shrink       the shortest list of steps that still breaks the same
    sometimes    what must have happened in a fair number of runs
    __main__     the command line
    mutants      breaks the core in known ways, and shows what catches each
    scale        how long many replicas take to agree, and what it costs; plot draws it

This is the idea of FoundationDB's simulation ("if it can happen, make it happen often") and of
TigerBeetle's: the real code, deterministic, faults as the normal case, a seed that replays.
"""
