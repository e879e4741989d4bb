"""Operator: how the cluster is, in words: made once on the node, laid out by the command.

report        all of it: what `/api/cluster` carries, from a replica's observation and `facts`
members       how each process stands; nodes: how each name stands
slots         how each slot stands, and who has it
folds         why closed slots wait, and what is folded
advice        what to do, and the command that does it
retirement    what it means to retire a node
verdict       words, and their mood
status        the text of `ratchet status` and `ratchet retire`; terminal: colours and tables
glossary      what the words mean
humanize      numbers, times and lists as people read them
"""
