"""Operator: the commands that call a running node, and what is wrong in a cluster, in sentences.

client        the HTTP calls to a node
commands      status, drain, leave, retire
advice        what is wrong, and the command that mends it
status        the text of `ratchet status` and `ratchet retire --check`
humanize      numbers, times and lists as people read them
"""
