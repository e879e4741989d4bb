"""Operator: what is wrong in a cluster, in sentences. Reads what `/api/cluster` says, and no more.

advice        what is wrong, and the command that mends it
status        the text of `ratchet status` and `ratchet retire --check`
humanize      numbers, times and lists as people read them
"""
