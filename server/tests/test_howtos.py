"""The how-tos work as they are written, and all links in the documents lead somewhere."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from ratchet_server.settings import environment, sources

from testing.documents import FENCED, anchors, blocks
from testing.nodes import HOST, Node, wait_until

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def follow(document: Path, node: Node, folder: Path) -> str:
    """Run all commands of `document` in `folder`, as a reader would, with `node` in place of the
    node that it names. Return what they print."""
    script = "\n".join(blocks(document, "sh")).replace("127.0.0.1:1234", f"{HOST}:{node.port}")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_old_counts_move_in(tmp_path: Path) -> None:
    if not shutil.which("sqlite3"):
        pytest.skip("the old counter's own program, sqlite3, is not on this machine")
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as old:
        old.execute("CREATE TABLE clips (id TEXT, views INTEGER)")
        old.executemany("INSERT INTO clips VALUES (?, ?)", [("tide", 40), ("moss", 2)])
        old.commit()
    with Node("a", tmp_path) as node:
        node.start()
        node.view("tide")
        printed = follow(ROOT / "docs/move-old-counts-in.md", node, tmp_path)
        assert "old-site: 42 views of 2 videos are imported." in printed
        assert printed.count("video,views") == 2
        assert "1 node; all is well." in printed
        assert [node.views(video) for video in ("tide", "moss")] == [41, 2]


def test_a_way_out_of_trouble_can_be_followed(tmp_path: Path) -> None:
    with Node("a", tmp_path) as node:
        node.start()
        node.view("tide")
        wait_until(lambda: node.slot, "the slot is open")
        printed = follow(ROOT / "docs/get-out-of-trouble.md", node, tmp_path)
        assert "all is well" in printed
        assert f"{tmp_path / 'before.sqlite'}".rpartition("/")[2] in printed


def test_a_node_starts_as_the_how_to_of_players_says(tmp_path: Path) -> None:
    [setup] = blocks(ROOT / "docs/count-from-your-player.md", "sh")
    prepare, command = setup.strip().rsplit("\n", 1)
    values = dict(re.findall(r"(RATCHET_\w+)=(\S+)", prepare))
    [write] = [line for line in prepare.splitlines() if line.startswith("printf")]
    subprocess.run(["bash", "-c", write], cwd=tmp_path, check=True)
    flags = command.split()[2:]
    assert flags[:3] == ["--name", "a", "--videos"]
    flags = ["--videos", str(tmp_path / flags[3])]
    with Node("a", tmp_path, flags=flags, environ=values) as node:
        node.start()
        site = {"Origin": values["RATCHET_COUNT_ORIGINS"], "Sec-Fetch-Site": "cross-site"}
        assert node.post("/api/videos/moss/views", site).status_code == 200
        assert node.post("/api/videos/loom/views", site).status_code == 404


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
class TestADocument:
    def test_has_links_that_lead_somewhere(self, document: Path) -> None:
        for link in _LINK.findall(FENCED.sub("", document.read_text())):
            path, _, anchor = link.partition("#")
            if path.startswith(("http:", "https:")):
                continue
            target = (document.parent / path).resolve() if path else document
            assert target.exists(), f"{document.name} links to {link}"
            if anchor:
                assert anchor in anchors(target), f"{document.name} links to {link}"

    def test_names_only_variables_that_there_are(self, document: Path) -> None:
        known = {setting.variable for setting, _ in sources.declared()} | {*environment.ELSEWHERE}
        named = {*re.findall(r"\bRATCHET_[A-Z_]+[A-Z]\b", document.read_text())}
        assert named <= known
