"""Serves folders of compressed files as a node does, and counts the bytes that it sends."""

import mimetypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

from ratchet_server.http import headers

_TYPES: Final = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}


class Wire(ThreadingHTTPServer):
    """`/` is an empty page. `/<name>/…` are the files of the folder of that name, which browsers
    may keep for ever."""

    daemon_threads = True

    def __init__(self, folders: Mapping[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folders = folders
        self.url: Final = f"http://127.0.0.1:{self.server_address[1]}"
        # The bytes of all bodies, without headers. Set it to 0 to count from then on.
        self.sent = 0


@contextmanager
def serving(folders: Mapping[str, Path]) -> Iterator[Wire]:
    """A `Wire` that serves."""
    with Wire(folders) as wire:
        thread = Thread(target=wire.serve_forever)
        thread.start()
        try:
            yield wire
        finally:
            wire.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Wire
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(200, b"<!doctype html><title>Bench</title>", headers.page(), "text/html")
            return
        name, _, path = self.path[1:].partition("?")[0].partition("/")
        file = self.server.folders.get(name, Path("/nowhere")) / path
        packed = file.with_name(f"{file.name}.br")
        if not file.is_file():
            self._answer(404, b"", {}, "text/plain")
        elif packed.is_file() and "br" in self.headers.get("accept-encoding", ""):
            fields = {**headers.asset(), "Content-Encoding": "br"}
            self._answer(200, packed.read_bytes(), fields, _type(file))
        else:
            self._answer(200, file.read_bytes(), headers.asset(), _type(file))

    def _answer(self, status: int, body: bytes, fields: Mapping[str, str], kind: str) -> None:
        self.send_response(status)
        for name, value in {**fields, "Content-Type": kind, "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)
        self.server.sent += len(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _type(file: Path) -> str:
    known = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]
    return known or "application/octet-stream"
