"""What an operator reads: `ratchet status`, `ratchet retire --check`, and the advice in them."""

import io
from typing import Any

import pytest
from ratchet_server.cli import main
from ratchet_server.operator import humanize
from ratchet_server.operator.advice import advice, obstacle, split
from ratchet_server.operator.status import report, stakes, wants_colour

NOW = 1_800_000_000.0
VIA = "http://127.0.0.1:1234"


def member(node: str, state: str = "connected", **said: Any) -> dict[str, Any]:
    """A member as /api/cluster has it: without lag, since an hour."""
    url = None if state == "missing" else f"http://{node}.example:1234"
    process = None if state == "missing" else node * 16
    known = {"slot": f"{node}@1", "behind": 0, "ahead": 0, "since": NOW - 3600}
    return {"node": node, "process": process, "state": state, "url": url, **known, **said}


def slot(name: str, state: str = "open", **said: Any) -> dict[str, Any]:
    """A slot of 7 videos, 9 views and 12 rows, all of which a, b and c have."""
    known = {"since": None, "videos": 7, "views": 9, "upto": 12}
    return {"slot": name, "state": state, "held": dict.fromkeys("abc", 12), **known, **said}


def state(*members: dict[str, Any], **said: Any) -> dict[str, Any]:
    """What node a sees; the advice is made from it."""
    seen = {
        "node": "a",
        "process": "a" * 16,
        "state": "serving",
        "slot": "a@1",
        "time": NOW,
        "members": [member("a", "here"), *members],
        "slots": [slot("a@1")],
        "folded": [],
        "base": {"videos": 0, "views": 0},
        "folds": [],
    } | said
    return seen | {"advice": advice(seen, VIA)}


def line_of(text: str, start: str) -> str:
    """The line that begins with `start`."""
    return next(line for line in text.splitlines() if line.strip().startswith(start))


class TestAReport:
    def test_says_first_whether_all_is_well(self) -> None:
        first, *_ = report(state(member("b"), member("c"))).splitlines()
        assert first == "3 nodes; all is well."
        assert "Nothing to do." in report(state(member("b")))

    def test_names_who_is_missing_since_when_and_what_to_do(self) -> None:
        text = report(state(member("b"), member("c", "missing", since=NOW - 7380)))
        assert text.startswith("3 nodes; c can't be heard: what to do stands below.")
        assert "  NOT HEARD for 2 h 3 min  " in line_of(text, "c ")
        # On a line of its own, to be copied.
        assert line_of(text, "ratchet retire").strip() == f"ratchet retire c --via {VIA}"

    def test_says_who_is_behind_and_by_how_many_rows(self) -> None:
        text = report(state(member("b", behind=1204, ahead=1), member("c")))
        # As on any busy cluster: that's no news.
        assert text.startswith("3 nodes; all is well.")
        assert "1,204 rows" in line_of(text, "b ")
        assert "1 row " in line_of(text, "b ")
        assert "nothing  nothing" in line_of(text, "c ")
        far = report(state(member("b", behind=1_000_000)))
        assert far.startswith("2 nodes; all is well; b still fetching what it missed.")

    def test_says_of_each_slot_how_it_is_and_who_has_it(self) -> None:
        slots = [
            slot("a@1"),
            slot("b@2", "closed", since=NOW - 60, held={"a": 12, "b": 12, "c": 2}),
            slot("b@1", "lifting", held={}),
        ]
        text = report(state(member("b"), member("c"), slots=slots))
        assert line_of(text, "a@1").split(maxsplit=5) == [
            "a@1",
            "open",
            "7",
            "9",
            "12",
            "all 3 of us",
        ]
        assert "closed for 1 min" in line_of(text, "b@2")
        assert line_of(text, "b@2").endswith("a and b; c lacks 10")
        assert line_of(text, "b@1").endswith("on its way into the base")

    def test_says_why_a_fold_waits(self) -> None:
        why = {"kind": "missing", "node": "c", "amount": 7380}
        why["text"] = obstacle("missing", "c", 7380, "a")
        folds = [{"node": "b", "generation": 2, "slots": 2, "obstacles": [why]}]
        text = report(state(member("b"), member("c", "missing"), folds=folds))
        assert "2 slots of b, up to b@2" in text
        assert "- c has not been heard for 2 h 3 min" in text
        assert "no closed slots of b can be folded" in text

    def test_says_what_is_folded(self) -> None:
        folded = [{"node": "d", "generation": 17, "views": 1000}]
        text = report(state(folded=folded, base={"videos": 3, "views": 1000}))
        assert "1,000 views of 3 videos, from the slots of d up to 17" in text

    @pytest.mark.parametrize(
        ("how", "words"),
        [("starting", "refuses reads"), ("draining", "means to come back"),
         ("leaving", "for good"), ("superseded", "a newer process has its name")],
    )  # fmt: skip
    def test_says_how_the_node_itself_is(self, how: str, words: str) -> None:
        assert words in report(state(state=how))
        assert "its slot isn't open yet" in report(state(slot=None))

    def test_has_its_columns_in_line(self) -> None:
        text = report(state(member("b"), member("a-much-longer-name", behind=1_000_000)))
        heads = next(line for line in text.splitlines() if "it lacks" in line)
        end = heads.index("it lacks") + len("it lacks")
        rows = [line_of(text, "b "), line_of(text, "a-much-longer-name")]
        assert all(row[end - 1] != " " and row[end] == " " for row in rows)
        assert all(line == line.rstrip() for line in text.splitlines())

    def test_is_coloured_only_where_that_is_wanted(self) -> None:
        seen = state(member("b"), member("c", "missing"))
        plain, coloured = report(seen), report(seen, colour=True)
        assert "\033" not in plain
        assert "\033[31mNOT HEARD" in coloured

    def test_passes_nothing_on_that_could_command_a_terminal(self) -> None:
        seen = state(member("b", url="\033]0;mine\a\r\x9b"))
        assert not {"\033", "\a", "\r", "\x9b"} & set(report(seen))
        assert "\033]" not in report(seen, colour=True)

    def test_of_something_else_is_none(self) -> None:
        with pytest.raises(KeyError):
            report({"status": "ok"})


class TestAdvice:
    def test_is_none_when_all_is_well(self) -> None:
        assert state(member("b"), member("c", behind=5))["advice"] == []

    def test_of_a_node_that_may_be_cut_off_itself_retires_nobody(self) -> None:
        said = state(member("b", "missing"), member("c", "missing"))["advice"]
        assert not [text for text in said if "ratchet retire" in text]
        assert "perhaps it is a that is cut off" in said[-1]

    def test_of_two_that_cannot_reach_each_other_asks_how_it_looks_from_there(self) -> None:
        [said] = state(member("b"), member("c", "heard"))["advice"]
        assert "a and c are not connected" in said
        assert split(said)[1] == "ratchet status http://c.example:1234"

    def test_of_a_name_that_runs_twice_says_so(self) -> None:
        [said] = state(member("b"), member("b", process="0" * 16))["advice"]
        assert "2 processes run under the name b" in said

    def test_gives_commands_that_exist(self, capsys: pytest.CaptureFixture[str]) -> None:
        texts = [
            *state(member("b"), member("c", "missing"))["advice"],
            *state(member("b"), member("c", "heard"))["advice"],
        ]
        for text in texts:
            _, command = split(text)
            assert command
            with pytest.raises(SystemExit) as end:
                main([*command.split()[1:], "--help"])
            assert end.value.code == 0, capsys.readouterr().err

    @pytest.mark.parametrize(
        ("kind", "amount", "words"),
        [
            ("grace", 1380, "23 min more"),
            ("missing", 7380, "c has not been heard for 2 h 3 min"),
            ("far", 0, "not connected to a"),
            ("unaware", 0, "knows of their closing"),
            ("behind", 1, "1 row to go"),
            ("unsettled", 0, "still writing or fetching"),
            ("new-kind", 0, "new-kind"),
        ],
    )
    def test_each_obstacle_is_a_sentence(self, kind: str, amount: float, words: str) -> None:
        text = obstacle(kind, "c", amount, "a")
        assert words in text
        assert text.endswith(".")


class TestStakes:
    def test_say_who_holds_how_much_of_each_slot(self) -> None:
        slots = [
            {"slot": "c@2", "views": 9, "held": {"a": 12, "b": 12}, "said": 12},
            {"slot": "c@1", "views": 9, "held": {"a": 12, "b": 2}, "said": 1015},
        ]
        answer = {"node": "c", "closed": 2, "slots": slots, "advice": "1,003 may be lost."}
        text = stakes(answer, via=VIA)
        assert text.startswith("What it would mean to retire c. (Not done.)")
        assert line_of(text, "c@2").split(maxsplit=3) == ["c@2", "9", "12", "a and b"]
        assert line_of(text, "c@1").split(maxsplit=3)[2:] == [
            "1,015",
            "a (12 of them) and b (2 of them)",
        ]
        assert "1,003 may be lost." in text
        assert text.endswith(f"To do it:\n  ratchet retire c --via {VIA}")

    def test_once_done_are_told_as_done(self) -> None:
        answer = {"node": "c", "closed": 1, "slots": [], "advice": "All is here."}
        text = stakes(answer, via=VIA, done=True)
        assert text.startswith("c is retired.")
        assert "nothing is at stake" in text
        assert "To do it" not in text


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
