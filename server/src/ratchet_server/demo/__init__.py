"""`ratchet demo`: real nodes, a balancer and the page on this machine, in the foreground.

    command     `ratchet demo` as a command: its defaults, and its errors as one line
    program     the composition root: makes the parts, joins them, runs them
    machine     what the demo needs of this machine: a folder, ports, clips
    supervisor  starts, watches and ends the processes; child: one of them
    terminal    the person in front; messages: what that person reads
    links       how the nodes reach each other, so that a page can cut one off
    control     HTTP for the demo's pages; overview: how the nodes are; actions: cut, kill, ...
    client      HTTP requests to the nodes
    balancer    HAProxy where it can be used, else stand_in; stand_in_nodes: whom that one asks
    tasks       work side by side that leaves no task behind

All of it but the nodes and the balancer is one asyncio process. Where Ctrl-Z holds it, its links
are silent until it goes on. It ends what it starts: on Ctrl-C, SIGTERM and SIGHUP in order, and
after its own violent death through the kernel (see child.py). What was counted stays in the data
folder for the next run.
"""
