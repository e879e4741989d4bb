"""Counting: one task owns the replica and the disk. Nothing in here knows HTTP or the network.

keeper        the one task: takes in views and frames, commits, answers
refusals      why the keeper refuses work, and what it promises about the work
store         reads and writes the database, one SQLite file; schema: its tables
reading       reads everything back that is surely as it was written
transaction   what one transaction reads and writes
checksum      the checksum of a row
failures      what it means when the database fails
datadir       the folder of that file: makes, checks and locks it
readiness     when a node that has just started may show its numbers
departure     how a node stops without losing a view
life          the node's state: starting, serving, draining, ...
"""
