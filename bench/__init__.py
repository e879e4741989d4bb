"""`make bench`: how fast a node is, compared with simpler servers, in one run.

Look at the ratios: both sides of each were measured in turn, on the same machine, under the same
load. The absolute figures depend on the machine more than on Ratchet.

    servers   the simpler servers that a node is compared with
    load      many connections, each of which sends its next request when it has its response
    rates     requests a second, in turn
    latency   from an answered view on one node to a watcher of another
    merges    merges a second, here and in Pyodide
    storage   bytes a video, and the start with a million of them
    pauses    how long a view waits while a million videos are sent and folded
    processes starts the servers that are measured, and ends them
    page      bytes and milliseconds until a browser's first merge: `python -m bench.page`
    wire      a server that counts those bytes
"""
