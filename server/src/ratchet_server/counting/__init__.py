"""Counting: one task owns the replica and the disk. Nothing in here knows HTTP or the network.

keeper        the one task: takes views and frames, commits, answers
refusals      why it refuses, as promises to its callers
store         what is on disk: one SQLite file; schema: its tables
datadir       the folder of that file: made, checked, locked
readiness     when a node that has just started may show its numbers
departure     how a node goes: the balancer first, then views, rows, sockets
life          what a node is doing, in a word
"""
