"""Many names: containers without a lasting name make a new one at each start."""

from ratchet import codec
from ratchet.changes import Changes
from ratchet.cluster import REMIND_S
from ratchet.frames import Digest
from ratchet.generations import Generations
from small_world import BEGIN_MS, TIDE, Node, World


def _gone(names: int, first: int = 1) -> Changes:
    """What a disk knows of so many nodes that have gone; their slots are folded."""
    # They started just now, so nobody forgets them yet.
    start = BEGIN_MS * 1000
    gone = {f"container-{number:06}": start + number for number in range(first, first + names)}
    return Changes(newest=gone, closed=gone, folded=gone, lifted_views=dict.fromkeys(gone, 1))


def _know(world: World, names: int, first: int = 1) -> None:
    for node in world.alive():
        node.replica.table.restore(_gone(names, first))
    world.pass_time(1.0)


def _said(node: Node) -> list[str]:
    return [notice.kind for notice in node.replica.notices.take() if notice.kind != "opened"]


class TestADigestThatGetsLarge:
    def test_says_so_long_before_it_is_too_large_and_not_every_second(self) -> None:
        world = World()
        a, _ = world.meet("a", "b")
        _know(world, 2500)
        assert _said(a) == ["large"]
        assert 0.25 < a.replica.observe().digest_fill < 0.5
        for _ in range(5):
            world.pass_time(1.0)
        assert _said(a) == []
        world.pass_time(REMIND_S)
        assert _said(a) == ["large"]

    def test_is_never_larger_than_a_frame_and_says_loudly_what_is_left_out(self) -> None:
        world = World()
        a, _ = world.meet("a", "b")
        _know(world, 20_000)
        assert _said(a) == ["cut"]
        assert a.replica.observe().digest_fill > 1
        text = codec.encode(a.replica.digest())
        assert 0.8 * codec.MAX_TEXT < len(text) <= codec.MAX_TEXT
        assert codec.decode(text) == a.replica.digest()

    def test_is_measured_as_at_least_as_large_as_its_text(self) -> None:
        world = World()
        a, _ = world.meet("a", "b")
        for names in (0, 10, 1000):
            _know(world, names)
            digest = a.replica.digest()
            assert len(codec.encode(digest)) <= digest.size <= 1.3 * len(codec.encode(digest)) + 500

    def test_leaves_out_the_oldest_names_that_have_gone_and_no_others(self) -> None:
        world = World(max_digest=2000)
        a, b = world.meet("a", "b")
        world.crash(b)
        _know(world, 100)
        digest = a.replica.digest()
        assert digest.size <= 2000
        assert {"a", "b"} < digest.newest.keys()
        numbers = sorted(int(name[-6:]) for name in digest.newest if name not in "ab")
        assert 1 < len(numbers) < 100
        assert numbers == list(range(101 - len(numbers), 101))


class TestAClusterWhoseDigestsAreCut:
    def test_goes_on_replicating_retiring_and_folding(self) -> None:
        world = World(grace_s=0.0, max_digest=3000)
        a, b, c = world.meet("a", "b", "c")
        _know(world, 100)
        world.count(c, TIDE)
        world.settle()
        assert [node.replica.table.value(TIDE) for node in (a, b)] == [1, 1]
        world.crash(c)
        world.settle()
        a.replica.cluster.retire("c")
        world.settle()
        for node in (a, b):
            assert node.replica.table.folded.get("c")
            assert node.replica.table.snapshot(TIDE).counter.base == 1
        world.count(b, TIDE)
        world.settle()
        assert a.replica.table.value(TIDE) == 2


def test_a_cut_digest_is_one_that_everybody_takes() -> None:
    # Only closed names are folded, and only known ones are closed, also among those that are left.
    names = _gone(50)
    digest = Digest(
        None,
        {},
        Generations(names.newest),
        Generations(names.closed),
        Generations(names.folded),
        names.lifted_views,
        0,
        {},
    )
    assert codec.decode(codec.encode(digest)) == digest
