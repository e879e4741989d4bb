"""A liar: it stands before a node like a proxy, and does one thing to views that no node may do."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final, Literal
from uuid import uuid4

from testing.nodes import HOST, HTTP, Node

# double: counts a view twice. early: answers, and loses the view before it is on any disk. forget:
# loses every second response, and the node takes the retry's key for a new one.
Lie = Literal["double", "early", "forget"]

# The key of a view, and which attempt its sender calls it.
Seen = tuple[str, str | None]

_VIEWS: Final = "/views"


@contextmanager
def lying(node: Node, lie: Lie, *, seen: list[Seen] | None = None) -> Iterator[str]:
    """The URL of a liar before `node`. `seen`: each view."""
    posts = 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = HTTP.get(node.url + self.path)
            self._answer(answer.status_code, answer.content)

        def do_POST(self) -> None:
            nonlocal posts
            posts += 1
            if seen is not None:
                seen.append((self.headers["Idempotency-Key"], self.headers["Ratchet-Attempt"]))
            video = self.path.removesuffix(_VIEWS).rpartition("/")[2]
            if lie == "early" and posts % 5 == 0:
                body = f'{{"video": "{video}", "views": 0, "counted": true}}'
                return self._answer(200, body.encode())
            key = self.headers["Idempotency-Key"] if lie == "early" else str(uuid4())
            answer = HTTP.post(node.url + self.path, headers={"Idempotency-Key": key})
            if lie == "double" and posts % 5 == 0:
                HTTP.post(node.url + self.path)
            if lie == "forget" and posts % 2 == 0:
                return None
            return self._answer(answer.status_code, answer.content)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
