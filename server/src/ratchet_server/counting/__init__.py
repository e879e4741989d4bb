"""Counting: one task owns the replica and the disk. Nothing in here knows HTTP or the network.

keeper        the one task: takes in views and frames, commits, answers
refusals      why the keeper refuses, as promises to its callers
store         what is on disk: one SQLite file; schema: its tables
datadir       the folder of that file: made, checked, locked
readiness     when a node that has just started may show its numbers
departure     how a node stops without losing a view
life          what a node is doing, in a word
"""
