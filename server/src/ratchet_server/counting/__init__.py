"""Counting: one task owns the replica and the disk. Nothing in here knows HTTP or the network.

keeper        the one task: takes in views and frames, commits, answers
health        replaces bad files of the database, and logs what happens to them
refusals      why the keeper refuses work, and what it promises about the work
store         opens the database, one SQLite file, and replaces it by a new one
reading       reads everything back that is surely as it was written
transaction   what one transaction reads and writes
schema        the tables, and the statements that read and write them
checksum      the checksum of a row
failures      what it means when the database fails
files         the files of the database: the new, the old, the log
datadir       the folder of these files: makes, checks and locks it
readiness     when a node that has just started may show its numbers
departure     how a node stops without losing a view
life          the node's state: starting, serving, draining, ...
"""
