"""The calls that count views."""

from typing import Final

from ratchet_server.http.openapi.schemas import UUID
from ratchet_server.http.openapi.words import ACK, STARTING, VIDEO, Json, call, header, ok, ref

# Each of these promises that nothing was counted.
_NOT_COUNTED: Final = (
    "client_gone clock_in_doubt data_lost disk_full draining locked no_peer overloaded stopped "
    "superseded"
)
_KEY: Final = header(
    "Idempotency-Key",
    "A new UUID for each view. The cluster counts each key once: so after an attempt without a "
    "response, send the view again with its key and Ratchet-Attempt, to any node. The UUID may "
    "stand in double quotes.",
    UUID,
)
_ATTEMPT: Final = header(
    "Ratchet-Attempt",
    "The number of this attempt, from 1. From 2 on, the node asks all others whether they have "
    "counted the key.",
    {"type": "integer", "minimum": 1, "maximum": 9999},
)

PATHS: Final[dict[str, Json]] = {
    "/api/videos/{video}/views": {
        "post": call(
            "countView",
            "Count a view",
            ok("Counted, now or earlier with this key.", ref("Counted")),
            {
                400: "bad_ack bad_attempt bad_key",
                403: "other_origin robot",
                422: "key_reused",
                503: _NOT_COUNTED,
                504: "not_shared",
                507: "count_full too_many_videos",
            },
            tag="counting",
            more="A response to a counted view has no X-Ratchet-Node.",
            parameters=(VIDEO, ACK, _KEY, _ATTEMPT),
        ),
        "options": call(
            "mayCountFromElsewhere",
            "Ask whether a page of another site may count (CORS)",
            {204: {"description": "It may."}},
            {403: "other_origin"},
            tag="counting",
            # It answers for every id.
            parameters=({**VIDEO, "schema": {"type": "string", "minLength": 1}},),
        ),
    },
    "/api/views": {
        "post": call(
            "countViews",
            "Count many views of many videos: all of them, or none",
            ok("Counted.", ref("BatchCounted")),
            {
                400: "bad_ack bad_attempt bad_views bad_entry bad_video unknown_video "
                "too_many_videos too_many_views key_reused count_full",
                503: _NOT_COUNTED,
                504: "not_shared",
            },
            tag="counting",
            parameters=(ACK, _ATTEMPT),
            takes="Batch",
            guarded=True,
        )
    },
    "/api/cluster/import": {
        "post": call(
            "importCounts",
            "Bring the counts of another program, which count once, however often they are sent",
            ok("How far the import is.", ref("Imported")),
            {
                400: "bad_import bad_entry bad_video unknown_video too_many_videos too_many_views",
                409: "too_many_imports import_differs",
                503: f"{STARTING[503]} {_NOT_COUNTED}",
            },
            tag="counting",
            takes="Import",
            guarded=True,
        )
    },
}
