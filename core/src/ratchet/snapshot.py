"""A snapshot: one counter as text, as a node sends it to a browser.

    {"video": "tide", "base": 40, "slots": {"a@1763800000000123": 3}, "folded": {"b": 1763…}}

A snapshot carries `folded`, because a counter without it is only half of a state: a receiver must
lift its own counter by the same folds before it merges. The key "*" in `folded` speaks of all names
that it does not list (see `generations`).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ratchet import names, strict_json
from ratchet.counter import Counter
from ratchet.generations import FLOOR, Generations, join
from ratchet.slot import Slot

# A thousand slots and a thousand folded names of the longest form are 170,000 characters.
MAX_TEXT: Final = 2**20


class Snapshot(NamedTuple):
    """A video's counter, and the folds it stands on."""

    video: str
    counter: Counter
    folded: Generations


def encode(snapshot: Snapshot) -> dict[str, object]:
    """The contract's four fields, ready for JSON."""
    return {
        "video": snapshot.video,
        **encode_counter(snapshot.counter),
        "folded": dict(snapshot.folded),
    }


def encode_counter(counter: Counter) -> dict[str, object]:
    """`base` and `slots`, ready for JSON."""
    return {"base": counter.base, "slots": {str(slot): n for slot, n in counter.slots.items()}}


def decode(text: str) -> Snapshot:
    """The snapshot in `text`. A `node` beside the four fields is allowed. Raises `Invalid`."""
    keys = ("video", "base", "slots", "folded")
    value = strict_json.record(parse(text), *keys, optional=("node",))
    counter = decode_counter({"base": value["base"], "slots": value["slots"]})
    return Snapshot(names.video(value["video"]), counter, decode_generations(value["folded"]))


def parse(text: str) -> object:
    """The JSON in `text`, a snapshot or a part of one. Raises `Invalid`."""
    return strict_json.loads(text, MAX_TEXT)


def decode_counter(value: object) -> Counter:
    """The counter in parsed JSON. Raises `Invalid`."""
    value = strict_json.record(value, "base", "slots")
    slots: Mapping[str, object] = strict_json.mapping(value["slots"])
    return Counter(
        names.natural(value["base"]),
        {Slot.parse(slot): names.natural(n) for slot, n in slots.items()},
    )


def decode_generations(value: object) -> Generations:
    """A map of generations in parsed JSON. Raises `Invalid`."""
    entries = strict_json.mapping(value).items()
    parsed = {_name_or_floor(node): names.generation(n) for node, n in entries}
    return join(parsed, {})


def _name_or_floor(text: str) -> str:
    return text if text == FLOOR else names.node(text)
