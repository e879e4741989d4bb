"""The judge of `ratchet torture`: its verdict on recorded histories."""

from pathlib import Path
from typing import Any, Literal

import pytest
from ratchet_server.operator.torture import history
from ratchet_server.operator.torture.history import Attempt, End, Event, Fate, History, Read, Start
from ratchet_server.operator.torture.judge import Verdict, judge


class Story:
    """A history that a test tells. An hour passes between two events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def sent(
        self, key: str, fate: Fate = "ok", counted: bool | Literal["pending"] = True, **more: Any
    ) -> "Story":
        """One attempt to view tide."""
        number = sum(isinstance(e, Attempt) and e.key == key for e in self.events) + 1
        fields = {"begun": self._now, "ended": self._now + 1, "counted": counted} | more
        return self._add(Attempt(key, "tide", "a", number, fate=fate, **fields))

    def read(
        self, views: int, shown: int = 0, viewer: str = "viewer", process: str = "a/1"
    ) -> "Story":
        """A viewer reads tide."""
        shown = shown or views
        return self._add(Read(viewer, "tide", process, self._now, self._now + 1, views, shown))

    def ends(self, **nodes: int) -> Verdict:
        """Each of these nodes shows so many views of tide in the end."""
        for node, views in nodes.items():
            self._add(End(node, {"tide": views}))
        return judge(self.events)

    @property
    def _now(self) -> float:
        return 3600.0 * len(self.events)

    def _add(self, event: Event) -> "Story":
        self.events.append(event)
        return self


@pytest.fixture
def story() -> Story:
    return Story()


class TestRight:
    def test_each_key_counts_once_however_many_attempts_it_takes(self, story: Story) -> None:
        story.sent("k").sent("l", "unsure").sent("l", "refused").sent("l", counted=False)
        assert story.read(2).ends(a=2, b=2) == Verdict(answered=2, final=2)

    @pytest.mark.parametrize("final", [1, 2])
    def test_an_unsure_view_may_count_or_not(self, story: Story, final: int) -> None:
        verdict = story.sent("k").sent("l", "unsure").ends(a=final)
        assert verdict == Verdict(answered=1, unsure=1, final=final)

    def test_a_pending_view_is_answered_and_numbers_may_lack_it_for_now(self, story: Story) -> None:
        story.sent("k", "unsure").sent("k", counted="pending").read(0)
        assert story.ends(a=1) == Verdict(answered=1, pending=1, final=1)

    def test_two_reads_at_once_may_end_in_any_order(self, story: Story) -> None:
        story.sent("k")
        for begun, views in ((10_000.0, 1), (10_001.0, 0)):
            story.events.append(Read(f"{views}", "tide", "a/1", begun, 10_002.0, views, views))
        assert not story.ends(a=1).problems

    def test_numbers_from_before_the_first_view_are_no_views_of_ours(self, story: Story) -> None:
        story.events.append(Start({"tide": 40}))
        assert story.sent("k").read(41).ends(a=41) == Verdict(answered=1, final=1)


class TestWrong:
    """What a broken node would do."""

    def test_a_view_is_applied_twice(self, story: Story) -> None:
        verdict = story.sent("k").ends(a=2)
        assert (verdict.lost, verdict.double) == (0, 1)
        assert verdict.problems == ("tide: 1 more than the 1 views: {'a': 2}",)

    def test_a_merge_is_lost(self, story: Story) -> None:
        verdict = story.sent("k").sent("l").ends(a=2, b=1)
        assert (verdict.lost, verdict.double) == (1, 0)
        assert "the nodes show different numbers" in verdict.problems[0]

    def test_a_view_is_answered_before_its_commit_and_a_crash_loses_it(self, story: Story) -> None:
        verdict = story.sent("k").read(1).read(0, shown=1, process="a/2").ends(a=0, b=0)
        assert (verdict.lost, verdict.double) == (1, 0)
        assert verdict.problems == ("tide: 1 of 1 answered views are lost: {'a': 0, 'b': 0}",)

    def test_a_key_is_forgotten_before_its_retry(self, story: Story) -> None:
        verdict = story.sent("k", "unsure").sent("k", counted=True).ends(a=2, b=2)
        assert (verdict.lost, verdict.double) == (0, 1)

    def test_a_view_that_was_surely_refused_counts(self, story: Story) -> None:
        assert story.sent("k").sent("l", "refused").ends(a=2).double == 1

    def test_a_pending_view_never_settles(self, story: Story) -> None:
        assert story.sent("k", counted="pending").ends(a=0).lost == 1

    @pytest.mark.parametrize("counted", [True, "pending"])
    def test_a_number_is_too_high_for_a_moment(self, story: Story, counted: Any) -> None:
        verdict = story.sent("k", counted=counted).read(2).ends(a=1)
        assert verdict.problems == ("tide: at 3601.000 viewer showed 2 of 1 views",)

    def test_a_number_counts_a_view_that_has_not_begun(self, story: Story) -> None:
        assert len(story.read(1).sent("k").ends(a=1).problems) == 1

    def test_the_answer_to_a_view_has_a_number_that_is_too_high(self, story: Story) -> None:
        assert len(story.sent("k", views=2).ends(a=1).problems) == 1

    def test_a_number_falls_for_a_viewer(self, story: Story) -> None:
        story.sent("k").sent("l").read(2, process="a/1").read(1, process="b/1")
        assert story.ends(a=2).problems == ("tide: at 10801.000 viewer showed 1, after 2",)

    def test_a_number_of_one_process_falls_between_two_viewers(self, story: Story) -> None:
        story.sent("k").sent("l").read(2, viewer="one").read(1, viewer="two")
        assert story.ends(a=2).problems == ("tide: at 10801.000 a/1 showed 1, after 2",)

    def test_a_lost_view_and_a_double_one_of_two_videos_make_up_for_nothing(
        self, story: Story
    ) -> None:
        story.sent("k").events.append(Attempt("l", "moss", "a", 1, 0, 1, "ok"))
        story.events.append(End("a", {"tide": 2}))
        verdict = judge(story.events)
        assert (verdict.final, verdict.lost, verdict.double) == (2, 1, 1)

    def test_nobody_shows_an_end(self, story: Story) -> None:
        assert story.sent("k").ends().problems


def test_a_history_is_the_same_after_it_was_written_and_read(story: Story, tmp_path: Path) -> None:
    told = History()
    told.fault("kill a")
    story.sent("k", counted="pending").read(1).sent("l", "unsure", why="no response").ends(a=1)
    events = [history.Run("make torture", "kill", ["wrong"]), *told.events, *story.events]
    history.write(tmp_path / "new" / "one.jsonl", events)
    assert history.read(tmp_path / "new" / "one.jsonl") == events
