"""Nodes are killed, paused and cut off while people view. Every view counts exactly once."""

from e2e.cluster import Cluster
from e2e.life import SOME, others, under_load
from testing.life import sees
from testing.nodes import equal, wait_until


def test_a_node_is_killed_and_started(four: Cluster) -> None:
    with under_load(four) as load:
        four.a.kill9()
        load.more(SOME, others(four, "a"))
        four.a.start()


def test_all_nodes_are_killed_at_once(four: Cluster) -> None:
    with under_load(four):
        for node in four.nodes.values():
            node.kill9()
        for node in four.nodes.values():
            node.spawn()
        for node in four.nodes.values():
            node.wait_for_log("ready: ")


def test_one_node_is_killed_after_the_other(four: Cluster) -> None:
    with under_load(four):
        four.a.restart()
        # By now the others have hardly merged what the first node has brought.
        four.b.restart()


def test_a_node_is_stopped_and_started(four: Cluster) -> None:
    with under_load(four) as load:
        assert four.b.stop() == 0
        load.more(SOME, others(four, "b"))
        four.b.start()


def test_a_node_is_paused_until_the_others_take_it_for_dead(four: Cluster) -> None:
    with under_load(four) as load:
        four.c.pause()
        load.more(SOME, others(four, "c"))
        wait_until(lambda: not sees(four.a, "c"), "a takes c for dead")
        four.c.resume()


def test_a_node_is_killed_while_others_are_paused(four: Cluster) -> None:
    with under_load(four) as load:
        four.a.pause()
        four.b.pause()
        four.c.kill9()
        load.more(SOME, others(four, "a", "b", "c"))
        four.a.resume()
        four.b.resume()
        four.c.start()


def test_one_node_is_cut_off_and_packets_to_it_vanish(four: Cluster) -> None:
    with under_load(four) as load:
        # Until the links heal, d and the others may take each other for slow or for dead.
        four.cut_off("d", "silence")
        load.more(SOME)


def test_halves_part_and_one_of_them_loses_a_node_and_gets_it_back(four: Cluster) -> None:
    with under_load(four) as load:
        four.split("ab", "cd")
        four.b.restart()
        load.more(SOME)


def test_over_a_ring_and_over_a_bridge_all_hear_all(four: Cluster) -> None:
    with under_load(four) as load:
        # a - b - c - d - a
        four.split("a", "c")
        four.split("b", "d")
        load.more(SOME)
        with load.at_rest():
            wait_until(lambda: equal(four.nodes.values()), "all count the same")
        # a - b - c - d
        four.split("a", "d")
        load.more(SOME)
        with load.at_rest():
            assert not sees(four.a, "d")
            wait_until(lambda: equal(four.nodes.values()), "all count the same")


def test_a_node_hears_nobody_and_is_heard(four: Cluster) -> None:
    with under_load(four) as load:
        for node in others(four, "a"):
            four.deafen("a", node.name)
        load.more(SOME)


def test_a_node_is_not_heard_and_hears_all(four: Cluster) -> None:
    with under_load(four) as load:
        for node in others(four, "a"):
            four.deafen(node.name, "a")
        load.more(SOME)
        wait_until(lambda: not sees(four.b, "a"), "b takes a for dead")
