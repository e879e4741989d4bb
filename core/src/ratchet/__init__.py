"""Ratchet's core: a view counter that many nodes count on at once and that never goes down.

Nothing in this package touches a socket, a file, a clock or a random source. Time and chance are
arguments; text goes in and comes out. So the same code runs on a server, in a browser (Pyodide) and
in a simulator. Each module holds one idea, and imports only modules that stand above it here. Read
them in this order:

    names        what a video id, a node name and a count may be
    slot         the part of every counter that one start of one process owns
    generations  maps of node -> generation: which slots are closed, which are folded; floors
    algebra      the four laws that merging obeys
    counter      THE IDEA: base + slots, merge and lift
    strict_json  JSON with exactly one meaning
    snapshot     one counter as text
    passive      a replica that only merges: a browser

    fingerprint  whether two maps are equal, in one number
    column       one slot's counts of all videos, in the order they changed
    base         what folded slots have left behind
    days         the same, by the day on which it was counted
    changes      what is to be written in one transaction
    table        a row for each video, a column for each slot, the base beside them
    journal      what is in memory and not yet on disk

    frames       the messages between replicas
    codec        frames as text
    bounds       what can be true of others, by our own clock
    options      what can be chosen for a replica
    peers        the processes that are connected
    pulses       digests in a few words, and who is asked for the rest
    transfers    which rows were asked for, and whom
    talk         digests, pushes, questions and answers
    holdings     what is safe on other disks

    members      who belongs to the cluster, and when each was last alive
    inquiries    who must say of a key whether it has counted it
    handover     who leaves for good tells another process which keys it has counted
    retries      a view with a key counts once, wherever its retry lands
    folding      when a slot may be forgotten, and what is in the way
    forgetting   when a name may be forgotten
    start        when this process started, and what time it is since then
    notices      what the person who runs a node should know
    cluster      what a replica learns about the others, and does about them
    imports      counts of another program, in a slot that no process counts in
    tenure       the life of our own slot
    identity     which nodes belong together, and who is a stranger
    observation  the whole cluster at one moment, for people to read
    replica      all of it together: the state machine that a node drives

The names are the literature's: Shapiro, Preguiça, Baquero, Zawirski, "Conflict-free Replicated
Data Types" (2011) for state-based counters; van Renesse, Dumitriu, Gough, Thomas, "Efficient
Reconciliation and Flow Control for Anti-Entropy Protocols" (2008) for digests of numbered
changes; Almeida, Shoker, Baquero, "Delta State Replicated Data Types" (2016) for sending rows
instead of whole states.
"""
