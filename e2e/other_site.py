"""Another site: a few pages on an origin of their own, which is no part of the cluster."""

import mimetypes
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

# Browsers load scripts and WebAssembly only with these; not every machine's list has them.
_TYPES: Final = {".mjs": "text/javascript", ".wasm": "application/wasm"}


class OtherSite:
    """A site of `pages` (path -> HTML) and `files` (path -> file), which a test may change at any
    time."""

    def __init__(self, port: int) -> None:
        # Browsers take localhost for another site than 127.0.0.1, whatever the port.
        self.origin = f"http://localhost:{port}"
        # Browsers request the icon by themselves, and print an error if there is none.
        self.pages: dict[str, str] = {"/favicon.ico": ""}
        self.files: dict[str, Path] = {}
        # Every page and file is sent with these.
        self.headers: Mapping[str, str] = {}


@contextmanager
def other_site() -> Iterator[OtherSite]:
    """A site that answers until the end of the `with` block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            kind, body = "text/html; charset=utf-8", site.pages.get(path, "").encode()
            if file := site.files.get(path):
                guessed = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                kind, body = _TYPES.get(file.suffix, guessed), file.read_bytes()
            self.send_response(200 if path in site.pages or file else 404)
            for name, value in {"Content-Type": kind, **site.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, *args: object) -> None:
            """Log nothing: a failed test says enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = OtherSite(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
