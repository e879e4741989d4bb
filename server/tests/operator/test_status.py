"""What `ratchet status` and `ratchet retire` print: the report's own words, each in its place."""

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
    """As the report has it."""
    return {"text": text, "mood": mood}


def member(node: str, how: str = "as it is", mood: str = "well", **said: Any) -> dict[str, Any]:
    """As much of a member as is laid out."""
    lags = {"it_lacks": verdict("nothing"), "we_lack": verdict("nothing")}
    return {"node": node, "how": verdict(how, mood), "url": None, **lags, **said}


def slot(name: str, **said: Any) -> dict[str, Any]:
    """A slot of 7 videos, 9 views and 12 rows."""
    words = {"how": verdict("open"), "holders": verdict("all of us")}
    return {"slot": name, "videos": 7, "views": 9, "said": 12, **words, **said}


def state(*members: dict[str, Any], **said: Any) -> dict[str, Any]:
    """As much of a report as is laid out. Its words need not be true: they are not ours."""
    return {
        "headline": verdict("so many nodes."),
        "here": "Node a is here.",
        "members": [member("a"), *members],
        "slots": [slot("a@1")],
        "folds": [],
        "folded": [],
        "base": {"text": "no views."},
        "to_do": [],
    } | said


def line_of(text: str, start: str) -> str:
    """The line that begins with `start`."""
    return next(line for line in text.splitlines() if line.lstrip(" !").startswith(start))


class TestAReport:
    def test_of_a_node_has_every_word_that_the_node_made(self) -> None:
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
        told = made(a.observe(), facts)
        text = " ".join(report(told.json()).split())
        words = [
            told.headline.text,
            told.here,
            *(each for one in told.members for each in (one.node, one.how.text, one.it_lacks.text)),
            *(each for one in told.slots for each in (one.slot, one.how.text, one.holders.text)),
            *(one.text for one in told.folds),
            *(each.text for one in told.folds for each in one.obstacles),
            *(one.text for one in told.folded),
            told.base.text,
            *(one.text for one in told.to_do),
            *(one.command for one in told.to_do if one.command),
        ]
        assert told.folds
        assert told.folded
        assert [word for word in words if word not in text] == []

    def test_says_first_how_the_cluster_is(self) -> None:
        first, second, *_ = report(state()).splitlines()
        assert (first, second) == ("so many nodes.", "Node a is here.")
        assert "Nothing to do." in report(state())

    def test_says_above_that_there_is_something_to_do_below(self) -> None:
        text = report(state(to_do=[{"text": "Look:", "command": "ratchet status http://b:1"}]))
        assert text.startswith("so many nodes. What to do stands below.")
        assert "WHAT TO DO\n  1. Look:\n       ratchet status http://b:1\n" in text

    def test_marks_what_is_wrong_also_without_colour(self) -> None:
        text = report(state(member("b"), member("c", "gone", "act")))
        assert line_of(text, "b ").startswith("  b")
        assert line_of(text, "c ").startswith("! c")

    def test_says_of_each_slot_how_it_is_and_who_has_it(self) -> None:
        slots = [slot("a@1"), slot("b@2", said=1_000_012, holders=verdict("a; b lacks 2", "look"))]
        text = report(state(slots=slots))
        assert line_of(text, "a@1").split(maxsplit=5)[1:] == ["open", "7", "9", "12", "all of us"]
        assert line_of(text, "b@2").endswith("1,000,012  a; b lacks 2")
        assert "none is open yet" in report(state(slots=[]))

    def test_says_why_a_fold_waits(self) -> None:
        folds = [{"text": "2 slots of b", "obstacles": [verdict("c is away.", "look")]}]
        assert "  2 slots of b\n    - c is away.\n" in report(state(folds=folds))

    def test_says_what_is_folded_and_of_many_names_only_the_first(self) -> None:
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

    def test_is_as_wide_as_a_terminal_whatever_it_says(self) -> None:
        said = "word " * 100
        folds = [{"text": said, "obstacles": [verdict(said)]}]
        text = report(state(here=said, folds=folds, to_do=[{"text": said, "command": None}]))
        assert max(len(line) for line in text.splitlines()) <= 96

    def test_is_coloured_by_mood_and_only_where_that_is_wanted(self) -> None:
        seen = state(member("b"), member("c", "gone", "act"), member("d", "new", "a new mood"))
        plain, coloured = report(seen), report(seen, colour=True)
        assert "\033" not in plain
        assert "\033[31mgone" in coloured
        assert "\033[32mas it is" in coloured
        assert "mnew" not in coloured

    def test_passes_nothing_on_that_could_command_a_terminal(self) -> None:
        seen = state(member("b", url="\033]0;mine\a\r\x9b"))
        assert not {"\033", "\a", "\r", "\x9b"} & set(report(seen))
        assert "\033]" not in report(seen, colour=True)

    def test_of_something_else_is_none(self) -> None:
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

    def test_have_the_rows_and_the_words_of_the_node_and_the_command(self) -> None:
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

    def test_is_left_out_where_the_owner_wants_none(self) -> None:
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
