"""HTTP: a node as browsers, balancers, operators and peers reach it. Sanic is used here alone.

The calls, a blueprint each; every blueprint is given what it uses:

    views             counting a view
    reads             lists, numbers, snapshots, pictures (badge), and watching a number live
    this_node         `/api/node`, `/healthz`, `/readyz`
    cluster           `/api/cluster`; metrics: `/metrics`
    operators         drain, leave and retire (retirement)
    peer              `WS /peer`: where peers come in
    pages, files      the HTML; clips and built assets. built: where the built page lies

What they share:

    app, server       the Sanic app; its listening socket. bounded_protocol: limits Sanic lacks
    gate              which requests are served now; guard: who may call what
    videos            which videos this node counts and lists (catalogue: its clips; listing: ids)
    watchers          browsers that watch a number: encoded once, written to all
    embedders         the sites that may show counts
    errors            the contract's error answers; refusals: those for what the keeper refuses
    headers           what browsers are told of each answer; freshness: `If-None-Match`
"""
