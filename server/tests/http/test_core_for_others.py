"""`/pyodide/`: the very core that the node runs, for Pyodide pages of any other site."""

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import ratchet
from ratchet_server.http.built import Built

from testing.nodes import Node

LOCK = "/pyodide/pyodide-lock.json"
FOREIGN = {"Origin": "https://lesson.example", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with another build's templates, and the real files for others."""
    folder: Path = tmp_path_factory.mktemp("built") / "page"
    shutil.copytree(Built.read(None).for_others, folder / "pyodide")
    (folder / "build.json").write_text(json.dumps({"build": "one"}))
    return folder


@pytest.fixture(scope="module")
def node(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    environ = {"RATCHET_PAGE": str(page)}
    with Node("a", tmp_path_factory.mktemp("node"), data=":memory:", environ=environ) as node:
        yield node.start()


@pytest.fixture(scope="module")
def entry(node: Node) -> dict[str, Any]:
    """What the lock says of the one package in it."""
    packages: dict[str, Any] = node.get(LOCK, FOREIGN).json()["packages"]
    assert [*packages] == ["ratchet-views-core"]
    found: dict[str, Any] = packages["ratchet-views-core"]
    return found


def test_the_wheel_is_the_core_that_this_node_runs(node: Node, entry: dict[str, Any]) -> None:
    wheel = node.get(f"/pyodide/{entry['file_name']}", FOREIGN).content
    assert sha256(wheel).hexdigest() == entry["sha256"]
    with zipfile.ZipFile(io.BytesIO(wheel)) as opened:
        modules = {
            name.removeprefix("ratchet/"): opened.read(name)
            for name in opened.namelist()
            if name.endswith(".py")
        }
    installed = Path(ratchet.__file__).parent
    assert modules == {path.name: path.read_bytes() for path in installed.glob("*.py")}


def test_pages_of_any_site_may_read_both(node: Node, entry: dict[str, Any]) -> None:
    for path, kind in (
        (LOCK, "application/json"),
        (f"/pyodide/{entry['file_name']}", "application/zip"),
    ):
        answer = node.get(path, FOREIGN)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        # A page that is isolated from other origins loads only what says so.
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == kind
        known = {"If-None-Match": answer.headers["etag"], **FOREIGN}
        again = node.get(path, known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["access-control-allow-origin"] == "*"


def test_a_cache_asks_for_the_lock_each_time_and_for_a_wheel_once(
    node: Node, entry: dict[str, Any]
) -> None:
    assert node.get(LOCK).headers["cache-control"] == "no-cache"
    wheel = node.get(f"/pyodide/{entry['file_name']}")
    assert wheel.headers["cache-control"] == "public, max-age=31536000, immutable"
    # The name changes with the content, so such a cache is never wrong.
    assert f"-0{entry['sha256'][:16]}-" in entry["file_name"]


def test_the_script_of_another_site_can_read_why_there_is_no_such_wheel(node: Node) -> None:
    answer = node.get("/pyodide/ratchet_views_core-0.0.1-00-py3-none-any.whl", FOREIGN)
    assert answer.status_code == 404
    assert answer.json()["error"] == "not_found"
    assert "pyodide-lock.json" in answer.json()["message"]
    assert answer.headers["access-control-allow-origin"] == "*"


def test_another_build_in_the_folder_changes_nothing_before_the_next_start(
    node: Node, page: Path, entry: dict[str, Any]
) -> None:
    before = node.get(LOCK)
    (page / "pyodide").rename(page / "earlier")
    (page / "pyodide").mkdir()
    (page / "pyodide/pyodide-lock.json").write_text("{}")
    after = node.get(LOCK, {"If-None-Match": '"another"'})
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
    assert node.get(f"/pyodide/{entry['file_name']}").status_code == 200
    node.restart()
    assert node.get(LOCK).json() == {}


def test_an_older_build_has_none_and_the_answer_says_how_to_make_it(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page/build.json").write_text(json.dumps({"build": "older"}))
    environ = {"RATCHET_PAGE": str(tmp_path / "page")}
    with Node("b", tmp_path, data=":memory:", environ=environ) as node:
        answer = node.start().get(LOCK, FOREIGN)
        assert answer.status_code == 503
        assert answer.json()["error"] == "no_page"
        assert answer.headers["access-control-allow-origin"] == "*"
