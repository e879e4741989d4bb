"""Operator: the report on the cluster's state, in words, and the commands that call a node.

The node makes the report:

report        what `/api/cluster` carries, made from a replica's observation and the node's `facts`
members       the state of each process; nodes: the state of each name
slots         the state of each slot, and who has its rows
folds         why closed slots wait, and what is folded
pending       the views that wait for what other nodes say
advice        what the operator should do, and the command that does it
retirement    which rows could be lost when a node is retired
verdict       a sentence, and how much it matters
humanize      numbers, times and lists as people read them

The commands only print it (`ratchet_server.client` has the calls to a node):

commands      status, drain, leave, retire; importing, exporting: the counts of all videos
status        the text of status and retire; terminal: colours and tables
glossary      what the words mean
"""
