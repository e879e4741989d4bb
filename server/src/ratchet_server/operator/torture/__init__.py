"""`ratchet torture`: viewers put load on a cluster, and a judge says whether it counted right.

`load` has the viewers, `history` what they sent and received, `agreement` the end, `judge` the
verdict, and `table` shows it. None of it causes faults: the project's `make torture` does.
"""
