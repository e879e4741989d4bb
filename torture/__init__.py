"""`make torture`: faults in a real cluster under load, and the judge's verdict after each.

faults      what can be done to a cluster, and how it is undone
rounds      one fault: load, the fault, healing, the verdict
schedule    which fault comes when: a seed decides
__main__    the command; the table; what is kept of a failure

The viewers, the history and the judge are those of `ratchet torture`, which is published.
"""
