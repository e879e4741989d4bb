"""`ratchet demo`: real nodes, a balancer and the page on this machine, in the foreground.

    program       the composition root: makes the parts, joins them, runs them
    machine       what the demo needs of this machine: ports, open files, clips
    supervisor    starts, watches and ends the processes; child: one of them
    terminal      the user's signals and keys; introduction: what is where, and what to try
    wires         which wire joins the nodes, so that a page can cut a node off; one of:
                  links, between nodes; relays, to a broker; groups, of multicast;
                  fronts: where the nodes of the last two dial each other
    playground    the nodes' state, and the actions: cut, kill, ...; control: both as HTTP
    client        HTTP requests to the nodes
    balancer      HAProxy if this machine has it, else stand_in; stand_in_nodes: that one's nodes

The demo is one asyncio process, beside the nodes and the balancer. It ends every process that it
starts: in order on Ctrl-C, SIGTERM and SIGHUP, and through the kernel if the demo itself is killed
(see child.py). Ctrl-Z stops all processes until `fg`. The counts stay in the data folder for the
next run.
"""
