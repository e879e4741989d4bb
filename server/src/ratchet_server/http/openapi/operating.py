"""The calls of operators that change a node or the cluster."""

from typing import Final

from ratchet_server.http.openapi.words import Json, call, ok, ref

# The change is made, and other nodes will learn of it, but this node could not write it.
_UNWRITTEN: Final = "data_lost disk_full locked stopped superseded"

PATHS: Final[dict[str, Json]] = {
    "/api/node/drain": {
        "post": call(
            "drain",
            "Stop the node; it may come back",
            ok("It stops.", ref("Draining")),
            tag="operating",
            guarded=True,
        )
    },
    "/api/node/leave": {
        "post": call(
            "leave",
            "Stop the node for good, and close its slot",
            ok("It leaves.", ref("Leaving")),
            tag="operating",
            guarded=True,
        )
    },
    "/api/node/backup": {
        "post": call(
            "backUp",
            "All that the node has on disk",
            ok("One SQLite file.", kind="application/vnd.sqlite3"),
            {409: "in_memory busy", 503: "no_backup"},
            tag="operating",
            guarded=True,
        )
    },
    "/api/cluster/retire": {
        "post": call(
            "retire",
            "Declare that a node won't come back, or check what that would mean",
            ok("The closing is on disk; or, with `check`, nothing has changed.", ref("Retired")),
            {400: "bad_retire", 404: "unknown_node", 409: "living_node", 503: _UNWRITTEN},
            tag="operating",
            takes="Retire",
            guarded=True,
        )
    },
    "/api/cluster/join": {
        "post": call(
            "join",
            "Declare that another cluster and this one are one",
            ok("That is on disk.", ref("Joined")),
            {400: "bad_join", 409: "two_bases", 503: _UNWRITTEN},
            tag="operating",
            takes="Join",
            guarded=True,
        )
    },
}
