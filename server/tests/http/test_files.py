"""A build's files: in an encoding that the client accepts, and never those of another build."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.nodes import HTTP, Node

SCRIPT = "/view-count.js"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small build."""
    folder = tmp_path_factory.mktemp("built") / "page"
    write_build(folder, "one")
    return folder


def write_build(folder: Path, name: str) -> None:
    (folder / "assets/embed").mkdir(parents=True)
    script = folder / "assets/embed/view-count.js"
    script.write_text(f"// {name}\n")
    for ending in (".br", ".gz"):
        # The node sends these bytes, and nothing decodes them here.
        script.with_name(script.name + ending).write_bytes(f"{ending} of {name}".encode())
    (folder / "index.html").write_text(f"{name} {{{{ assets }}}}")
    (folder / "build.json").write_text(json.dumps({"build": name}))


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, page: Path) -> Iterator[Node]:
    environ = {"RATCHET_PAGE": str(page)}
    with Node("a", tmp_path_factory.mktemp("node"), data=":memory:", environ=environ) as node:
        yield node.start()


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("br, gzip", "br"),
        ("gzip", "gzip"),
        ("BR", "br"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br;q=0.000, gzip; q=0", None),
        ("identity", None),
        ("", None),
        (";;,q=0", None),
    ],
)
def test_a_file_is_sent_in_an_encoding_that_the_client_accepts(
    serving: Node, accepts: str, encoding: str | None
) -> None:
    path = "/assets/one/embed/view-count.js"
    with HTTP.stream("GET", serving.url + path, headers={"Accept-Encoding": accepts}) as answer:
        assert answer.status_code == 200
        assert answer.headers.get("content-encoding") == encoding
        assert "Accept-Encoding" in answer.headers["vary"]


def test_each_encoding_of_the_script_for_others_has_its_own_etag(serving: Node) -> None:
    tags = set()
    for accepts in ("br", "gzip", "identity"):
        headers = {"Accept-Encoding": accepts}
        with HTTP.stream("GET", serving.url + SCRIPT, headers=headers) as answer:
            tag = answer.headers["etag"]
        tags.add(tag)
        assert serving.get(SCRIPT, {**headers, "If-None-Match": tag}).status_code == 304
    assert len(tags) == 3


def test_a_new_build_in_the_folder_is_not_served_under_the_name_of_the_old_one(
    serving: Node, page: Path
) -> None:
    path = "/assets/one/embed/view-count.js"
    assert serving.get(path, {"Accept-Encoding": "identity"}).text == "// one\n"
    page.rename(page.with_name("old"))
    write_build(page, "two")
    assert serving.get(path).status_code == 404
    assert serving.get(path.replace("one", "two")).status_code == 404
    assert serving.get("/").text == "one /assets/one"
    serving.restart()
    assert serving.get("/").text == "two /assets/two"
    two = serving.get(path.replace("one", "two"), {"Accept-Encoding": "identity"})
    assert two.text == "// two\n"
