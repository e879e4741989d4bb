"""The checker itself: it accepts what the contract allows, and rejects doctored histories."""

import pytest

from testing.checker import Fate, History

OK, PENDING, REFUSED, UNSURE = Fate.OK, Fate.PENDING, Fate.REFUSED, Fate.UNSURE


class Story:
    """A history written by hand. Each step is one second later than the step before."""

    def __init__(self) -> None:
        self.now = 0.0
        self.history = History(lambda: self.now)

    def views(self, number: int, *fates: Fate, at: str = "a") -> None:
        """Add this many views. Their attempts end with these fates, one after the other."""
        for _ in range(number):
            view = self.history.view("x", at)
            for fate in fates:
                self.now += 1
                view.begin()
                self.now += 1
                view.end(fate)

    def reads(self, views: int, at: str | None = None, reader: str | None = None) -> None:
        self.now += 1
        begun = self.now
        self.now += 1
        self.history.read("x", views, begun, at=at, reader=reader)

    @property
    def wrong(self) -> list[str]:
        return list(self.history.wrong_reads())

    def wrong_end(self, *numbers: int) -> list[str]:
        shown = {f"n{i}": {"x": views} for i, views in enumerate(numbers)}
        return self.history.wrong_end(shown)


@pytest.fixture
def story() -> Story:
    return Story()


class TestEveryRead:
    def test_may_show_all_that_was_begun_and_no_more(self, story: Story) -> None:
        story.views(2, OK)
        story.views(1, UNSURE)
        story.reads(3)
        assert not story.wrong
        story.reads(4)
        assert "showed 4, and only 3 views were begun" in story.wrong[0]

    def test_may_show_a_view_whose_answer_is_still_on_its_way(self, story: Story) -> None:
        view = story.history.view("x")
        story.reads(0)
        view.begin()
        story.reads(1)
        assert not story.wrong

    def test_must_not_show_a_view_that_is_begun_later(self, story: Story) -> None:
        story.reads(1)
        story.views(1, OK)
        assert len(story.wrong) == 1

    def test_must_not_show_what_was_surely_refused(self, story: Story) -> None:
        story.views(1, REFUSED, REFUSED)
        story.reads(1)
        assert len(story.wrong) == 1

    def test_may_show_a_view_from_its_first_attempt_that_may_have_counted(
        self, story: Story
    ) -> None:
        view = story.history.view("x")
        for fate in (REFUSED, UNSURE, REFUSED):
            view.begin()
            view.end(fate)
            story.reads(int(fate is not REFUSED))
        story.reads(1)
        assert not story.wrong

    def test_of_one_process_or_browser_never_falls(self, story: Story) -> None:
        story.views(3, OK, at="b")
        story.reads(3, reader="a/1")
        story.reads(2, reader="a/2")
        story.reads(3, reader="a/1")
        assert not story.wrong
        story.reads(2, reader="a/1")
        assert "a/1 showed 2, and a/1 had shown 3 before" in story.wrong[0]

    def test_may_show_less_than_another_that_was_under_way_with_it(self, story: Story) -> None:
        story.views(3, OK, at="b")
        begun = story.now
        story.reads(3, reader="a/1")
        story.history.read("x", 2, begun, reader="a/1")
        assert not story.wrong

    def test_at_a_node_shows_what_that_node_has_answered(self, story: Story) -> None:
        story.views(2, OK, at="a")
        story.reads(0, at="b")
        story.reads(2, at="a")
        assert not story.wrong
        story.reads(1, at="a")
        assert "it had answered 2 views itself" in story.wrong[0]

    def test_at_a_node_may_show_what_is_pending_there_or_not_yet(self, story: Story) -> None:
        story.views(1, OK, at="a")
        story.views(1, PENDING, at="a")
        for right in (1, 2):
            story.reads(right, at="a")
        assert not story.wrong
        story.reads(0, at="a")
        story.reads(3, at="a")
        assert len(story.wrong) == 2

    def test_at_a_node_with_another_disk_may_show_less(self, story: Story) -> None:
        story.views(2, OK, at="a")
        story.history.new_disk("a")
        story.reads(0, at="a")
        assert not story.wrong
        story.views(1, OK, at="a")
        story.reads(0, at="a")
        assert "it had answered 1 views itself" in story.wrong[0]


class TestTheEnd:
    def test_an_acknowledged_set_of_adds_2_and_3_reads_5(self, story: Story) -> None:
        story.views(2, OK, at="a")
        story.views(3, OK, at="b")
        assert not story.wrong_end(5, 5, 5)
        for wrong in (0, 4, 6):
            assert len(story.wrong_end(wrong, wrong)) == 2

    def test_a_pending_view_is_counted(self, story: Story) -> None:
        story.views(2, PENDING)
        assert not story.wrong_end(2)
        assert story.wrong_end(1)

    def test_10_sure_and_5_1_1_unsure_read_within_10_and_17(self, story: Story) -> None:
        story.views(10, OK)
        for unsure in (5, 1, 1):
            story.views(unsure, UNSURE)
        story.views(20, REFUSED)
        for right in range(10, 18):
            assert not story.wrong_end(right, right)
        for wrong in (9, 18):
            assert "must be 10 to 17" in story.wrong_end(wrong)[0]

    def test_a_view_that_was_answered_at_last_must_count_once(self, story: Story) -> None:
        story.views(1, UNSURE, REFUSED, UNSURE, OK)
        assert not story.wrong_end(1)
        assert story.wrong_end(0)
        assert story.wrong_end(2)

    def test_nodes_must_show_the_same(self, story: Story) -> None:
        story.views(1, UNSURE)
        assert "different numbers" in story.wrong_end(0, 1)[0]

    def test_what_only_a_lost_disk_had_may_be_gone(self, story: Story) -> None:
        story.views(2, OK, at="a")
        shared = story.now
        story.views(3, OK, at="a")
        story.views(1, OK, at="b")
        story.history.disk_lost("a", shared)
        story.reads(3, at="a")
        assert not story.wrong
        for right in range(3, 7):
            assert not story.wrong_end(right)
        assert story.wrong_end(2)
        assert story.wrong_end(7)

    def test_a_lost_disk_may_lose_what_is_pending_on_it(self, story: Story) -> None:
        story.views(2, OK, at="a")
        story.views(1, PENDING, at="a")
        story.history.disk_lost("a", story.now)
        for right in (2, 3):
            assert not story.wrong_end(right)
        assert story.wrong_end(1)


class TestWhatWasChecked:
    def test_is_what_counts_whatever_was_sure_before(self, story: Story) -> None:
        story.views(2, OK)
        story.views(2, UNSURE)
        story.history.forget({"x": 3})
        assert story.wrong_end(2)
        assert not story.wrong_end(3)
        assert not story.wrong_end(4)

    def test_is_kept_as_sums_and_binds_what_comes_later(self, story: Story) -> None:
        story.views(2, OK, at="a")
        story.views(1, UNSURE, at="a")
        story.reads(3, at="a", reader="a/1")
        story.history.forget({"x": 2})
        assert not story.wrong_end(2)
        assert not story.wrong_end(3)
        assert story.wrong_end(4)
        story.reads(3, at="a", reader="a/1")
        assert not story.wrong
        story.reads(4)
        story.reads(2, reader="a/1")
        story.reads(1, at="a")
        assert len(story.wrong) == 3
