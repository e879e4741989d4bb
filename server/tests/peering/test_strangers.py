"""Two clusters with one secret don't merge, until an operator joins them."""

from pathlib import Path
from typing import Any

import pytest
from ratchet_server.cli import main
from ratchet_server.counting.datadir import DATABASE

from testing.nodes import Node, cluster, connected, equal, wait_until


def seen(node: Node) -> dict[str, Any]:
    """What the node reports of the cluster."""
    report = node.get("/api/cluster").json()
    assert isinstance(report, dict)
    return report


def id_of(node: Node) -> str:
    """The id of the node's cluster."""
    return str(seen(node)["cluster"]["id"])


def settled(node: Node) -> bool:
    return bool(seen(node)["cluster"]["settled"])


def test_a_node_with_counts_of_its_own_and_a_cluster_stay_apart_until_an_operator_joins_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cluster(tmp_path, ("a", "b")) as nodes, Node("dev", tmp_path) as dev:
        a, b = nodes.values()
        for _ in range(3):
            a.view("tide")
        wait_until(lambda: settled(a) and settled(b), "the cluster has settled")
        assert id_of(a) == id_of(b) == a.get("/api/node").json()["cluster"]
        dev.start()
        for _ in range(5):
            dev.view("tide")
        wait_until(lambda: settled(dev), "dev has settled")
        # By mistake.
        dev.peers = [a.url]
        dev.restart()
        wait_until(lambda: seen(dev)["strangers"] and seen(a)["strangers"], "both have met")
        assert [node.views("tide") for node in (a, b, dev)] == [3, 3, 5]
        for node, other in ((a, dev), (dev, a)):
            stranger = {"node": other.name, "url": other.url, "cluster": id_of(other)}
            assert seen(node)["strangers"] == [stranger]
            assert "ratchet_strangers 1.0" in node.get("/metrics").text
            assert (
                f"is of another cluster: its id is {id_of(other)}, ours {id_of(node)}" in node.log
            )
            # Not once for each attempt.
            assert node.log.count("is of another cluster") == 1
            assert main(["status", "--check", node.url]) == 1
            output = capsys.readouterr().out
            assert f"ratchet join {other.url} --via {node.url}" in output
            assert "Nobody has ever answered" not in output
        assert dev.get("/api/node").json()["peers"][0]["connected"] is False
        # On purpose.
        ids = {id_of(a), id_of(dev)}
        assert main(["join", dev.url, "--via", b.url]) == 0
        assert all(each in capsys.readouterr().out for each in [*ids][:1])
        everybody = (a, b, dev)
        wait_until(lambda: connected(everybody), "all are connected")
        wait_until(lambda: equal(everybody), "all have the same")
        assert [node.views("tide") for node in everybody] == [8, 8, 8]
        wait_until(lambda: {*map(id_of, everybody)} == {min(ids)}, "they have one id")
        assert main(["join", dev.url, "--via", a.url]) == 0
        assert "already" in capsys.readouterr().out
        # It lasts.
        dev.restart()
        wait_until(lambda: connected(everybody), "all are connected again")
        wait_until(lambda: not seen(dev)["strangers"], "nobody is a stranger any more")


def test_a_first_node_that_comes_back_without_its_disk_is_found_by_its_cluster(
    tmp_path: Path,
) -> None:
    with Node("a", tmp_path) as a, Node("b", tmp_path, peers=[a.url]) as b:
        a.start()
        b.start()
        wait_until(lambda: connected((a, b)), "they are connected")
        a.view("tide")
        wait_until(lambda: b.views("tide") == 1 and settled(a) and settled(b), "both have settled")
        before = id_of(b)
        a.kill9()
        a.lose_disk()
        a.start()
        a.view("moss")
        wait_until(lambda: connected((a, b)) and equal((a, b)), "a has everything again")
        assert [node.views("tide") for node in (a, b)] == [1, 1]
        wait_until(lambda: id_of(a) == id_of(b) <= before, "they have one id")


def test_two_nodes_that_count_before_they_can_reach_each_other_are_one_cluster_all_the_same(
    tmp_path: Path,
) -> None:
    with Node("a", tmp_path) as a, Node("b", tmp_path, peers=[a.url]) as b:
        a.peers = [b.url]
        b.start()
        b.view("tide")
        assert not settled(b)
        b.stop()
        a.start()
        a.view("tide")
        b.start()
        wait_until(lambda: connected((a, b)) and equal((a, b)), "both have the same")
        assert a.views("tide") == 2
        wait_until(lambda: settled(a) and settled(b), "both have settled")


def test_two_clusters_whose_bases_would_not_be_added_up_are_not_joined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"RATCHET_FOLD_GRACE": "1"}
    with Node("a", tmp_path, environ=environ) as a, Node("dev", tmp_path, environ=environ) as dev:

        def count_and_fold(node: Node) -> None:
            node.start()
            node.view("tide")
            # Each process has a slot of its own.
            node.restart()
            wait_until(lambda: seen(node)["base"]["views"], f"{node.name} has a base")

        for node in (a, dev):
            count_and_fold(node)
        ids = id_of(a), id_of(dev)
        assert main(["join", dev.url, "--via", a.url]) == 1
        assert "would keep only the larger number of each video" in capsys.readouterr().err
        # Whoever calls the node has to say what the other cluster has folded.
        says: list[dict[str, Any]] = [{}, {"folded": dev.get("/api/node").json()["folded"]}]
        for said in says:
            refused = a.post_json("/api/cluster/join", cluster=ids[1], **said)
            assert (refused.status_code, refused.json()["error"]) == (409, "two_bases")
        assert (id_of(a), id_of(dev)) == ids


def test_two_clusters_of_which_one_has_a_base_are_joined(tmp_path: Path) -> None:
    environ = {"RATCHET_FOLD_GRACE": "1"}
    with Node("a", tmp_path, environ=environ) as a, Node("dev", tmp_path) as dev:
        dev.start()
        dev.view("tide")
        a.start()
        a.view("tide")
        a.restart()
        wait_until(lambda: seen(a)["base"]["views"], "a has a base")
        wait_until(lambda: settled(a) and settled(dev), "both have settled")
        folded = a.get("/api/node").json()["folded"]
        for node, other, theirs in ((a, dev, {}), (dev, a, folded)):
            answer = node.post_json("/api/cluster/join", cluster=id_of(other), folded=theirs)
            assert answer.status_code == 200, answer.text
        # Whatever is folded now: they are one cluster already.
        assert a.post_json("/api/cluster/join", cluster=id_of(dev)).status_code == 200
        assert id_of(a) == id_of(dev)


def test_a_join_names_an_id(tmp_path: Path) -> None:
    with Node("a", tmp_path) as a:
        a.start()
        bodies: tuple[dict[str, Any], ...] = (
            {},
            {"cluster": "x"},
            {"cluster": None},
            {"cluster": "0" * 16, "x": 1},
            {"cluster": "0" * 16, "folded": None},
            {"cluster": "0" * 16, "folded": []},
            {"cluster": "0" * 16, "folded": {"A": 1}},
        )
        for body in bodies:
            response = a.post_json("/api/cluster/join", **body)
            assert (response.status_code, response.json()["error"]) == (400, "bad_join")


def test_a_node_that_was_given_no_address_and_has_lost_its_ids_comes_back(tmp_path: Path) -> None:
    with Node("a", tmp_path) as a, Node("b", tmp_path, peers=[a.url]) as b:
        for node in (a, b):
            node.start()
            node.view("tide")
        wait_until(lambda: settled(a) and settled(b), "the cluster has settled")
        before = id_of(b)
        a.stop()
        # One bit on the disk flips.
        file = Path(a.data) / DATABASE
        content = bytearray(file.read_bytes())
        content[content.index(before.encode())] ^= 1
        file.write_bytes(content)
        a.start()
        assert "the ids of the cluster: " in a.log
        a.view("tide")
        wait_until(lambda: connected([a, b]) and equal([a, b]), "they have found each other")
        assert a.views("tide") == b.views("tide") == 3
        wait_until(lambda: settled(a), "a has settled again")
        assert id_of(a) == id_of(b)
