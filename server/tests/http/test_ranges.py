"""Parts of files, as RFC 9110 (14.1, 14.2 and 13.1.5) has them: of clips, and of a page's files."""

import json
import os
from collections.abc import Iterator

import pytest

from testing.nodes import Node
from testing.wire import raw

# A page's files come compressed to those who can read that; these clients can't.
PLAIN = {"Accept-Encoding": "identity"}
# More than the node sends at once, and no multiple of anything.
SIZE = 100_003
CONTENT = os.urandom(SIZE)
CLIP, ASSET = "/media/tide.webm", "/assets/one/engine.wasm"
WHOLE, NONE = range(SIZE), range(0)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("shop")
    media, page = folder / "media", folder / "page"
    media.mkdir()
    (media / "tide.webm").write_bytes(CONTENT)
    (media / "empty.webm").write_bytes(b"")
    (page / "assets").mkdir(parents=True)
    (page / "assets/engine.wasm").write_bytes(CONTENT)
    (page / "assets/engine.wasm.br").write_bytes(CONTENT[::-1])
    (page / "build.json").write_text(json.dumps({"build": "one"}))
    environ = {"RATCHET_PAGE": str(page)}
    flags = ["--media", str(media)]
    with Node("shop", folder, data=":memory:", flags=flags, environ=environ) as node:
        yield node.start()


@pytest.mark.parametrize("path", [CLIP, ASSET])
@pytest.mark.parametrize(
    ("requested", "sent"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=100-199", range(100, 200)),
        ("bytes=1-70000", range(1, 70_001)),
        ("bytes=100000-", range(100_000, SIZE)),
        ("bytes=0-", WHOLE),
        (f"bytes=0-{SIZE - 1}", WHOLE),
        # A unit's name is in any case.
        ("Bytes=5-6", range(5, 7)),
        # An end after the last byte is the last byte.
        (f"bytes={SIZE - 3}-{SIZE}", range(SIZE - 3, SIZE)),
        ("bytes=7-99999999999999999999999999", range(7, SIZE)),
        ("bytes=7-" + "9" * 5000, range(7, SIZE)),
        ("bytes=007-" + "0" * 5000 + "8", range(7, 9)),
        # The last bytes; of those that ask for more than there is, all.
        ("bytes=-1", range(SIZE - 1, SIZE)),
        ("bytes=-500", range(SIZE - 500, SIZE)),
        (f"bytes=-{SIZE}", WHOLE),
        (f"bytes=-{SIZE + 1}", WHOLE),
        # A list of one, with the empty elements and the spaces that a list may have.
        ("bytes= , 3-4 ,,", range(3, 5)),
        # Of several, one lies in the file.
        (f"bytes={SIZE}-, 3-4, -0", range(3, 5)),
    ],
)
def test_a_part_is_sent_alone(shop: Node, path: str, requested: str, sent: range) -> None:
    answer = shop.get(path, {"Range": requested, **PLAIN})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {sent.start}-{sent.stop - 1}/{SIZE}"
    assert answer.content == CONTENT[sent.start : sent.stop]


@pytest.mark.parametrize("path", [CLIP, ASSET])
@pytest.mark.parametrize(
    "requested",
    [
        # Another unit.
        "lines=1-2",
        "bytes2=1-2",
        # No range at all. A server may refuse these; old clients are better off with the file.
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=1",
        "bytes=a-b",
        "bytes=2-1",
        "bytes=0-1, 2-1",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=1_0-2_0",
        "bytes=0x1-2",
        "bytes=1 - 2",
        "bytes =1-2",
        "bytes=1-2;q=1",
        "bytes=\u0661-\u0662",
        "bytes=0-1\xff",
        # Several parts: a server may send the whole.
        "bytes=0-1,5-6",
        "bytes=0-,0-,0-,0-",
        "bytes=" + ",".join(["-1"] * 1500),
    ],
)
def test_what_is_no_part_gets_the_whole(shop: Node, path: str, requested: str) -> None:
    headers = f"Host: localhost\r\nRange: {requested}\r\nConnection: close\r\n\r\n".encode()
    answer = raw(shop, f"GET {path} HTTP/1.1\r\n".encode() + headers)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-range" not in head.lower()
    assert b"accept-ranges: bytes" in head.lower()
    assert body == CONTENT


@pytest.mark.parametrize("path", [CLIP, ASSET])
@pytest.mark.parametrize(
    "requested",
    [
        f"bytes={SIZE}-",
        f"bytes={SIZE}-{SIZE + 1}",
        "bytes=" + "9" * 5000 + "-",
        "bytes=-0",
        f"bytes=-0, {SIZE}-",
    ],
)
def test_a_part_that_lies_behind_the_end_is_refused(shop: Node, path: str, requested: str) -> None:
    answer = shop.get(path, {"Range": requested, **PLAIN})
    assert (answer.status_code, answer.json()["error"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"
    assert answer.headers["x-ratchet-node"] == "shop"


def test_an_empty_file_is_sent_whole_and_has_no_parts(shop: Node) -> None:
    path = "/media/empty.webm"
    assert (shop.get(path).status_code, shop.get(path).content) == (200, b"")
    assert shop.get(path, {"Range": "bytes=-5"}).status_code == 200
    # Some clients ask for the first so many bytes of everything.
    assert shop.get(path, {"Range": "bytes=0-99"}).status_code == 200


def test_two_range_headers_are_none(shop: Node) -> None:
    requested = (
        b"Range: bytes=0-1\r\nRange: bytes=2-3\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert raw(shop, f"GET {CLIP} HTTP/1.1\r\n".encode() + requested).startswith(b"HTTP/1.1 200 ")


def test_only_get_has_parts(shop: Node) -> None:
    request = (
        f"HEAD {CLIP} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1\r\nConnection: close\r\n\r\n"
    )
    head = raw(shop, request.encode())
    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"content-length: {SIZE}\r\n".encode() in head.lower()
    assert head.endswith(b"\r\n\r\n")


def test_a_part_of_an_encoded_file_is_one_of_its_encoded_bytes(shop: Node) -> None:
    requested = (
        b"Accept-Encoding: br\r\nRange: bytes=1-3\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    head, _, body = raw(shop, f"GET {ASSET} HTTP/1.1\r\n".encode() + requested).partition(
        b"\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 206 ")
    assert b"content-encoding: br" in head.lower()
    assert body == CONTENT[::-1][1:4]


class TestAClientThatHasSomeOfIt:
    """`If-Range`: the rest if the file is still the same, else the whole."""

    @pytest.mark.parametrize("path", [CLIP, ASSET])
    @pytest.mark.parametrize("named_by", ["etag", "last-modified"])
    def test_gets_the_rest_of_the_same_file(self, shop: Node, path: str, named_by: str) -> None:
        known = shop.get(path, PLAIN).headers[named_by]
        answer = shop.get(path, {"Range": "bytes=9-", "If-Range": known, **PLAIN})
        assert answer.status_code == 206

    @pytest.mark.parametrize("path", [CLIP, ASSET])
    @pytest.mark.parametrize("known", ['"another"', "Sat, 01 Jan 2000 00:00:00 GMT", "nonsense"])
    def test_gets_another_file_whole(self, shop: Node, path: str, known: str) -> None:
        answer = shop.get(path, {"Range": "bytes=9-", "If-Range": known, **PLAIN})
        assert answer.status_code == 200

    def test_a_weak_name_is_not_enough(self, shop: Node) -> None:
        known = f"W/{shop.get(CLIP).headers['etag']}"
        assert shop.get(CLIP, {"Range": "bytes=9-", "If-Range": known}).status_code == 200

    def test_a_name_of_one_encoding_is_not_that_of_another(self, shop: Node) -> None:
        etag = shop.get(ASSET, PLAIN).headers["etag"]
        requested = {"Range": "bytes=9-", "If-Range": etag}
        assert shop.get(ASSET, {**requested, **PLAIN}).status_code == 206
        request = (
            f"Accept-Encoding: br\r\nRange: bytes=9-\r\nIf-Range: {etag}\r\nHost: localhost\r\n"
        )
        answer = raw(shop, f"GET {ASSET} HTTP/1.1\r\n{request}Connection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 200 ")


class TestAClientThatHasAllOfIt:
    """`If-None-Match`, and `If-Modified-Since` where that is missing (13.2.2)."""

    @pytest.mark.parametrize("path", [CLIP, ASSET])
    def test_gets_nothing_again(self, shop: Node, path: str) -> None:
        have = shop.get(path, PLAIN).headers
        for known in (
            {"If-None-Match": have["etag"]},
            {"If-Modified-Since": have["last-modified"]},
            {"If-None-Match": have["etag"], "Range": "bytes=0-1"},
        ):
            answer = shop.get(path, {**known, **PLAIN})
            assert (known, answer.status_code, answer.content) == (known, 304, b"")
            assert answer.headers["etag"] == have["etag"]

    @pytest.mark.parametrize(
        "known",
        [
            {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
            {"If-Modified-Since": "yesterday"},
            {"If-Modified-Since": "Sat, 99 Jan 99999999999999999999 00:00:00 GMT"},
            {"If-None-Match": '"another"', "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
        ],
    )
    def test_gets_another_file(self, shop: Node, known: dict[str, str]) -> None:
        assert shop.get(CLIP, known).status_code == 200
