"""Every call of the public contract responds exactly as the contract says."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from testing.nodes import HOST, Node, wait_until
from testing.wire import dial, events, how_it_closed, key, numbers_until, receive


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with a catalogue, and without --open."""
    folder = tmp_path_factory.mktemp("shop")
    media = folder / "media"
    media.mkdir()
    (media / "tide.webm").write_bytes(bytes(range(256)) * 4)
    (media / "tide.webp").write_bytes(b"poster")
    (media / "tide-2.webm").write_bytes(b"clip")
    (media / "dunes.webm").write_bytes(b"clip")
    (media / "no id.webm").write_bytes(b"clip")
    (media / "catalogue.toml").write_text('[tide]\ntitle = "The tide"\ndescription = "Rises."\n')
    with Node("shop", folder, flags=["--media", str(media)]) as node:
        yield node.start()


class TestAnOpenNode:
    def test_counts_so_many_videos_and_no_more(self, tmp_path: Path) -> None:
        with Node("a", tmp_path, environ={"RATCHET_MAX_VIDEOS": "2"}) as node:
            node.start()
            assert [node.view(video) for video in ("x", "y", "x")] == [1, 1, 2]
            for _ in range(2):
                answer = node.post("/api/videos/z/views")
                assert (answer.status_code, answer.json()["error"]) == (507, "too_many_videos")
                assert "RATCHET_MAX_VIDEOS" in answer.json()["message"]
            assert node.views("z") == 0
            assert node.view("y") == 2
            # It knows all after a restart, too.
            node.restart()
            assert node.post("/api/videos/z/views").status_code == 507
            assert node.view("x") == 3


class TestCounting:
    def test_a_view_is_counted_and_its_response_has_the_number(self, http: httpx.Client) -> None:
        first = http.post("/api/videos/count-1/views")
        assert first.status_code == 200
        assert first.json() == {"video": "count-1", "views": 1, "counted": True}
        assert http.post("/api/videos/count-1/views").json()["views"] == 2
        assert http.get("/api/videos/count-1").json() == {"video": "count-1", "views": 2}

    def test_a_key_counts_once(self, http: httpx.Client) -> None:
        headers = {"Idempotency-Key": key()}
        answers = [http.post("/api/videos/key-1/views", headers=headers).json() for _ in range(3)]
        assert answers == [
            {"video": "key-1", "views": 1, "counted": counted} for counted in (True, False, False)
        ]

    def test_a_key_counts_once_in_either_case(self, http: httpx.Client) -> None:
        one = key()
        for spelling, counted in ((one, True), (one.upper(), False)):
            headers = {"Idempotency-Key": spelling}
            answer = http.post("/api/videos/key-2/views", headers=headers).json()
            assert answer["counted"] is counted

    def test_a_key_may_stand_in_quotes(self, http: httpx.Client) -> None:
        one = key()
        for spelling, counted in ((f'"{one}"', True), (one, False)):
            headers = {"Idempotency-Key": spelling}
            answer = http.post("/api/videos/key-5/views", headers=headers).json()
            assert answer["counted"] is counted

    def test_an_id_may_be_escaped(self, http: httpx.Client) -> None:
        answer = http.post("/api/videos/esc%61pe%2d1/views").json()
        assert answer == {"video": "escape-1", "views": 1, "counted": True}
        for rest in ("", "/snapshot"):
            assert http.get(f"/api/videos/%65scape-1{rest}").json()["video"] == "escape-1"

    def test_the_cookies_of_other_apps_do_no_harm(self, http: httpx.Client) -> None:
        headers = {"Cookie": "; ".join(f"app{n}={'x' * 1000}" for n in range(14))}
        assert http.post("/api/videos/cookie-1/views", headers=headers).json()["counted"]
        too_many = {"Cookie": "x" * 20_000}
        assert http.post("/api/videos/cookie-1/views", headers=too_many).status_code == 413

    def test_a_key_for_another_video_is_refused(self, http: httpx.Client) -> None:
        headers = {"Idempotency-Key": key()}
        http.post("/api/videos/key-3/views", headers=headers)
        answer = http.post("/api/videos/key-4/views", headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (422, "key_reused")
        assert http.get("/api/videos/key-4").json()["views"] == 0

    def test_ack_memory_counts_and_remembers_keys_too(self, http: httpx.Client) -> None:
        headers = {"Idempotency-Key": key()}
        for path, sent, views, counted in (
            ("?ack=memory", {}, 1, True),
            ("?ack=memory", headers, 2, True),
            ("?ack=memory", headers, 2, False),
            ("?ack=disk", {}, 3, True),
        ):
            answer = http.post(f"/api/videos/memory-1/views{path}", headers=sent).json()
            assert answer == {"video": "memory-1", "views": views, "counted": counted}

    def test_numbers_after_ack_memory_never_fall(self, http: httpx.Client) -> None:
        seen = []
        for _ in range(200):
            seen.append(http.post("/api/videos/memory-2/views?ack=memory").json()["views"])
            # A read right after the view does not fall either.
            seen.append(http.get("/api/videos/memory-2").json()["views"])
        assert seen == sorted([*range(1, 201)] * 2)

    def test_ack_peers_without_a_peer_is_refused_and_counts_nothing(
        self, http: httpx.Client
    ) -> None:
        answer = http.post("/api/videos/peers-1/views?ack=peers")
        assert (answer.status_code, answer.json()["error"]) == (503, "no_peer")
        assert int(answer.headers["retry-after"]) >= 1
        assert http.get("/api/videos/peers-1").json()["views"] == 0


class TestReading:
    def test_a_video_that_nobody_viewed_reads_0(self, http: httpx.Client) -> None:
        assert http.get("/api/videos/never").json() == {"video": "never", "views": 0}

    def test_a_snapshot_has_exactly_four_fields(self, http: httpx.Client, node: Node) -> None:
        http.post("/api/videos/snap-1/views")
        answer = http.get("/api/videos/snap-1/snapshot")
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json() == {
            "video": "snap-1", "base": 0, "slots": {node.slot: 1}, "folded": {}
        }  # fmt: skip

    def test_the_list_goes_page_by_page_in_order(self, http: httpx.Client) -> None:
        videos = [f"zz-page-{n}" for n in (1, 2, 3)]
        for video in reversed(videos):
            http.post(f"/api/videos/{video}/views")
        seen, after = [], "zz-page-"
        for _ in videos:
            page = http.get("/api/videos", params={"limit": 1, "after": after}).json()
            assert set(page) == {"videos", "next"}
            seen += page["videos"]
            after = page["next"]
        assert seen == [{"video": video, "views": 1} for video in videos]
        assert after is None

    def test_the_last_full_page_says_that_it_is_the_last(self, http: httpx.Client) -> None:
        http.post("/api/videos/zzz-last/views")
        page = http.get("/api/videos", params={"limit": 1, "after": "zzz-lass"}).json()
        assert page == {"videos": [{"video": "zzz-last", "views": 1}], "next": None}

    def test_events_bring_the_snapshot_at_once_and_after_changes(self, node: Node) -> None:
        with events(node, "/api/videos/events-1/events") as messages:
            assert next(messages) == {"video": "events-1", "base": 0, "slots": {}, "folded": {}}
            node.view("events-1")
            assert next(messages)["slots"] == {node.slot: 1}

    def test_a_websocket_brings_the_snapshot_at_once_and_after_changes(self, node: Node) -> None:
        with dial(node, "/api/videos/live-1/live") as live:
            assert receive(live) == {"video": "live-1", "base": 0, "slots": {}, "folded": {}}
            node.view("live-1")
            assert receive(live)["slots"] == {node.slot: 1}

    def test_with_node_adds_the_nodes_name(self, node: Node) -> None:
        with dial(node, "/api/videos/live-2/live?with=node") as live:
            assert receive(live)["node"] == "a"
        with events(node, "/api/videos/live-2/events?with=node") as messages:
            assert next(messages)["node"] == "a"

    def test_one_event_stream_brings_several_videos(self, node: Node) -> None:
        with events(node, "/api/videos/many-1/events?also=many-2&also=many-3") as messages:
            assert {next(messages)["video"] for _ in range(3)} == {"many-1", "many-2", "many-3"}
            for video in ("many-3", "many-1", "many-2"):
                node.view(video)
                message = next(messages)
                assert (message["video"], message["slots"]) == (video, {node.slot: 1})

    def test_one_websocket_brings_several_videos(self, node: Node) -> None:
        with dial(node, "/api/videos/many-4/live?also=many-5&with=node&also=many-4") as live:
            assert {receive(live)["video"] for _ in range(2)} == {"many-4", "many-5"}
            for video in ("many-5", "many-4"):
                node.view(video)
                message = receive(live)
                assert (message["video"], message["slots"]) == (video, {node.slot: 1})
                assert message["node"] == "a"

    @pytest.mark.parametrize("resource", ["live", "events"])
    @pytest.mark.parametrize("video", ["%20", "v" * 65], ids=["blank", "long"])
    def test_only_videos_may_be_watched_also(
        self, http: httpx.Client, resource: str, video: str
    ) -> None:
        answer = http.get(f"/api/videos/x/{resource}?also={video}")
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_video")

    @pytest.mark.parametrize("resource", ["live", "events"])
    def test_a_hundred_videos_may_be_watched_at_once_and_no_more(
        self, node: Node, http: httpx.Client, resource: str
    ) -> None:
        most = "&".join(f"also=most-{n}" for n in range(99))
        answer = http.get(f"/api/videos/x/{resource}?{most}&also=one-more")
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_also")
        if resource == "live":
            with dial(node, f"/api/videos/x/live?{most}") as live:
                assert len({receive(live)["video"] for _ in range(100)}) == 100

    def test_many_changes_are_sent_in_few_messages(self, node: Node, http: httpx.Client) -> None:
        with dial(node, "/api/videos/live-3/live") as live:
            receive(live)
            for _ in range(200):
                http.post("/api/videos/live-3/views?ack=memory")
            numbers = numbers_until(live, 200)
        assert numbers == sorted(numbers)
        assert len(numbers) < 100

    @pytest.mark.parametrize("message", ["hello", b"hello", ""])
    def test_messages_of_a_watcher_are_refused(self, node: Node, message: str | bytes) -> None:
        with dial(node, "/api/videos/live-4/live") as live:
            receive(live)
            live.send(message)
            closed = how_it_closed(live)
        assert closed.code == 1008
        assert "accepts no messages" in closed.reason


class TestTheNode:
    def test_its_state_has_the_contracts_fields(self, tmp_path: Path) -> None:
        # A new node: after certain events, the state has more fields.
        with Node("a", tmp_path, data=":memory:") as node:
            node.start()
            wait_until(lambda: node.slot, "the node has opened its slot")
            state, slot = node.get("/api/node").json(), node.slot
        assert set(state) == {
            "node", "generation", "ready", "draining", "peers", "known", "closed", "folded",
            "digest", "cluster",
        }  # fmt: skip
        assert state["node"] == "a"
        assert f"a@{state['generation']}" == slot
        assert (state["ready"], state["draining"], state["peers"]) == (True, False, [])
        assert state["known"]["a"] == state["generation"]
        assert state["closed"]["a"] == state["generation"] - 1
        assert state["folded"] == {}

    def test_its_digest_changes_exactly_with_its_counts(self, http: httpx.Client) -> None:
        before = http.get("/api/node").json()["digest"]
        assert http.get("/api/node").json()["digest"] == before
        http.post("/api/videos/digest-1/views")
        assert http.get("/api/node").json()["digest"] != before

    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    def test_it_is_alive_and_ready(self, http: httpx.Client, path: str) -> None:
        assert http.get(path).status_code == 200

    def test_its_metrics_are_prometheus_text(self, http: httpx.Client) -> None:
        answer = http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert "\nratchet_views_total " in answer.text

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/api/videos"),
            ("GET", "/api/videos/x"),
            ("POST", "/api/videos/x/views?ack=none"),
            ("GET", "/api/videos/x/snapshot"),
            ("GET", "/api/node"),
            ("GET", "/healthz"),
            ("GET", "/readyz"),
            ("GET", "/metrics"),
            ("GET", "/"),
            ("GET", "/peer"),
            ("GET", "/no/such/path"),
            ("DELETE", "/api/node"),
            ("POST", "/api/cluster/retire"),
        ],
    )
    def test_every_response_but_that_to_a_counted_view_names_its_node(
        self, http: httpx.Client, method: str, path: str
    ) -> None:
        assert http.request(method, path).headers["x-ratchet-node"] == "a"


class TestTheCatalogue:
    def test_its_videos_are_listed_with_their_titles(self, shop: Node) -> None:
        assert shop.get("/api/videos").json() == {
            "videos": [
                {"video": "dunes", "views": 0, "title": "dunes", "description": ""},
                {"video": "tide", "views": 0, "title": "The tide", "description": "Rises."},
                {"video": "tide-2", "views": 0, "title": "tide-2", "description": ""},
            ],
            "next": None,
        }

    def test_reading_it_page_by_page_skips_no_video(self, shop: Node) -> None:
        """The file `tide-2.webm` sorts before `tide.webm`, but the id `tide` before `tide-2`."""
        listed: list[str] = []
        while len(listed) < 10:
            after = f"&after={listed[-1]}" if listed else ""
            page = shop.get(f"/api/videos?limit=1{after}").json()
            listed += [entry["video"] for entry in page["videos"]]
            if page["next"] is None:
                break
        assert listed == ["dunes", "tide", "tide-2"]

    @pytest.mark.parametrize("path", ["", "/snapshot", "/events", "/live"])
    def test_other_videos_are_not_found(self, shop: Node, path: str) -> None:
        answer = shop.get(f"/api/videos/other{path}")
        assert (answer.status_code, answer.json()["error"]) == (404, "unknown_video")

    def test_a_stream_of_several_leaves_other_videos_out(self, shop: Node) -> None:
        with events(shop, "/api/videos/tide/events?also=other&also=dunes") as messages:
            assert {next(messages)["video"] for _ in range(2)} == {"tide", "dunes"}

    def test_other_videos_are_not_counted(self, shop: Node) -> None:
        answer = shop.post("/api/videos/other/views")
        assert (answer.status_code, answer.json()["error"]) == (404, "unknown_video")

    def test_its_clips_are_served_with_byte_ranges(self, shop: Node) -> None:
        clip = bytes(range(256)) * 4
        whole = shop.get("/media/tide.webm")
        assert (whole.content, whole.headers["content-type"]) == (clip, "video/webm")
        part = shop.get("/media/tide.webm", {"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, clip[100:200])
        assert part.headers["content-range"] == "bytes 100-199/1024"
        assert shop.get("/media/tide.webp").content == b"poster"
        assert shop.get("/media/tide.webm", {"Range": "bytes=5000-"}).status_code == 416

    @pytest.mark.parametrize(
        "path", ["/media/dunes.webp", "/media/catalogue.toml", "/media/../shop.log", "/media/"]
    )
    def test_no_other_file_of_its_folder_is_served(self, shop: Node, path: str) -> None:
        assert shop.get(path).status_code == 404


class TestCatchingUp:
    """A node whose peer accepts the connection and sends nothing."""

    @pytest.fixture
    def late(self, tmp_path: Path) -> Iterator[Node]:
        with socket.create_server((HOST, 0)) as silent:
            peer = f"http://{HOST}:{silent.getsockname()[1]}"
            environ = {"RATCHET_JOIN_TIMEOUT": "4"}
            with Node("late", tmp_path, peers=[peer], environ=environ) as node:
                node.spawn()

                def answers() -> bool:
                    try:
                        return node.get("/healthz").status_code == 200
                    except httpx.TransportError:
                        return False

                wait_until(answers, "the node responds")
                yield node

    def test_reads_are_refused_views_are_counted_and_then_reads_are_served(
        self, late: Node
    ) -> None:
        # One test for all three, because they happen in this order, within a few seconds.
        for path in ("/readyz", "/api/videos", "/api/videos/x", "/api/videos/x/snapshot",
                     "/api/videos/x/events", "/api/videos/x/views.svg", "/"):  # fmt: skip
            answer = late.get(path)
            assert (path, answer.status_code) == (path, 503)
            assert answer.json()["error"] == "not_ready"
            assert int(answer.headers["retry-after"]) >= 1
        with pytest.raises(InvalidStatus) as refused, dial(late, "/api/videos/x/live"):
            pass
        assert refused.value.response.status_code == 503
        assert "retry-after" in refused.value.response.headers
        assert json.loads(refused.value.response.body or b"")["error"] == "not_ready"
        assert late.get("/api/node").json()["ready"] is False

        assert late.view("x") == 1
        assert late.get("/readyz").status_code == 503

        late.wait_for_log("ready: ")
        assert "not caught up with all peers after 4 s" in late.log
        assert late.views("x") == 1
        assert late.get("/readyz").status_code == 200


def test_a_key_is_forgotten_after_its_lifetime(tmp_path: Path) -> None:
    with Node("a", tmp_path, environ={"RATCHET_KEY_LIFETIME": "3"}) as node:
        node.start()
        headers = {"Idempotency-Key": key()}

        def counted() -> object:
            return node.post("/api/videos/x/views", headers).json()["counted"]

        assert counted() is True
        assert counted() is False
        wait_until(counted, "the key is forgotten")
        assert node.views("x") == 2
