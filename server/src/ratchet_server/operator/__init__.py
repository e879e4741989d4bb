"""Operator: how the cluster is, in words, and the commands that call a running node.

A node judges once, and the report is all of it:

report        what `/api/cluster` carries, made from a replica's observation and the node's `facts`
members       how each process stands; nodes: how each name stands
slots         how each slot stands, and who has it
folds         why closed slots wait, and what is folded
advice        what to do, and the command that does it
retirement    what it means to retire a node
verdict       words, and their mood
humanize      numbers, times and lists as people read them

The commands lay it out:

client        the HTTP calls to a node
commands      status, drain, leave, retire
status        the text of status and retire; terminal: colours and tables
glossary      what the words mean
"""
