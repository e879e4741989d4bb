"""The description of all HTTP calls: OpenAPI 3.1.

`openapi.json` is what a node serves, and what tests hold each response against. It is made of the
parts here, which take bounds, patterns and error codes from the code that they describe:

    python -m ratchet_server.http.openapi     writes openapi.json anew

    document     puts all together
    schemas      numbers, names, and the bodies of calls for everybody; reports: those of a cluster
    words        what the calls below are written in
    counting, reading, operating, observing, showing    the calls
"""
