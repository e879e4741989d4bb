"""The calls that show how a node and its cluster are."""

from typing import Final

from ratchet_server.http.openapi.words import IF_NONE_MATCH, Json, call, ok, ref

PATHS: Final[dict[str, Json]] = {
    "/api/node": {
        "get": call("readNode", "One node's state", ok("The state.", ref("Node")), tag="observing")
    },
    "/api/cluster": {
        "get": call(
            "readCluster",
            "One node's view of the cluster",
            ok("The report.", ref("Cluster")),
            tag="observing",
            more="The words may change with any version: read the numbers and states.",
        )
    },
    "/api/catalogue": {
        "get": call(
            "readCatalogue",
            "The clips that this node has itself, for other nodes",
            ok("The clips.", ref("Catalogue"), etag=True),
            tag="observing",
            parameters=(IF_NONE_MATCH,),
        )
    },
    "/healthz": {
        "get": call(
            "isAlive", "Whether the process runs", ok("It runs.", ref("Alive")), tag="observing"
        )
    },
    "/readyz": {
        "get": call(
            "isReady",
            "Whether the node serves reads and is not stopping",
            ok("It does.", ref("Ready")),
            {503: "not_ready draining"},
            tag="observing",
            more="A node takes a caller without `Via` for the balancer: monitors use /healthz.",
        )
    },
    "/metrics": {
        "get": call(
            "readMetrics",
            "Numbers for Prometheus",
            ok("The metrics, in Prometheus' text format.", kind="text/plain"),
            tag="observing",
        )
    },
    "/openapi.json": {
        "get": call(
            "readDescription",
            "This description",
            ok("OpenAPI 3.1.", {"type": "object"}, etag=True),
            tag="observing",
            parameters=(IF_NONE_MATCH,),
        )
    },
}
