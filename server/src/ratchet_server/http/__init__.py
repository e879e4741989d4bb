"""HTTP: how browsers, balancers, operators and peers reach a node. Only this wing uses Sanic.

The calls. Each is a blueprint, whose arguments are the parts that it uses:

    views             counts a view
    reads             lists, numbers, snapshots, pictures (badge), and live updates of a number
    this_node         `/api/node`, `/healthz`, `/readyz`
    cluster           `/api/cluster`
    metrics           `/metrics`: a collector each for counting, serving and the cluster
    operators         drain, leave and retire (retirement)
    peer              `WS /peer`: the connections that peers open
    pages, files      the HTML; clips and built assets. built: the folder of the built page
    description       `/openapi.json`, which `openapi` makes of its parts
    core_for_others   the core's wheel and its lock file, for Pyodide pages of other sites
    sending           sends a file or a part of it, piece by piece (ranges: which part)
    whole_response    the response to a view, written without Sanic's work for each header

What they share:

    app, server       the Sanic app; its listening socket. head_router: HEAD wherever GET is
    bounded_protocol  limits that Sanic lacks: how slow a client may be
    tally             counts responses and errors
    backlog           how many bytes may wait for all clients together
    gate              which requests the node serves now; guard: which callers it serves
    videos            which videos this node counts and lists (catalogue: its clips; listing: ids)
    watchers          browsers that watch a number: each change is encoded once, and sent to all
    embedders         the sites that may show counts
    errors            the contract's error responses; refusals: which one each refusal gets; codes:
                      what each code means; problems: the fields of RFC 9457 (accepting: who asks)
    headers           headers that restrict what browsers do; freshness: `If-None-Match`
"""
