"""The calls to one node."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from types import TracebackType
from typing import Any, BinaryIO, Final, Literal, Self
from urllib.parse import quote

import msgspec

from ratchet_server.client.connection import CALL_TIMEOUT_S, Connection
from ratchet_server.client.results import (
    Counted,
    CountedMany,
    Days,
    Entry,
    Imported,
    Joined,
    Node,
    Page,
    Snapshot,
    Video,
)

Ack = Literal["memory", "disk", "peers"]
# A function that is told how many bytes have come, for a call that takes long; made from how many
# there will be (0: nobody knows).
Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]

_PAGE: Final = 1000
# A node copies some hundred megabytes a second before it sends the copy.
_COPIED_S: Final = 600
_PART_BYTES: Final = 2**20


def new_key() -> str:
    """A new key for one view."""
    return str(uuid.uuid4())


class Client:
    """Calls one node. Use it in a `with` statement. Each call raises `CallError`.

    `secret`: the secret of nodes and operators, for the calls of operators. `timeout_s`: for each
    step of a call: to connect, to send, to wait for the next part of the response.
    """

    def __init__(
        self, url: str, secret: str | None = None, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> None:
        """Raises `SettingError` when `url` is not http(s)://host:port."""
        self._to = Connection(url, secret, timeout_s)
        self.url = self._to.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._to.close()

    # -- counting ----------------------------------------------------------------------------------

    def count(
        self,
        video: str,
        *,
        key: str | None = None,
        ack: Ack | None = None,
        attempt: int = 1,
    ) -> Counted:
        """Count one view. `ack`: where it is when this returns; None: as the node is set.

        After an error that is `unsure`, the view may be counted. Send it again with the same `key`
        and `attempt=2` (then 3, …), to any node: the nodes ask each other whether they have counted
        it. After any other error this attempt is not counted.
        """
        headers = _attempt(attempt) | ({"Idempotency-Key": key} if key else {})
        path = f"{_path(video)}/views"
        return self._to.post(path, Counted, query=_ack(ack), headers=headers, secret=False)

    def count_many(
        self, entries: Iterable[Entry], *, ack: Ack | None = None, attempt: int = 1
    ) -> CountedMany:
        """Count up to 10,000 entries, or none. For operators. The rule of `count` holds: give each
        entry a key, and send all again with `attempt=2`, to any node."""
        body = {"views": msgspec.to_builtins([*entries])}
        query, headers = _ack(ack), _attempt(attempt)
        return self._to.post("/api/views", CountedMany, body, query=query, headers=headers)

    def bring(
        self,
        name: str,
        rows: Iterable[tuple[str, int]] = (),
        *,
        end: Mapping[str, int] | None = None,
    ) -> Imported:
        """Bring counts of another program, as the import `name`: begin it (without rows, until it
        is `open`), send up to 10,000 rows at a time, end it with how many `videos` and `views` it
        has. For operators."""
        body: dict[str, object] = {"import": name}
        if rows := [*rows]:
            body["rows"] = rows
        if end:
            body["end"] = end
        return self._to.post("/api/cluster/import", Imported, body)

    # -- reading -----------------------------------------------------------------------------------

    def views(self, video: str) -> int:
        """The number of a video, at this node."""
        return self._to.get(_path(video), Video).views

    def snapshot(self, video: str) -> Snapshot:
        """The counter of a video, to be merged with others."""
        return self._to.get(f"{_path(video)}/snapshot", Snapshot)

    def videos(self, ids: Iterable[str]) -> list[Video]:
        """At most 100 videos; those that the node doesn't know are left out."""
        return self._to.get("/api/videos", Page, ids=",".join(ids)).videos

    def top(self, limit: int = 50) -> list[Video]:
        """The most viewed videos, at most 1000."""
        return self._to.get("/api/videos", Page, sort="-views", limit=limit).videos

    def top_today(self, limit: int = 50) -> list[Video]:
        """The most viewed videos of today (UTC), at most 1000. Each has `today`."""
        return self._to.get("/api/videos", Page, sort="-today", limit=limit).videos

    def days(self, video: str) -> dict[date, int]:
        """The views of a video on each day (UTC) that is kept and had some."""
        days = self._to.get(f"{_path(video)}/days", Days).days
        return {one.day: one.views for one in days}

    def pages(self, after: str = "") -> Iterator[list[Video]]:
        """All videos above the id `after`, page by page, in the order of their ids."""
        following: str | None = after
        while following is not None:
            page = self._to.get("/api/videos", Page, limit=_PAGE, after=following or None)
            yield page.videos
            following = page.next

    # -- operating ---------------------------------------------------------------------------------

    def node(self) -> Node:
        """The state of the node."""
        return self._to.get("/api/node", Node)

    def cluster(self) -> dict[str, Any]:
        """How the cluster is, as this node sees it: numbers, states, and words."""
        return self._to.get("/api/cluster", dict[str, Any])

    def retire(self, name: str, *, check: bool = False) -> dict[str, Any]:
        """Retire the node `name`, which won't come back. `check`: only say what it would mean."""
        body = {"node": name} | ({"check": True} if check else {})
        return self._to.post("/api/cluster/retire", dict[str, Any], body)

    def join(self, cluster: str, folded: Mapping[str, int]) -> Joined:
        """Make this node's cluster and the one with this id one. `folded`: what that one has
        folded (`Node.folded`); {} if its base has no views."""
        body = {"cluster": cluster, "folded": dict(folded)}
        return self._to.post("/api/cluster/join", Joined, body)

    def drain(self) -> None:
        """Let the node stop. It may come back."""
        self._to.post("/api/node/drain", dict[str, Any])

    def leave(self) -> None:
        """Let the node stop for good."""
        self._to.post("/api/node/leave", dict[str, Any])

    def backup(
        self, to: BinaryIO, progress: Progress = lambda _: nullcontext(lambda _: None)
    ) -> None:
        """Write what the node has on disk to a file, without pending views. The node may take long
        until it responds. Raises `OSError` of the file, too."""
        with self._to.download("/api/node/backup", timeout_s=_COPIED_S) as response:
            size = int(response.headers.get("Content-Length", 0))
            with progress(size) as came:
                for part in response.iter_bytes(_PART_BYTES):
                    to.write(part)
                    came(len(part))
        to.flush()

    def not_of_this_version(self) -> Exception:
        """The error for a report that lacks a field: every node of this version sends it."""
        return self._to.not_of_this_version()


def _path(video: str) -> str:
    return f"/api/videos/{quote(video, safe='')}"


def _attempt(attempt: int) -> dict[str, str]:
    return {"Ratchet-Attempt": str(attempt)} if attempt > 1 else {}


def _ack(ack: Ack | None) -> dict[str, str] | None:
    return {"ack": ack} if ack else None
