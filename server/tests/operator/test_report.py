"""The report that a node makes for operators from an observation; here of real replicas."""

import json

import pytest
from ratchet.changes import Changes
from ratchet.folding import Obstacle
from ratchet.replica import Replica
from ratchet_server.cli import main
from ratchet_server.operator.facts import Facts, Registry, State
from ratchet_server.operator.folds import obstacle_text
from ratchet_server.operator.members import Member
from ratchet_server.operator.report import Report, report
from ratchet_server.operator.retirement import stakes
from ratchet_server.operator.slots import SlotRow
from ratchet_server.operator.verdict import FAR_BEHIND, Verdict

from testing.replicas import Replicas

NOW = 1_800_000_000.0
VIA = "http://127.0.0.1:1234"


def trio(world: Replicas) -> tuple[Replica, Replica, Replica]:
    """Nodes a, b and c, which have opened their slots and know each other's."""
    a, b, c = world.start("a"), world.start("b"), world.start("c")
    world.settle()
    return a, b, c


def seen_by(
    replica: Replica,
    *,
    state: State = "serving",
    dialled: dict[str, str] | None = None,
    unreached: tuple[str, ...] = (),
    registries: tuple[Registry, ...] = (),
    given: bool = False,
    up_s: float = 120,
    late_s: float | None = None,
) -> Report:
    """The report of `replica`, two minutes after its process started; with `late_s` so long after
    its oldest pending view."""
    since_ms = replica.observe().pending.since_ms
    now = NOW if late_s is None else (since_ms or 0) / 1000 + late_s
    facts = Facts(
        state=state,
        now=now,
        started=now - up_s,
        dialled=dialled or {},
        unreached=unreached,
        registries=registries,
        given=given,
        via=VIA,
    )
    return report(replica.observe(), facts)


def member(of: Report, node: str) -> Member:
    """The only process of this name."""
    [one] = [one for one in of.members if one.node == node]
    return one


def slot(of: Report, replica: Replica) -> SlotRow:
    """The row of the slot in which `replica` counts, or counted."""
    [row] = [row for row in of.slots if row.slot == str(replica.table.own)]
    return row


class TestOfAClusterThatIsWell:
    def test_says_so_and_has_nothing_to_do(self) -> None:
        a, _, _ = trio(Replicas())
        seen = seen_by(a)
        assert seen.headline == Verdict("3 nodes; all is well.", "well")
        assert seen.to_do == ()
        assert seen.here == f"Node a serves. It counts in slot {a.table.own}."

    def test_shows_the_state_of_each_member(self) -> None:
        a, _, _ = trio(Replicas())
        seen = seen_by(a)
        assert [(one.node, one.how) for one in seen.members] == [
            ("a", Verdict("this node, up for 2 min", "well")),
            ("b", Verdict("connected", "well")),
            ("c", Verdict("connected", "well")),
        ]
        assert member(seen, "a").it_lacks == Verdict("", "well")
        assert member(seen, "b").it_lacks == Verdict("nothing", "well")

    def test_names_the_nodes_that_have_all_of_a_slot(self) -> None:
        world = Replicas()
        a, b, _ = trio(world)
        b.count("tide", 3)
        world.settle()
        row = slot(seen_by(a), b)
        assert (row.videos, row.views, row.upto, row.said) == (1, 3, 1, 1)
        assert row.held == {"a": 1, "b": 1, "c": 1}
        assert row.how == Verdict("open", "well")
        assert row.holders == Verdict("all 3 nodes", "well")

    def test_shows_what_each_name_lacks_and_how_many_slots_it_has(self) -> None:
        a, _, _ = trio(Replicas())
        assert [(one.node, one.state, one.lacks, one.slots) for one in seen_by(a).nodes] == [
            ("a", "here", 0, 1),
            ("b", "connected", 0, 1),
            ("c", "connected", 0, 1),
        ]

    def test_says_that_a_node_is_behind_only_if_it_is_far_behind(self) -> None:
        world = Replicas()
        a, _, _ = trio(world)
        a.count("tide")
        # The peers get the rows at once, but report them only a second later.
        world.write(a)
        seen = seen_by(a)
        assert member(seen, "b").it_lacks == Verdict("1 row", "well")
        assert slot(seen, a).holders == Verdict("a; b lacks 1 and c lacks 1", "well")
        assert seen.headline == Verdict("3 nodes; all is well.", "well")
        for number in range(FAR_BEHIND):
            a.count(f"video-{number}")
        world.write(a)
        seen = seen_by(a)
        assert member(seen, "b").it_lacks == Verdict("10,001 rows", "look")
        assert seen.headline == Verdict("3 nodes; all is well; b and c still catching up.", "well")
        assert slot(seen, a).holders == Verdict("a; b lacks 10,001 and c lacks 10,001", "look")
        assert {one.node: one.how for one in seen.nodes}["b"] == Verdict(
            "lacks 10,001 rows", "look"
        )


class TestOfAClusterWithManyNames:
    def test_says_long_before_the_names_are_too_many_what_makes_them(self) -> None:
        a, _, _ = trio(Replicas())
        a.table.restore(gone(2500))
        [advice] = seen_by(a).to_do
        assert advice.text.startswith("2,503 names of nodes fill 34% of the largest message")
        assert "lasting name (--name)" in advice.text
        assert seen_by(a).headline == Verdict("3 nodes; something needs a look.", "look")

    def test_says_first_of_all_that_they_are_too_many(self) -> None:
        world = Replicas()
        a, _, c = trio(world)
        a.table.restore(gone(20_000))
        world.kill(c)
        world.pass_time(20)
        first, *others = seen_by(a).to_do
        assert "a node that is new or was away can't get all counts" in first.text
        assert len(others) == 1


def gone(names: int) -> Changes:
    """What a store knows of so many nodes that have gone."""
    maps = {f"container-{number:06}": 10**15 + number for number in range(names)}
    return Changes(newest=maps, closed=maps, folded=maps, lifted_views=maps)


class TestOfAMissingNode:
    def test_names_it_with_the_time_and_the_command(self) -> None:
        world = Replicas()
        a, _, c = trio(world)
        world.kill(c)
        world.pass_time(7381)
        seen = seen_by(a, dialled={"c": "http://10.0.0.3:1234"})
        assert seen.headline == Verdict("3 nodes; c is missing.", "act")
        gone = member(seen, "c")
        assert gone.how == Verdict("missing for 2 h 3 min", "act")
        assert (gone.it_lacks, gone.we_lack) == (Verdict("not known", "look"),) * 2
        # c sends no URL any more, so the report has the one that this node dialled.
        assert gone.url == "http://10.0.0.3:1234"
        assert gone.since == NOW - 7380
        [advice] = seen.to_do
        assert advice.text.startswith("c has been missing for 2 h 3 min. Start it again")
        assert advice.command == f"ratchet retire c --via {VIA}"
        # The others have all that it counted.
        assert slot(seen, c).holders == Verdict("a and b", "well")

    def test_does_not_advise_to_retire_all_other_nodes(self) -> None:
        world = Replicas()
        a, b, c = trio(world)
        world.kill(b)
        world.kill(c)
        world.pass_time(61)
        to_do = seen_by(a).to_do
        assert [advice.command for advice in to_do] == [None, None, None]
        assert "perhaps a itself is cut off" in to_do[-1].text

    def test_shows_the_rows_that_only_the_missing_node_has(self) -> None:
        world = Replicas()
        a, b, c = trio(world)
        c.count("tide")
        changes = c.changes()
        assert changes
        # c has its row on disk, and its digest says so, but the row itself gets lost on the way.
        c.committed(changes)
        digest = c.digest()
        world.cut(a, c)
        a.receive(digest, b.me.process, world.now)
        world.kill(c)
        world.pass_time(61)
        row = slot(seen_by(a), c)
        assert (row.upto, row.said) == (0, 1)
        assert row.holders == Verdict("nobody; a lacks 1 and b lacks 1", "act")
        at_stake = stakes(a.observe(), "c", NOW, check=True)
        assert at_stake.slots == (row,)
        assert at_stake.advice == (
            "c was known to have 1 row that no connected node has. They are lost, unless c "
            "comes back within the grace of 1 h."
        )


class TestOfANodeThatOnlyAPeerReaches:
    def test_advises_to_look_from_there(self) -> None:
        world = Replicas()
        a, _, c = trio(world)
        world.cut(a, c)
        world.pass_time(3)
        seen = seen_by(a)
        assert seen.headline == Verdict("3 nodes; something needs a look.", "look")
        assert member(seen, "c").state == "indirect"
        assert member(seen, "c").how == Verdict("alive, but not connected to this node", "look")
        assert member(seen, "c").it_lacks == Verdict("not known", "look")
        [advice] = seen.to_do
        assert "a and c are not connected" in advice.text
        assert advice.command == "ratchet status http://c.example:1234"


class TestOfANameThatRunsTwice:
    def test_says_so(self) -> None:
        world = Replicas()
        a, _, _ = trio(world)
        world.start("b")
        world.pass_time(1)
        seen = seen_by(a)
        [advice] = seen.to_do
        assert advice.text.startswith("2 processes run under the name b.")
        assert seen.headline.text.startswith("3 nodes;")
        # One line for each name, and one for each process.
        assert [one.node for one in seen.nodes] == ["a", "b", "c"]
        assert [one.node for one in seen.members] == ["a", "b", "b", "c"]


class TestOfAnAddressWhereNoNodeAnswers:
    def test_names_it(self) -> None:
        a, _, _ = trio(Replicas())
        seen = seen_by(a, unreached=("http://10.0.0.9:1234",))
        [advice] = seen.to_do
        assert advice.text.startswith("Nobody has ever answered a at http://10.0.0.9:1234.")
        assert seen.headline.mood == "look"


class TestOfARegistry:
    URL = "etcd://10.0.0.7:2379/ratchet"

    def test_says_since_when_it_can_t_be_reached_and_what_to_do(self) -> None:
        a, _, _ = trio(Replicas())
        down = Registry(self.URL, 2, "does not answer at 10.0.0.7:2379", NOW - 90)
        seen = seen_by(a, registries=(down,))
        [advice] = seen.to_do
        assert advice.text.startswith(f"For 1 min 30 s, {self.URL} has not been of use to a")
        assert "does not answer at 10.0.0.7:2379" in advice.text
        assert seen.headline.mood == "look"
        assert seen.json()["registries"] == (down._asdict(),)

    def test_says_nothing_while_all_is_well(self) -> None:
        a, _, _ = trio(Replicas())
        seen = seen_by(a, registries=(Registry(self.URL, 2),))
        assert seen.headline.mood == "well"

    @pytest.mark.parametrize(("up_s", "steps"), [(5, 0), (120, 1)])
    @pytest.mark.parametrize("given", [True, False])
    def test_a_node_that_has_met_nobody_is_never_well(
        self, given: bool, up_s: float, steps: int
    ) -> None:
        world = Replicas()
        a = world.start("a")
        world.settle()
        places = () if given else (Registry(self.URL, 0),)
        seen = seen_by(a, registries=places, given=given, up_s=up_s)
        assert seen.headline.mood == "look"
        assert len(seen.to_do) == steps
        # A node that was sent nowhere is a whole cluster.
        assert seen_by(a).headline.mood == "well"


class TestOfTheNodeItself:
    @pytest.mark.parametrize(
        ("state", "words"),
        [("starting", "refuses reads"), ("draining", "means to come back"),
         ("leaving", "for good"), ("superseded", "a newer process has its name")],
    )  # fmt: skip
    def test_names_its_state(self, state: State, words: str) -> None:
        a, _, _ = trio(Replicas())
        assert words in seen_by(a, state=state).here

    def test_says_whether_its_slot_is_not_open_yet_or_is_closed(self) -> None:
        world = Replicas()
        a = world.start("a")
        assert "Its slot isn't open yet." in seen_by(a, state="starting").here
        world.settle()
        a.leave()
        world.pass_time(2)
        assert f"Its slot {a.table.own} is closed." in seen_by(a, state="leaving").here


class TestOfFolds:
    def test_says_why_closed_slots_wait(self) -> None:
        world = Replicas(grace_s=3600)
        a, b, c = trio(world)
        b.count("tide", 2)
        world.settle()
        world.kill(b)
        again = world.start("b")
        world.settle()
        world.kill(c)
        world.pass_time(61)
        seen = seen_by(a)
        [fold] = seen.folds
        assert fold.text == f"1 slot of b, up to {b.table.own}"
        [grace] = fold.obstacles
        assert (grace.kind, grace.mood) == ("grace", "well")
        assert grace.text.startswith("A slot of b was closed only lately.")
        closed = slot(seen, b)
        assert closed.how.text.startswith("closed for 1 min")
        assert closed.how.mood == "look"
        world.pass_time(3600)
        [fold] = seen_by(a).folds
        [missing] = fold.obstacles
        assert (missing.kind, missing.node, missing.mood) == ("missing", "c", "look")
        assert missing.text.startswith("c has been missing for 1 h")
        [advice] = seen_by(a).to_do
        assert "no closed slots of b can be folded" in advice.text
        assert slot(seen_by(a), again).how == Verdict("open", "well")

    def test_says_that_they_wait_for_a_node_that_was_retired_only_lately(self) -> None:
        world = Replicas(grace_s=3600)
        a, b, c = trio(world)
        b.count("tide", 2)
        world.settle()
        world.kill(b)
        world.kill(c)
        world.pass_time(10)
        a.cluster.retire("b")
        world.pass_time(3000)
        a.cluster.retire("c")
        world.pass_time(700)
        [fold] = seen_by(a).folds
        [grace] = fold.obstacles
        assert (fold.node, grace.kind, grace.node, grace.mood) == ("b", "grace", "c", "well")
        world.pass_time(3000)
        assert seen_by(a).folds == ()

    def test_says_what_is_folded(self) -> None:
        world = Replicas(grace_s=5)
        a, b, _ = trio(world)
        b.count("tide", 1000)
        world.settle()
        world.kill(b)
        world.start("b")
        world.pass_time(20)
        seen = seen_by(a)
        assert seen.folds == ()
        assert seen.base.text == "1,000 views of 1 video."
        [folded] = seen.folded
        assert folded.text == f"1,000 views of b, up to {b.table.own}"

    def test_shows_a_slot_that_is_being_lifted_into_the_base(self) -> None:
        world = Replicas(grace_s=5, max_lifted=1)
        a, b, _ = trio(world)
        for video in ("tide", "loom", "orbit"):
            b.count(video)
        world.settle()
        world.kill(b)
        world.start("b")
        world.settle()
        # Each part is lifted in a transaction. Here the first transaction does not end.
        world.stall(a)
        world.pass_time(20)
        row = slot(seen_by(a), b)
        assert row.how == Verdict("lifting", "look")
        assert row.holders == Verdict("on its way into the base", "look")
        assert row.held == {}

    @pytest.mark.parametrize(
        ("obstacle", "words"),
        [
            (Obstacle("grace", "c", 1380), "in case c is only cut off"),
            (Obstacle("grace", "c", 1380), "23 min more"),
            (Obstacle("missing", "c", 7380), "c has been missing for 2 h 3 min"),
            (
                Obstacle("unmet", "", 1),
                "At 1 place that a was given, by --peer, --bus or --registry, it has not met",
            ),
            (Obstacle("indirect", "c"), "not connected to a"),
            (Obstacle("unaware", "c"), "knows that these slots are closed"),
            (Obstacle("behind", "c", 1), "1 row to go"),
            (Obstacle("unsettled", "c"), "still writing or fetching"),
        ],
    )
    def test_each_obstacle_is_a_sentence(self, obstacle: Obstacle, words: str) -> None:
        text = obstacle_text(obstacle, "a")
        assert words in text
        assert text.endswith(".")


class TestOfARetirement:
    def test_has_the_rows_of_the_report(self) -> None:
        world = Replicas()
        a, _, c = trio(world)
        c.count("tide", 9)
        world.settle()
        world.kill(c)
        world.pass_time(61)
        at_stake = stakes(a.observe(), "c", NOW, check=True)
        assert at_stake.headline.text == "What it would mean to retire c. (Not done.)"
        assert at_stake.slots == (slot(seen_by(a), c),)
        assert at_stake.slots[0].holders == Verdict("a and b", "well")
        assert at_stake.advice.startswith("All rows that c was ever known to have are here.")
        assert "comes back within the grace of 1 h" in at_stake.advice
        a.cluster.retire("c")
        done = stakes(a.observe(), "c", NOW, check=False)
        assert done.headline == Verdict("c is retired.", "well")
        assert done.closed == at_stake.closed
        assert [row.how.text for row in done.slots] == ["closed"]

    def test_of_a_node_that_never_counted_has_no_rows(self) -> None:
        world = Replicas()
        a, _, c = trio(world)
        world.kill(c)
        world.pass_time(61)
        assert stakes(a.observe(), "c", NOW, check=True).slots == ()


class TestAsJson:
    def test_has_the_advice_as_sentences_too(self) -> None:
        world = Replicas()
        a, _, c = trio(world)
        world.kill(c)
        world.pass_time(61)
        seen = json.loads(json.dumps(seen_by(a).json()))
        [advice] = seen["advice"]
        assert advice == f"{seen['to_do'][0]['text']} ratchet retire c --via {VIA}"
        assert seen["members"][2]["how"] == {"text": "missing for 1 min", "mood": "act"}

    def test_gives_commands_that_exist(self, capsys: pytest.CaptureFixture[str]) -> None:
        world = Replicas()
        a, b, c = trio(world)
        world.cut(a, b)
        world.kill(c)
        world.start("d")
        world.pass_time(3)
        commands = [advice.command for advice in seen_by(a).to_do]
        assert [command and command.split()[1] for command in commands] == ["retire", "status"]
        for command in commands:
            assert command
            with pytest.raises(SystemExit) as end:
                main([*command.split()[1:], "--help"])
            assert end.value.code == 0, capsys.readouterr().err


class TestOfPendingViews:
    KEY = "00000000-0000-7000-8000-000000000001"

    def test_says_nothing_while_there_are_none(self) -> None:
        a, _, _ = trio(Replicas())
        seen = seen_by(a).pending
        assert (seen.views, seen.since, seen.awaited) == (0, None, {})
        assert seen.how == Verdict("No view is pending.", "well")

    def test_says_for_whom_they_wait_and_what_to_do(self) -> None:
        world = Replicas()
        a, _, c = trio(world)
        world.kill(c)
        world.pass_time(30)
        retry(world, a, self.KEY)
        seen = seen_by(a, late_s=120)
        assert (seen.pending.views, seen.pending.awaited) == (1, {"c": 1})
        assert seen.pending.how == Verdict(
            "1 view has been pending for 2 min: c has not said whether it has counted it.", "look"
        )
        [advice] = seen.to_do
        assert "Views are pending until it is back, or is retired" in advice.text
        assert advice.command == f"ratchet retire c --via {VIA}"

    def test_does_not_worry_about_one_that_has_just_come(self) -> None:
        world = Replicas()
        a, _, c = trio(world)
        world.stall(c)
        retry(world, a, self.KEY)
        seen = seen_by(a, late_s=5)
        assert seen.pending.how.mood == "well"
        assert seen.headline == Verdict("3 nodes; all is well.", "well")

    def test_advises_to_look_at_a_node_that_is_connected_and_does_not_answer(self) -> None:
        world = Replicas()
        a, _, c = trio(world)
        # c can't write its promise.
        world.stall(c)
        retry(world, a, self.KEY)
        seen = seen_by(a, late_s=90)
        [advice] = seen.to_do
        assert advice.text.startswith("c can be reached, but for 1 min or longer it did not say")
        assert seen.headline.mood == "look"

    def test_has_nothing_to_do_while_a_retired_node_may_come_back(self) -> None:
        world = Replicas(grace_s=3600)
        a, _, c = trio(world)
        world.kill(c)
        world.pass_time(30)
        retry(world, a, self.KEY)
        a.cluster.retire("c")
        world.pass_time(120)
        seen = seen_by(a, late_s=120)
        assert seen.pending.awaited == {"c": 1}
        assert seen.headline.mood == "well"
        world.pass_time(3600)
        assert seen_by(a).pending.views == 0
        assert a.table.value("tide") == 1

    def test_says_that_addresses_are_in_the_way_at_which_nobody_was_met(self) -> None:
        world = Replicas()
        a = world.start("a")
        world.pass_time(20, unmet=1)
        retry(world, a, self.KEY, unmet=1)
        assert seen_by(a, late_s=0).pending.how.text.endswith(
            ": at 1 place that a was given, by --peer, --bus or --registry, it has not met all "
            "nodes yet."
        )


def retry(world: Replicas, replica: Replica, key: str, unmet: int = 0) -> None:
    """A view comes that may have counted at another node."""
    replica.retries.wait(key, "tide", {})
    world.write(replica)
    world.pass_time(2, unmet=unmet)
