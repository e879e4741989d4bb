"""Ratchet's core: a view counter that many nodes count on at once and that never goes down.

Nothing in this package touches a socket, a file, a clock or a random source: time and chance are
handed in, text goes in and comes out. So the same code runs on a server, in a browser (Pyodide)
and in a simulator. Each module holds one idea; read them in this order:

    names        what a video id, a node name and a count may be
    slot         who counted: one start of one process
    generations  maps of node -> generation: which slots are closed, which are folded
    counter      THE IDEA: base + slots, merge and lift
    snapshot     one counter as text
    passive      a replica that only listens: a browser
    fingerprint  whether two maps are equal, in one number
    column       one slot's counts of all videos, in the order they changed
    base         what folded slots have left behind
    table        what a replica has: a row a video, a column a slot, the base beside them
    frames       what replicas say to each other
    codec        frames as text, strictly
    transfers    who has been asked for which rows
    exchange     the talk: digests, pushes, questions and answers
    peers        who else is there
    folding      when a slot may be forgotten, and what is in the way
    replica      a replica that counts: the state machine that a node drives

The names are the literature's: Shapiro, Preguiça, Baquero, Zawirski, "Conflict-free Replicated
Data Types" (2011) for state-based counters; van Renesse, Dumitriu, Gough, Thomas, "Efficient
Reconciliation and Flow Control for Anti-Entropy Protocols" (2008) for digests of numbered
changes; Almeida, Shoker, Baquero, "Delta State Replicated Data Types" (2016) for sending rows
instead of whole states.
"""
