"""The schemas of what nodes report of themselves and of their cluster, and of operators' calls."""

from typing import Final, get_args

from ratchet_server.http.openapi.schemas import (
    COUNT,
    SUM,
    TEXT,
    YES_OR_NO,
    many,
    or_null,
    record,
    whole,
)
from ratchet_server.http.openapi.words import Json, ref
from ratchet_server.operator import facts, nodes
from ratchet_server.operator.verdict import Mood

_NAME: Final = ref("NodeName")
_SAID: Final = ref("Verdict")
_TIME: Final[Json] = {"type": "number", "description": "Seconds since 1970."}
_GENERATION: Final = ref("Generation")

_MEMBER: Final = record(
    node=_NAME,
    process=or_null(ref("Process")),
    state={"enum": [state for state in get_args(nodes.State) if state != "gone"]},
    since=or_null(_TIME),
    url=or_null(TEXT),
    slot=or_null(ref("Slot")),
    behind=or_null(COUNT),
    ahead=or_null(COUNT),
    how=_SAID,
    ways=many(record(way=TEXT, silent_s={"type": "number"})),
    it_lacks=_SAID,
    we_lack=_SAID,
)
_FOLD: Final = record(
    node=_NAME,
    generation=_GENERATION,
    slots=COUNT,
    text=TEXT,
    obstacles=many(
        record(
            kind=TEXT,
            # Empty for `unmet`: nobody knows who is there.
            node=whole("[a-z0-9-]{0,63}", "The name of a node, or empty."),
            amount={"type": "number"},
            text=TEXT,
            mood={"enum": [*get_args(Mood)]},
        )
    ),
)

SCHEMAS: Final[dict[str, Json]] = {
    "Process": whole("[0-9a-f]{16}", "One process; drawn at random when it starts."),
    "ClusterId": whole("[0-9a-f]{16}", "The id that stands for a cluster."),
    "Alive": record(node=_NAME, alive={"const": True}),
    "Ready": record(node=_NAME, ready={"const": True}),
    "Node": record(
        "superseded reopened left_behind stored",
        node=_NAME,
        generation=or_null(_GENERATION),
        ready=YES_OR_NO,
        draining=YES_OR_NO,
        peers=many(
            record(node=or_null(_NAME), url=TEXT, connected=YES_OR_NO, behind=or_null(COUNT))
        ),
        known=ref("Generations"),
        closed=ref("Generations"),
        folded=ref("Generations"),
        digest=whole("[0-9a-f]{32}", "Equal on two nodes exactly when their counts are equal."),
        cluster=or_null(ref("ClusterId")),
        superseded=TEXT,
        reopened=COUNT,
        left_behind=COUNT,
        stored=YES_OR_NO,
    ),
    "Verdict": record(text=TEXT, mood={"enum": [*get_args(Mood)]}),
    "SlotRow": record(
        slot=ref("Slot"),
        state={"enum": ["open", "closed", "lifting"]},
        since=or_null(_TIME),
        videos=COUNT,
        views=SUM,
        upto=COUNT,
        said=COUNT,
        held={"type": "object", "propertyNames": _NAME, "additionalProperties": COUNT},
        how=_SAID,
        holders=_SAID,
    ),
    "Cluster": record(
        node=_NAME,
        process=ref("Process"),
        state={"enum": [*get_args(facts.State)]},
        slot=or_null(ref("Slot")),
        time=_TIME,
        headline=_SAID,
        here=TEXT,
        members=many(_MEMBER),
        nodes=many(
            record(
                node=_NAME,
                state={"enum": [*get_args(nodes.State)]},
                lacks=or_null(COUNT),
                slots=COUNT,
                how=_SAID,
            )
        ),
        slots=many(ref("SlotRow")),
        folds=many(_FOLD),
        folded=many(record(node=_NAME, generation=_GENERATION, views=SUM, text=TEXT)),
        base=record(videos=COUNT, views=SUM, text=TEXT),
        pending=record(
            views=COUNT,
            since=or_null(_TIME),
            awaited={"type": "object", "propertyNames": _NAME, "additionalProperties": COUNT},
            how=_SAID,
        ),
        unreached=many(TEXT),
        cluster=record(id=or_null(ref("ClusterId")), settled=YES_OR_NO, text=TEXT),
        strangers=many(record(node=_NAME, url=TEXT, cluster=ref("ClusterId"))),
        registries=many(record(url=TEXT, addresses=COUNT, why=or_null(TEXT), since=or_null(_TIME))),
        to_do=many(record(text=TEXT, command=or_null(TEXT))),
        advice=many(TEXT),
    ),
    "Draining": record(node=_NAME, draining={"const": True}),
    "Leaving": record(node=_NAME, leaving={"const": True}),
    "Retire": {"additionalProperties": False, **record("check", node=_NAME, check=YES_OR_NO)},
    "Retired": record(
        node=_NAME,
        closed=_GENERATION,
        headline=_SAID,
        slots=many(ref("SlotRow")),
        advice=TEXT,
        then=TEXT,
    ),
    "Join": {
        "additionalProperties": False,
        **record("folded", cluster=ref("ClusterId"), folded=ref("Generations")),
    },
    "Joined": record(node=_NAME, cluster=ref("ClusterId"), joined=ref("ClusterId")),
}
