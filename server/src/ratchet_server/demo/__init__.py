"""`ratchet demo`: real nodes, a balancer and the page on this machine, in the foreground.

    command     `ratchet demo` as a command: its defaults, and its errors as one line
    program     the composition root: makes the parts, joins them, runs them
    machine     what the demo needs of this machine: a folder, ports, clips
    supervisor  starts, watches and ends the processes; child: one of them
    terminal    the user's signals and keys; messages: what the user reads
    links       the connections between nodes, so that a page can cut a node off
    control     HTTP for the demo's pages; overview: the nodes' state; actions: cut, kill, ...
    client      HTTP requests to the nodes
    balancer    HAProxy if this machine has it, else stand_in; stand_in_nodes: that one's nodes
    tasks       work side by side that leaves no task behind

All of the demo but the nodes and the balancer is one asyncio process. While Ctrl-Z stops it, its
links are silent. It ends everything that it starts: in order on Ctrl-C, SIGTERM and SIGHUP, and
through the kernel if the demo itself is killed (see child.py). The counts stay in the data folder
for the next run.
"""
