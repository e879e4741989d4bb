"""PROTOCOL.md is true: the codec parses its examples, and its tables list each field."""

import json
import re
from pathlib import Path
from typing import Final, get_args

import pytest
from ratchet import codec, pulses, snapshot
from ratchet.base import Base
from ratchet.frames import Digest, Frame, Hello, Pulse

PAPER: Final = (Path(__file__).parents[2] / "PROTOCOL.md").read_text("utf-8")
BETWEEN_NODES: Final = PAPER.split("## Between nodes")[1].split("\n## ")[0]


def _examples() -> dict[str, str]:
    """The example of each kind of frame: an indented block that follows the heading of its kind."""
    blocks = re.findall(r"^### ([a-z-]+)\n\n((?:    .*\n)+)", BETWEEN_NODES, re.MULTILINE)
    return dict(blocks)


def _section(kind: str) -> str:
    return BETWEEN_NODES.split(f"\n### {kind}\n")[1].split("\n### ")[0]


def test_each_kind_of_frame_has_an_example() -> None:
    parsed = {type(codec.decode(text)) for text in _examples().values()}
    assert parsed == set(get_args(Frame))


@pytest.mark.parametrize("kind", _examples())
def test_an_example_is_a_frame_and_is_sent_in_the_same_form(kind: str) -> None:
    text = _examples()[kind]
    assert json.loads(text)["is"] == kind
    assert json.loads(codec.encode(codec.decode(text))) == json.loads(text)


@pytest.mark.parametrize("kind", [kind for kind in _examples() if "|---|" in _section(kind)])
def test_a_table_explains_the_fields_of_its_frame(kind: str) -> None:
    explained = re.findall(r"^\| `([a-z-]+)` \|", _section(kind), re.MULTILINE)
    # One row of a table may be left out where it would repeat a table above.
    repeated = {"is", "slot"} if kind != "digest" else {"is"}
    assert set(json.loads(_examples()[kind])) - repeated == set(explained)


def test_the_snapshot_is_one() -> None:
    text = PAPER.split("### Snapshots\n\n")[1].split("\n\n")[0]
    assert snapshot.encode(snapshot.decode(text)) == json.loads(text)


def test_the_fingerprint_of_nothing_is_the_one_in_the_digest() -> None:
    assert json.loads(_examples()["digest"])["base"] == "0" * 16


def test_the_pulse_is_that_of_the_digest() -> None:
    hello, digest, pulse = (
        codec.decode(_examples()[kind]) for kind in ("hello", "digest", "pulse")
    )
    assert isinstance(hello, Hello)
    assert isinstance(digest, Digest)
    assert isinstance(pulse, Pulse)
    assert pulse.rest == pulses.hash_of(pulses.rest(digest, hello))
    assert pulse.slot
    assert pulse.extent == digest.slots[pulse.slot]


def test_the_worked_fingerprint_is_right() -> None:
    base = Base()
    base.merge([("tide", 40), ("moss", 2)])
    assert re.findall(r"has the fingerprint `(\w+)`", PAPER) == [f"{base.fingerprint:016x}"]
