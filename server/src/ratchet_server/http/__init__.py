"""HTTP: a node as browsers, balancers, operators and peers reach it. Sanic is used here alone.

api               the contract's calls about videos and this node
pages, files      the HTML; clips and built assets. built: where the built page lies
cluster           `/api/cluster`; metrics: `/metrics`; retirement: an operator gives a node up
peer              `WS /peer`: where peers come in
watchers          browsers that watch a number: encoded once, written to all
catalogue         the clips that are shown; listing: the ids of all videos, in order
badge             a count as a picture; embedders: the sites that may show counts
guard             who may call what: secret, loopback, origin
errors            the contract's error answers
headers           what browsers are told of each answer; freshness: `If-None-Match`
bounded_protocol  Sanic's protocol with bounds on clients that don't read
"""
