"""Old counts come along, once: `ratchet import` and `ratchet export` with real nodes."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ratchet_server.cli import main
from ratchet_server.client import Client, Imported
from ratchet_server.operator.counts_file import read
from ratchet_server.operator.importing import name_of

from testing.nodes import HTTP, Node, cluster, equal, wait_until

Refused = Callable[..., str]
Rows = Iterable[tuple[str, int]]


def write(path: Path, *rows: object, head: str = "video,views") -> Path:
    """A file of counts."""
    path.write_text("\n".join([head, *map(str, rows)]) + "\n")
    return path


def bring(file: Path, node: Node, *flags: str) -> int:
    """Run `ratchet import`. Return its exit code."""
    return main(["import", str(file), "--via", node.url, *flags])


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """Three nodes, which stay up."""
    with cluster(tmp_path_factory.mktemp("three")) as nodes:
        yield list(nodes.values())


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that has met no other: on the node that all tests share, peers are missing, and no
    import begins there."""
    with Node("a", tmp_path_factory.mktemp("alone")) as node:
        yield node.start()


class TestAnImport:
    def test_is_added_to_what_the_nodes_count(
        self, three: list[Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        a, b, c = three
        b.view("tide-1")
        file = write(tmp_path / "first.csv", "tide-1,40", "moss-1,2", "loom-1,0")
        assert bring(file, a) == 0
        said = capsys.readouterr().out
        assert "first: 42 views of 2 videos are imported." in said
        assert "Left out: 1 line with 0 views." in said
        wait_until(lambda: equal(three), "all have it")
        assert [c.views(video) for video in ("tide-1", "moss-1", "loom-1")] == [41, 2, 0]
        assert "import-first" in c.get("/api/node").json()["closed"]

    def test_counts_once_through_whichever_nodes_it_is_sent(
        self, three: list[Node], tmp_path: Path
    ) -> None:
        file = write(tmp_path / "twice.csv", "tide-2,40", "moss-2,2")
        # At the same time, and then again.
        threads = [threading.Thread(target=bring, args=(file, node)) for node in three]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for node in three:
            assert bring(file, node) == 0
        wait_until(lambda: equal(three), "all have it")
        assert [three[0].views(video) for video in ("tide-2", "moss-2")] == [40, 2]

    def test_of_other_counts_needs_another_name(
        self,
        three: list[Node],
        tmp_path: Path,
        refused: Refused,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert bring(write(tmp_path / "third.csv", "tide-3,40"), three[0]) == 0
        wait_until(lambda: equal(three), "all have it")
        other = write(tmp_path / "third.csv", "tide-3,50")
        capsys.readouterr()
        said = refused("import", str(other), "--via", three[1].url)
        assert "third was imported before, with 40 views, and" in said
        assert "--name" in said
        assert three[1].views("tide-3") == 40
        assert bring(other, three[1], "--name", "third-site") == 0
        assert three[1].views("tide-3") == 90

    def test_of_another_file_can_t_end_what_was_begun(
        self, three: list[Node], tmp_path: Path, refused: Refused
    ) -> None:
        rows = {"import": "fourth", "rows": [["tide-4", 40]]}
        wait_until(
            lambda: three[0].post_json("/api/cluster/import", **rows).json()["state"] == "open",
            "all nodes agree",
        )
        wait_until(lambda: equal(three), "all have it")
        file = write(tmp_path / "fourth.csv", "moss-4,2")
        said = refused("import", str(file), "--via", three[1].url)
        assert "The import has 42 views of 2 videos, and its file has 2 of 1." in said
        # The status names it, and the operator may end it.
        seen = three[1].get("/api/cluster").json()
        [member] = [one for one in seen["members"] if one["state"] == "importing"]
        assert member["node"] == "import-fourth"
        assert main(["retire", "import-fourth", "--via", three[1].url]) == 0

    def test_goes_on_with_another_node_if_the_first_one_dies(
        self, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        really = Client.bring
        rows = [f"v{n},{n + 1}" for n in range(60_000)]
        file = write(tmp_path / "large.csv", *rows)
        with cluster(tmp_path) as nodes:
            a, b, c = nodes.values()

            def dies(client: Client, name: str, rows: Rows = (), **end: Any) -> Imported:
                answer = really(client, name, rows, **end)
                if rows and a.running:
                    wait_until(lambda: b.views("v5"), "b has the first rows")
                    a.kill9()
                return answer

            monkeypatch.setattr(Client, "bring", dies)
            assert a.url in refused("import", str(file), "--via", a.url)
            monkeypatch.undo()
            assert [b.views(f"v{n}") for n in (5, 59_999)] == [6, 0]
            assert bring(file, b) == 0
            wait_until(lambda: equal([b, c]), "b and c have the same", timeout_s=60)
            assert [c.views(f"v{n}") for n in (0, 59_999)] == [1, 60_000]
            a.start()
            wait_until(lambda: equal([a, b, c]), "all have the same", timeout_s=60)
            assert bring(file, a) == 0
            assert [a.views(f"v{n}") for n in (0, 59_999)] == [1, 60_000]

    def test_survives_a_crash_once_it_is_answered(self, tmp_path: Path) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            assert bring(write(tmp_path / "old.csv", "tide,40"), node) == 0
            node.kill9()
            node.start()
            assert node.views("tide") == 40
            assert bring(tmp_path / "old.csv", node) == 0
            assert node.views("tide") == 40

    def test_begins_only_while_all_nodes_are_connected(
        self, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ratchet_server.operator.importing.AGREE_S", 1.0)
        file = write(tmp_path / "old.csv", "tide,40")
        with cluster(tmp_path, ("a", "b")) as nodes:
            a, b = nodes.values()
            b.kill9()
            wait_until(lambda: "missing" in a.get("/api/cluster").text, "a misses b")
            said = refused("import", str(file), "--via", a.url)
            assert "the nodes have not agreed that old begins: " in said
            assert "b is missing. All nodes must be connected then" in said
            assert a.views("tide") == 0
            b.start()
            monkeypatch.undo()
            assert bring(file, a) == 0

    def test_sends_again_what_came_while_a_node_was_away(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All nodes agree, and then one goes before any rows have come."""
        with cluster(tmp_path, ("a", "b")) as nodes:
            a, b = nodes.values()
            states: list[str] = []
            really = Client.bring

            def watched(client: Client, name: str, rows: Rows = (), **end: Any) -> Imported:
                answer = really(client, name, rows, **end)
                states.append(answer.state)
                if states.count("open") == 1 and states[-1] == "open":
                    b.kill9()
                    wait_until(lambda: "b is missing" in a.get("/api/cluster").text, "a misses b")
                elif not b.running:
                    b.start()
                return answer

            monkeypatch.setattr(Client, "bring", watched)
            assert bring(write(tmp_path / "old.csv", "tide,40", "moss,2"), a) == 0
            assert "agreeing" in states[states.index("open") :]
            assert [a.views(video) for video in ("tide", "moss")] == [40, 2]

    def test_that_another_file_has_ended_meanwhile_says_what_counts(
        self,
        alone: Node,
        tmp_path: Path,
        refused: Refused,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        really = Client.bring

        def overtaken(client: Client, name: str, rows: Rows = (), **end: Any) -> Imported:
            answer = really(client, name, rows, **end)
            if rows:
                more = {"import": name, "rows": [["race-3", 7]]}
                total = {"videos": 3, "views": 49}
                alone.post_json("/api/cluster/import", **more, end=total)
            return answer

        monkeypatch.setattr(Client, "bring", overtaken)
        file = write(tmp_path / "race.csv", "race-1,40", "race-2,2")
        said = refused("import", str(file), "--via", alone.url)
        assert "race was imported from another file at the same time. It has 49 views now" in said
        assert [alone.views(f"race-{n}") for n in (1, 2, 3)] == [40, 2, 7]
        said = refused("import", str(file), "--via", alone.url)
        assert "nothing has changed" in said

    def test_is_not_taken_for_a_node_that_nobody_has_met(self, tmp_path: Path) -> None:
        with cluster(tmp_path, ("a", "b"), environ={"RATCHET_FOLD_GRACE": "1"}) as nodes:
            a, b = nodes.values()
            begin = {"import": "old", "rows": [["tide", 1]]}
            wait_until(
                lambda: a.post_json("/api/cluster/import", **begin).json()["state"] == "open",
                "all nodes agree",
            )
            b.view("moss")
            b.restart()
            a.peers.append("http://127.0.0.1:9")
            a.restart()
            wait_until(
                lambda: (
                    {"missing", "unmet"}
                    == {
                        obstacle["kind"]
                        for fold in a.get("/api/cluster").json()["folds"]
                        for obstacle in fold["obstacles"]
                        if fold["node"] == "b" and obstacle["kind"] in {"missing", "unmet"}
                    }
                ),
                "a waits for the import and for the node at the address",
            )

    def test_needs_the_secret(self, tmp_path: Path, refused: Refused) -> None:
        with Node("a", tmp_path, environ={"RATCHET_SECRET": "s" * 20}) as node:
            node.start()
            file = write(tmp_path / "old.csv", "tide,40")
            assert "401" in refused("import", str(file), "--via", node.url)


BAD_FILES = [
    ("", "line 1: the first line must be video,views"),
    ("tide,40\n", "line 1: the first line must be video,views, not 'tide,40'"),
    ("video;views\ntide;40\n", "semicolons"),
    ("views,video\n40,tide\n", "must be video,views"),
    ("video,views\n", "has no views"),
    ("video,views\ntide,0\n", "has no views"),
    ("video,views\ntide,40,1\n", "line 2: it has 3 columns, and not 2"),
    ("video,views\ntide\n", "line 2: it has 1 column, and not 2"),
    ("video,views\ntide,40\nmoss,-1\n", "line 3: views are a whole number"),
    ("video,views\ntide,1.5\n", "not '1.5'"),
    ("video,views\ntide,1e3\n", "not '1e3'"),
    ("video,views\ntide,1_000\n", "not '1_000'"),
    ("video,views\ntide,\u0664\n", "views are a whole number"),
    ("video,views\ntide,9007199254740992\n", "from 0 to 2^53-1"),
    ("video,views\ntide," + "9" * 5000 + "\n", "from 0 to 2^53-1"),
    ("video,views\ntide," + "0" * 9 + "9" * 16 + "\n", "from 0 to 2^53-1"),
    ("video,views\ntide,\n", "not ''"),
    ("video,views\na b,1\n", "line 2: a video id is"),
    ("video,views\ntide,1\nmoss,1\ntide,1\n", "line 4: tide is in line 2, too"),
    ('video,views\n"tide,1\n', "line 2: unexpected end of data"),
]


class TestABadFile:
    @pytest.mark.parametrize(("text", "why"), BAD_FILES)
    def test_is_refused_before_anything_is_sent(
        self, tmp_path: Path, refused: Refused, text: str, why: str
    ) -> None:
        file = tmp_path / "bad.csv"
        file.write_text(text)
        # Nobody listens there.
        said = refused("import", str(file), "--via", "http://127.0.0.1:9")
        assert why in said
        assert str(file) in said

    def test_that_is_not_there_is_named(self, tmp_path: Path, refused: Refused) -> None:
        said = refused("import", str(tmp_path / "no.csv"), "--via", "http://127.0.0.1:9")
        assert "no.csv: No such file" in said

    def test_that_is_not_utf_8_is_named(self, tmp_path: Path, refused: Refused) -> None:
        (tmp_path / "old.csv").write_bytes("video,views\ntidé,1\n".encode("latin-1"))
        said = refused("import", str(tmp_path / "old.csv"), "--via", "http://127.0.0.1:9")
        assert "not UTF-8" in said

    def test_may_begin_with_a_byte_order_mark_and_have_the_line_ends_of_windows(
        self, alone: Node, tmp_path: Path
    ) -> None:
        file = tmp_path / "bom.csv"
        file.write_bytes(b'\xef\xbb\xbfVideo, Views\r\n"bom-1",40\r\n\r\nbom-2, 2 \r\n')
        assert bring(file, alone) == 0
        assert [alone.views(video) for video in ("bom-1", "bom-2")] == [40, 2]

    def test_may_have_zeros_in_front_of_its_numbers(self, tmp_path: Path) -> None:
        file = write(tmp_path / "zeros.csv", f"tide,{12:030}", f"moss,{0:030}", "loom,007")
        assert read(file).views_of == {"tide": 12, "loom": 7}

    def test_with_a_video_that_is_not_listed_is_refused_with_its_line(
        self, tmp_path: Path, refused: Refused
    ) -> None:
        (tmp_path / "ids").write_text("tide\nmoss\n")
        file = write(tmp_path / "old.csv", "tide,40", "", "dunes,1")
        with Node("a", tmp_path, flags=["--videos", str(tmp_path / "ids")]) as node:
            node.start()
            said = refused("import", str(file), "--via", node.url)
            assert f"{file}, line 4:" in said
            assert "--videos" in said
            assert node.views("tide") == 0


class TestABadCall:
    @pytest.mark.parametrize(
        ("body", "code", "index"),
        [
            (b"", "bad_import", None),
            (b"[]", "bad_import", None),
            (b"{}", "bad_import", None),
            (b'{"import": "A"}', "bad_import", None),
            (b'{"import": ""}', "bad_import", None),
            (b'{"import": 7}', "bad_import", None),
            (json.dumps({"import": "x" * 57}).encode(), "bad_import", None),
            (b'{"import": "bad", "rows": 1}', "bad_import", None),
            (b'{"import": "bad", "rows": [["\xff", 1]]}', "bad_import", None),
            (b'{"import": "bad", "more": 1}', "bad_import", None),
            (b'{"import": "bad", "end": true}', "bad_import", None),
            (b'{"import": "bad", "rows": [["x", 1], ["y"]]}', "bad_entry", 1),
            (b'{"import": "bad", "rows": [["x", 1], ["y", 1, 2]]}', "bad_entry", 1),
            (b'{"import": "bad", "rows": [["x", 0]]}', "bad_entry", 0),
            (b'{"import": "bad", "rows": [["x", 1.5]]}', "bad_entry", 0),
            (b'{"import": "bad", "rows": [["x", 1], ["y", true]]}', "bad_entry", 1),
            (b'{"import": "bad", "rows": [["x", 1], ["a b", 1]]}', "bad_entry", 1),
            (b'{"import": "bad", "rows": [["x", 1], ["x", 1]]}', "bad_entry", 1),
            (b'{"import": "bad", "rows": [["x", 9007199254740991]]}', "too_many_views", 0),
            (
                json.dumps({"import": "bad", "rows": [["x", 1]] * 10_001}).encode(),
                "bad_import",
                None,
            ),
        ],
    )
    def test_changes_nothing(self, alone: Node, body: bytes, code: str, index: int | None) -> None:
        begin = {"import": "bad"}
        wait_until(
            lambda: alone.post_json("/api/cluster/import", **begin).json()["state"] == "open",
            "it takes rows",
        )
        before = alone.digest
        answer = HTTP.post(f"{alone.url}/api/cluster/import", content=body)
        assert (answer.status_code, answer.json()["error"]) == (400, code), answer.text
        assert answer.json().get("index") == index
        assert alone.digest == before

    def test_is_refused_though_the_import_takes_no_rows(self, alone: Node) -> None:
        rows: list[tuple[str, int]] = [("bad-1", 1)]
        call = {"import": "done", "rows": rows, "end": {"videos": 1, "views": 1}}
        wait_until(
            lambda: alone.post_json("/api/cluster/import", **call).json()["state"] == "ended",
            "it has ended",
        )
        rows.append(("a b", 1))
        for name in ("done", "never-begun"):
            answer = alone.post_json("/api/cluster/import", **call | {"import": name})
            assert answer.status_code == 400, answer.text
            assert (answer.json()["error"], answer.json()["index"]) == ("bad_entry", 1)
        assert "import-never-begun" not in alone.get("/api/node").json()["known"]


class TestAnExport:
    def test_is_a_file_that_can_be_imported(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with Node("a", tmp_path) as one, Node("b", tmp_path) as two:
            one.start()
            two.start()
            entries = [{"video": f"v{n:04}", "n": n + 1} for n in range(2500)]
            assert one.post_json("/api/views", views=entries).json()["counted"] == 3_126_250
            assert main(["export", one.url]) == 0
            printed = capsys.readouterr().out
            assert printed.splitlines()[:3] == ["video,views", "v0000,1", "v0001,2"]
            file = tmp_path / "one.csv"
            file.write_text(printed)
            assert bring(file, two) == 0
            capsys.readouterr()
            assert main(["export", two.url, "--csv"]) == 0
            assert capsys.readouterr().out == printed

    def test_is_json_for_programs(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            for video in ("tide", "moss", "tide"):
                node.view(video)
            assert main(["export", node.url, "--json", "--after", "moss"]) == 0
            lines = capsys.readouterr().out.splitlines()
            assert [json.loads(line) for line in lines] == [{"video": "tide", "views": 2}]

    def test_says_where_to_go_on_if_the_node_dies(self, tmp_path: Path) -> None:
        with Node("a", tmp_path) as node:
            node.start()
            entries = [{"video": f"v{n:05}", "n": 1} for n in range(10_000)]
            for part in range(5):
                more = [{**each, "video": f"{part}{each['video']}"} for each in entries]
                assert node.post_json("/api/views", views=more).status_code == 200
            command = [sys.executable, "-m", "ratchet_server", "export", node.url]
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as export:
                assert export.stdout
                assert export.stderr
                first = [export.stdout.readline() for _ in range(10)]
                node.kill9()
                rest, said = export.communicate()
            last = (rest or first[-1]).splitlines()[-1].split(",")[0]
            assert export.returncode == 1
            assert f"Go on with --after {last}" in said


@pytest.mark.parametrize(
    ("file", "name"),
    [("Old Counts 2024.csv", "old-counts-2024"), ("x.csv", "x"), ("\u00e4.csv", "counts")],
)
def test_an_import_is_called_like_its_file(file: str, name: str) -> None:
    assert name_of(Path(file)) == name


def test_a_node_can_t_have_the_name_of_an_import(refused: Refused) -> None:
    said = refused("node", "--name", "import-old", "--data", ":memory:")
    assert "names of imports begin with import-" in said
