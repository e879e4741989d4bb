"""What `ratchet status` and `ratchet retire` print: the report's sentences, each in its place."""

import io
from typing import Any

import pytest
from ratchet_server.operator import humanize
from ratchet_server.operator.facts import Facts
from ratchet_server.operator.report import report as made
from ratchet_server.operator.status import report, stakes
from ratchet_server.operator.terminal import wants_colour

from testing.replicas import Replicas

VIA = "http://127.0.0.1:1234"


def verdict(text: str, mood: str = "well") -> dict[str, str]:
    """A verdict, as the report has it."""
    return {"text": text, "mood": mood}


def member(node: str, how: str = "as it is", mood: str = "well", **fields: Any) -> dict[str, Any]:
    """The fields of a member that are printed."""
    lags = {"it_lacks": verdict("nothing"), "we_lack": verdict("nothing")}
    return {"node": node, "how": verdict(how, mood), "url": None, **lags, **fields}


def slot(name: str, **fields: Any) -> dict[str, Any]:
    """A slot of 7 videos, 9 views and 12 rows."""
    words = {"how": verdict("open"), "holders": verdict("all of us")}
    return {"slot": name, "videos": 7, "views": 9, "said": 12, **words, **fields}


def state(*members: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The fields of a report that are printed. Their sentences are placeholders."""
    return {
        "headline": verdict("so many nodes."),
        "here": "Node a is here.",
        "members": [member("a"), *members],
        "slots": [slot("a@1")],
        "folds": [],
        "folded": [],
        "base": {"text": "no views."},
        "to_do": [],
    } | fields


def line_of(text: str, start: str) -> str:
    """The line that begins with `start`."""
    return next(line for line in text.splitlines() if line.lstrip(" !").startswith(start))


class TestAReport:
    def test_of_a_real_node_is_printed_with_every_sentence(self) -> None:
        world = Replicas(grace_s=5)
        a, c = world.start("a"), world.start("c")
        for _ in range(2):
            b = world.start("b")
            world.settle()
            b.count("tide", 1000)
            world.settle()
            world.kill(b)
        world.start("b")
        # What the first b counted is folded. What the second counted waits for c.
        world.kill(c)
        world.pass_time(20)
        unreached = ("http://x.example:1",)
        facts = Facts(
            state="serving", now=9e8, started=8e8, dialled={}, unreached=unreached, via=VIA
        )
        source = made(a.observe(), facts)
        text = " ".join(report(source.json()).split())
        words = [
            source.headline.text,
            source.here,
            *(
                each
                for one in source.members
                for each in (one.node, one.how.text, one.it_lacks.text)
            ),
            *(each for one in source.slots for each in (one.slot, one.how.text, one.holders.text)),
            *(one.text for one in source.folds),
            *(each.text for one in source.folds for each in one.obstacles),
            *(one.text for one in source.folded),
            source.base.text,
            *(one.text for one in source.to_do),
            *(one.command for one in source.to_do if one.command),
        ]
        assert source.folds
        assert source.folded
        assert [word for word in words if word not in text] == []

    def test_starts_with_the_state_of_the_cluster(self) -> None:
        first, second, *_ = report(state()).splitlines()
        assert (first, second) == ("so many nodes.", "Node a is here.")
        assert "Nothing to do." in report(state())

    def test_says_at_the_top_that_there_is_something_to_do(self) -> None:
        text = report(state(to_do=[{"text": "Look:", "command": "ratchet status http://b:1"}]))
        assert text.startswith("so many nodes. What to do stands below.")
        assert "WHAT TO DO\n  1. Look:\n       ratchet status http://b:1\n" in text

    def test_marks_what_is_wrong_even_without_colour(self) -> None:
        text = report(state(member("b"), member("c", "gone", "act")))
        assert line_of(text, "b ").startswith("  b")
        assert line_of(text, "c ").startswith("! c")

    def test_shows_the_state_and_the_holders_of_each_slot(self) -> None:
        slots = [slot("a@1"), slot("b@2", said=1_000_012, holders=verdict("a; b lacks 2", "look"))]
        text = report(state(slots=slots))
        assert line_of(text, "a@1").split(maxsplit=5)[1:] == ["open", "7", "9", "12", "all of us"]
        assert line_of(text, "b@2").endswith("1,000,012  a; b lacks 2")
        assert "none is open yet" in report(state(slots=[]))

    def test_says_that_views_are_pending_if_any_are(self) -> None:
        how = verdict("3 views are pending.", "look")
        text = report(state(pending={"views": 3, "how": how}))
        assert "PENDING VIEWS\n  3 views are pending.\n" in text
        assert "PENDING" not in report(state(pending={"views": 0, "how": how}))
        # An older node.
        assert "PENDING" not in report(state())

    def test_says_why_a_fold_waits(self) -> None:
        folds = [{"text": "2 slots of b", "obstacles": [verdict("c is away.", "look")]}]
        assert "  2 slots of b\n    - c is away.\n" in report(state(folds=folds))

    def test_shows_the_folded_names_but_only_the_first_of_many(self) -> None:
        folded = [{"text": f"views of n{number}"} for number in range(1010)]
        text = report(state(folded=folded))
        assert "  no views.\n    views of n0\n" in text
        assert "    views of n7\n    and 1,002 more names\n" in text

    def test_has_its_columns_in_line(self) -> None:
        long = member("a-much-longer-name", it_lacks=verdict("1,000,000 rows", "look"))
        text = report(state(member("b"), long))
        heads = next(line for line in text.splitlines() if "it lacks" in line)
        end = heads.index("it lacks") + len("it lacks")
        rows = [line_of(text, "b "), line_of(text, "a-much-longer-name")]
        assert all(row[end - 1] != " " and row[end] == " " for row in rows)
        assert all(line == line.rstrip() for line in text.splitlines())

    def test_is_never_wider_than_a_terminal(self) -> None:
        long = "word " * 100
        folds = [{"text": long, "obstacles": [verdict(long)]}]
        text = report(state(here=long, folds=folds, to_do=[{"text": long, "command": None}]))
        assert max(len(line) for line in text.splitlines()) <= 96

    def test_is_coloured_by_mood_but_only_on_request(self) -> None:
        seen = state(member("b"), member("c", "gone", "act"), member("d", "new", "a new mood"))
        plain, coloured = report(seen), report(seen, colour=True)
        assert "\033" not in plain
        assert "\033[31mgone" in coloured
        assert "\033[32mas it is" in coloured
        assert "mnew" not in coloured

    def test_has_no_control_characters_from_the_node(self) -> None:
        seen = state(member("b", url="\033]0;mine\a\r\x9b"))
        assert not {"\033", "\a", "\r", "\x9b"} & set(report(seen))
        assert "\033]" not in report(seen, colour=True)

    def test_of_other_json_is_an_error(self) -> None:
        with pytest.raises(KeyError):
            report({"status": "ok"})


class TestStakes:
    answer = {
        "node": "c",
        "closed": 2,
        "headline": verdict("Not done."),
        "slots": [slot("c@2", holders=verdict("nobody; a lacks 3", "act"))],
        "advice": "3 rows may be lost.",
        "then": "You may wait.",
    }

    def test_have_the_nodes_rows_and_sentences_and_the_command(self) -> None:
        text = stakes(self.answer, via=VIA)
        assert text.startswith("Not done.\n\nSLOTS\n")
        assert line_of(text, "c@2").startswith("! c@2")
        assert line_of(text, "c@2").endswith("12  nobody; a lacks 3")
        assert "\n3 rows may be lost.\n\nYou may wait.\n" in text
        assert text.endswith(f"To do it:\n  ratchet retire c --via {VIA}")

    def test_once_done_have_no_command(self) -> None:
        assert "To do it" not in stakes(self.answer, via=VIA, done=True)

    def test_without_a_slot_have_no_table(self) -> None:
        assert "SLOTS" not in stakes(self.answer | {"slots": []}, via=VIA)


class TestColour:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def test_is_for_terminals(self) -> None:
        assert wants_colour(self.Terminal(), {})
        assert not wants_colour(io.StringIO(), {})

    def test_is_left_out_if_the_environment_says_so(self) -> None:
        assert not wants_colour(self.Terminal(), {"NO_COLOR": "1"})
        assert not wants_colour(self.Terminal(), {"TERM": "dumb"})
        assert wants_colour(self.Terminal(), {"NO_COLOR": ""})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0.9, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (120, "2 min"),
     (7380, "2 h 3 min"), (86400 + 59, "1 d"), (90000, "1 d 1 h")],
)  # fmt: skip
def test_a_duration_has_two_units(seconds: float, text: str) -> None:
    assert humanize.duration(seconds) == text


@pytest.mark.parametrize(
    ("names", "text"),
    [("", "nobody"), ("a", "a"), ("ab", "a and b"), ("abc", "a, b and c"),
     ("abcdefg", "a, b, c, d, e and 2 more")],
)  # fmt: skip
def test_a_list_reads_like_one(names: str, text: str) -> None:
    assert humanize.listed(list(names)) == text
