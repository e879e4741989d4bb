"""A node counts the videos in the operator's list, and reads the list again when it has changed."""

import asyncio
import json
import logging
import os
import random
import resource
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest
from ratchet_server.http import listed
from ratchet_server.http.listed import Listed, Text
from ratchet_server.settings import SettingError

from testing.nodes import Node, wait_until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A list with the videos `moss` and `tide`."""
    file = tmp_path / "videos.txt"
    file.write_text("tide\nmoss\n")
    return file


def ids(of: Listed) -> list[str]:
    return [*of.above("")]


class TestAList:
    def test_has_one_id_a_line(self, file: Path) -> None:
        file.write_text("\N{BYTE ORDER MARK}# Our videos\r\ntide\r\n\r\n  moss  \r\ntide", "utf-8")
        found = Listed(file)
        assert ids(found) == ["moss", "tide"]
        assert len(found) == 2
        assert "moss" in found
        assert "fern" not in found
        assert [*found.above("moss")] == ["tide"]
        assert found.text("tide") is None

    def test_may_be_json_with_titles(self, file: Path) -> None:
        tide = {"video": "tide", "title": "The tide", "later": [1, 12.5]}
        file.write_text(json.dumps(["moss", tide, {"video": "fern", "description": "Green."}]))
        found = Listed(file)
        assert ids(found) == ["fern", "moss", "tide"]
        texts = [found.text(video) for video in ids(found)]
        assert texts == [Text("fern", "Green."), None, Text("The tide", "")]

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("tide\nmoss.mp4", "line 2: a video id is 1 to 64 of A-Z a-z 0-9 _ -, not 'moss.mp4'"),
            ("tide\n\n" + "x" * 65, "line 3: a video id"),
            ('["tide", 7]', "entry 2: a video id"),
            ('[{"title": "The tide"}]', "entry 1: a video id"),
            ('[{"video": "tide", "title": 7}]', "entry 1: a title and a description are texts"),
            (r'[{"video": "tide", "title": "\ud800"}]', "a title and a description are texts"),
            ('{"tide": "The tide"}', "a list of videos is a JSON array"),
            ('["tide" "moss"]', "not JSON: "),
            ('["tide"', "not JSON: "),
            ("[" * 100_000, "not JSON: "),
            (b"tide\n\xff", "is no UTF-8 text"),
        ],
    )  # fmt: skip
    def test_with_a_mistake_is_refused_and_the_mistake_is_named(
        self, file: Path, text: str | bytes, why: str
    ) -> None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(SettingError) as error:
            Listed(file)
        assert why in str(error.value)
        assert str(file) in str(error.value)

    def test_that_is_not_there_or_too_large_is_refused(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(SettingError, match="No such file"):
            Listed(file.with_name("other"))
        monkeypatch.setattr(listed, "MAX_BYTES", 9)
        with pytest.raises(SettingError, match="more than 9 bytes"):
            Listed(file)

    def test_may_not_be_a_pipe(self, tmp_path: Path) -> None:
        """A node that reads one waits for as long as its writer likes, and can't stop."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: pipe.open("wb").close())
        writer.start()
        try:
            with pytest.raises(SettingError, match="is not a file"):
                Listed(pipe)
        finally:
            reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
            writer.join()
            os.close(reader)

    def test_that_is_large_does_not_hold_up_the_node(self, file: Path) -> None:
        chance = random.Random(7)
        many = [f"{chance.getrandbits(64):016x}" for _ in range(300_000)]
        found = Listed(file)
        file.write_text("\n".join(many))

        async def longest() -> float:
            """The longest time of this process's own between two steps of the loop, as a part of
            all."""
            start = last = time.process_time()
            longest = 0.0
            reading = asyncio.ensure_future(asyncio.to_thread(found.look, ordered=True))
            while not reading.done():
                # No wait for anything: the loop's other work, which the reading must not hold up.
                await asyncio.sleep(0.001)
                now = time.process_time()
                longest, last = max(longest, now - last), now
            return longest / (last - start)

        assert asyncio.run(longest()) < 0.2
        assert ids(found) == sorted({*many})


class TestAChangedList:
    def test_counts_once_two_looks_have_seen_it_unchanged(self, file: Path) -> None:
        found = Listed(file)
        with file.open("w") as writing:
            for part in ("fern\n", "reef\n"):
                writing.write(part)
                writing.flush()
                found.look(ordered=False)
                assert ids(found) == ["moss", "tide"]
        found.look(ordered=False)
        assert ids(found) == ["fern", "reef"]

    def test_counts_at_once_if_an_operator_says_so(self, file: Path) -> None:
        found = Listed(file)
        file.write_text("fern")
        found.look(ordered=True)
        assert ids(found) == ["fern"]

    @pytest.mark.parametrize("text", ["fern\nno id", "", None])
    def test_with_a_mistake_changes_nothing_and_is_logged_once(
        self, file: Path, text: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        found = Listed(file)
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        for _ in range(4):
            found.look(ordered=False)
        assert ids(found) == ["moss", "tide"]
        warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
        assert len(warnings) == 1
        assert "the list of videos stays as it is" in warnings[0].message

        file.write_text("fern\n")
        for _ in range(2):
            found.look(ordered=False)
        assert ids(found) == ["fern"]

    def test_is_read_once_it_can_be_read(
        self, file: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An operator who mends its rights does not change the file."""
        found = Listed(file)
        file.write_text("fern")
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        # This process can open nothing more.
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            for _ in range(3):
                found.look(ordered=False)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert ids(found) == ["moss", "tide"]
        assert "Too many open files" in caplog.text
        found.look(ordered=False)
        assert ids(found) == ["fern"]

    def test_may_be_empty_if_an_operator_says_so(self, file: Path) -> None:
        found = Listed(file)
        file.write_text("")
        found.look(ordered=True)
        assert ids(found) == []


def test_a_node_counts_and_lists_what_is_in_its_list(tmp_path: Path) -> None:
    file, media = tmp_path / "videos.json", tmp_path / "media"
    file.write_text('[{"video": "tide", "title": "The tide"}, "moss"]')
    media.mkdir()
    (media / "dunes.webm").write_bytes(b"clip")
    flags = ["--videos", str(file), "--media", str(media)]
    with Node("a", tmp_path, flags=flags) as node:
        node.start()
        assert [node.view(video) for video in ("tide", "dunes", "tide")] == [1, 1, 2]
        refused = node.post("/api/videos/fern/views")
        assert (refused.status_code, refused.json()["error"]) == (404, "unknown_video")
        assert "--videos" in refused.json()["message"]
        dunes = {"video": "dunes", "views": 1, "title": "dunes", "description": ""}
        moss = {"video": "moss", "views": 0}
        tide = {"video": "tide", "views": 2, "title": "The tide", "description": ""}
        assert node.get("/api/videos").json() == {"videos": [dunes, moss, tide], "next": None}
        assert node.get("/api/videos?limit=1").json() == {"videos": [dunes], "next": "dunes"}
        file.write_text('["fern"]')
        os.kill(node.pid, signal.SIGHUP)
        wait_until(lambda: node.post("/api/videos/fern/views").status_code == 200, "fern counts")
        assert node.post("/api/videos/moss/views").status_code == 404


class TestSeveralIds:
    def test_are_answered_in_one_call(self, http: httpx.Client) -> None:
        for video in ("ids-1", "ids-1", "ids-2"):
            http.post(f"/api/videos/{video}/views")
        answer = http.get("/api/videos?ids=ids-2,ids-3,ids-1&ids=ids-1")
        assert answer.json() == {
            "videos": [
                {"video": "ids-2", "views": 1},
                {"video": "ids-3", "views": 0},
                {"video": "ids-1", "views": 2},
            ]
        }

    def test_may_have_escapes(self, http: httpx.Client) -> None:
        """A client may escape them before it escapes the whole query."""
        http.post("/api/videos/ids-4/views")
        answer = http.get("/api/videos?ids=ids%252D4,ids%2D4,ids-4")
        assert answer.json() == {"videos": [{"video": "ids-4", "views": 1}]}

    def test_may_be_unknown_here(self, tmp_path: Path) -> None:
        (tmp_path / "videos").write_text("moss")
        flags = ["--videos", str(tmp_path / "videos")]
        with Node("a", tmp_path, data=":memory:", flags=flags) as node:
            node.start()
            found = node.get("/api/videos?ids=fern,moss").json()["videos"]
            assert found == [{"video": "moss", "views": 0}]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("ids=", "bad_video"),
            ("ids=tide,", "bad_video"),
            ("ids=tide,no id", "bad_video"),
            ("ids=tide&limit=5", "bad_ids"),
            ("ids=tide&after=moss", "bad_ids"),
            ("ids=tide&sort=-views", "bad_ids"),
            ("ids=" + ",".join(f"x{n}" for n in range(101)), "bad_ids"),
        ],
    )
    def test_that_are_none_are_refused(self, http: httpx.Client, query: str, code: str) -> None:
        answer = http.get(f"/api/videos?{query}")
        assert (answer.status_code, answer.json()["error"]) == (400, code)
