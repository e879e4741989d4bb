"""`make bench`: how fast a node is, side by side with simpler servers, in one run.

Ratios are what counts here: both sides of each were measured in turn, on the same machine, by the
same load. Absolute figures tell more about the machine than about Ratchet.

    servers   the simpler servers that a node is compared with
    load      the load: many connections, each sends its next request when it has its answer
    rates     requests a second, in turn
    latency   from an answered view on one node to a watcher of another
    merges    merges a second, here and in Pyodide
    storage   bytes a video, and the start with a million of them
    pauses    how long a view waits while a million videos are moved
    processes starts what is measured, and ends it
    page      bytes and milliseconds until a browser's first merge: `python -m bench.page`
    wire      the server that counts those bytes
"""
