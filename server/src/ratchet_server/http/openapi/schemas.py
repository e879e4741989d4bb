"""The schemas of numbers and names, and of the bodies of calls that are for everybody."""

from typing import Any, Final

from ratchet import names

from ratchet_server.http import batch, importing
from ratchet_server.http.catalogue import POSTERS
from ratchet_server.http.openapi.words import Json, ref


def whole(pattern: str, what: str) -> Json:
    """A text of which the whole has this pattern."""
    return {"type": "string", "pattern": f"^{pattern}$", "description": what}


def record(optional: str = "", /, **fields: Any) -> Json:
    """An object with these fields. `optional`: those that may be absent, with spaces between."""
    required = [name for name in fields if name not in optional.split()]
    return {"type": "object", "required": required, "properties": fields}


def many(of: Json, **bounds: int) -> Json:
    """An array."""
    return {"type": "array", "items": of, **bounds}


def or_null(schema: Json) -> Json:
    """This, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


TEXT: Final[Json] = {"type": "string"}
YES_OR_NO: Final[Json] = {"type": "boolean"}
UUID: Final[Json] = {"type": "string", "format": "uuid"}
_DAY: Final[Json] = {"type": "string", "format": "date"}
POSITIVE: Final[Json] = {**ref("Count"), "minimum": 1}
VIDEO: Final = ref("VideoId")
COUNT: Final = ref("Count")
SUM: Final = ref("Sum")

_ERROR: Final = {
    "error": whole("[a-z0-9_]+", "For programs."),
    "message": {"type": "string", "description": "What is wrong, and how to mend it."},
    "index": {**COUNT, "description": "The first bad entry of a list, from 0."},
}

SCHEMAS: Final[dict[str, Json]] = {
    "VideoId": whole("[A-Za-z0-9_-]{1,64}", "The id of a video."),
    "NodeName": whole("[a-z0-9-]{1,63}", "The name of a node."),
    "Count": {"type": "integer", "minimum": 0, "maximum": names.MAX_COUNT},
    "Sum": {
        "type": "integer",
        "minimum": 0,
        "description": "The sum of the views of many videos; it may be larger than each can be.",
    },
    "Generation": {
        **COUNT,
        "maximum": names.MAX_GENERATION,
        "description": "One start of a process of a node.",
    },
    "Slot": whole("[a-z0-9-]{1,63}@(0|[1-9][0-9]*)", "`node@generation`."),
    "Generations": {
        "type": "object",
        "propertyNames": {"pattern": r"^([a-z0-9-]{1,63}|\*)$"},
        "additionalProperties": ref("Generation"),
        "description": "{node: generation}; `*` stands for all names that are not listed.",
    },
    "Error": record("index", **_ERROR),
    "Problem": {
        "description": "An error as RFC 9457 has it, beside the fields of every error.",
        **record(
            "index",
            type={
                "type": "string",
                "format": "uri-reference",
                "pattern": "^/openapi\\.json#/x-errors/[a-z0-9_]+$",
                "description": "Where this description says what the code means.",
            },
            title={"type": "string", "description": "What the code means."},
            status={"type": "integer", "minimum": 400, "maximum": 599},
            detail={"type": "string", "description": "The same as `message`."},
            **_ERROR,
        ),
    },
    "Counted": record(
        video=VIDEO,
        views=COUNT,
        counted={
            "enum": [True, False, "pending"],
            "description": "Whether this request counted; false if its key has come before; "
            "pending if it will count, unless a node that can't be reached has counted its key.",
        },
    ),
    "Batch": {
        "additionalProperties": False,
        **record(
            views=many(
                {
                    "additionalProperties": False,
                    **record(
                        "key",
                        video=VIDEO,
                        n=POSITIVE,
                        key={**or_null(UUID), "description": "With it, the entry counts once."},
                    ),
                },
                minItems=1,
                maxItems=batch.MAX_ENTRIES,
            )
        ),
    },
    "BatchCounted": record(
        "pending",
        counted={**SUM, "description": "How many views, without those of repeated keys."},
        pending={**SUM, "description": "How many views are pending, if any are."},
    ),
    "Number": record(video=VIDEO, views=COUNT),
    "Numbers": record(
        "next",
        videos=many(
            record(
                "title description today",
                video=VIDEO,
                views=COUNT,
                title=TEXT,
                description=TEXT,
                today={**COUNT, "description": "The views of today. Only with `sort=-today`."},
            )
        ),
        next={
            **or_null(VIDEO),
            "description": "The `after` of the next page; null after the last. "
            "Absent with `ids` and `sort`.",
        },
    ),
    "Days": record(
        video=VIDEO,
        first={**_DAY, "description": "The first day that is kept; after `today`: none is."},
        today=_DAY,
        days=many(record(day=_DAY, views=COUNT)),
    ),
    "Snapshot": record(
        video=VIDEO,
        base={**COUNT, "description": "The views in folded slots."},
        slots={
            "type": "object",
            "propertyNames": ref("Slot"),
            "additionalProperties": COUNT,
            "description": "{slot: views}, for each other slot that has counted the video.",
        },
        folded=ref("Generations"),
    ),
    "Catalogue": record(
        videos=many(
            record(video=VIDEO, title=TEXT, description=TEXT, poster={"enum": [*POSTERS, None]})
        )
    ),
    "Import": {
        "additionalProperties": False,
        **record(
            "rows end",
            **{
                "import": {"type": "string", "pattern": importing.NAME.replace("\\Z", "$")},
                "rows": many(
                    {
                        "type": "array",
                        "prefixItems": [VIDEO, POSITIVE],
                        "minItems": 2,
                        "maxItems": 2,
                        "description": "A video, and its views.",
                    },
                    maxItems=importing.MAX_ROWS,
                ),
                "end": or_null(
                    {"additionalProperties": False, **record(videos=POSITIVE, views=POSITIVE)}
                ),
            },
        ),
    },
    "Imported": record(
        **{
            "import": TEXT,
            "state": {"enum": ["agreeing", "open", "ended"]},
            "waits_for": many(TEXT),
            "videos": or_null(COUNT),
            "views": SUM,
        }
    ),
}
