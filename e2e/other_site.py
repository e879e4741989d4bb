"""Another site: a few pages on an origin of their own, which is no part of the cluster."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class OtherSite:
    """A site of `pages` (path -> HTML), which a test may change at any time."""

    def __init__(self, port: int) -> None:
        # Browsers take localhost for another site than 127.0.0.1, whatever the port.
        self.origin = f"http://localhost:{port}"
        # Browsers request the icon by themselves, and print an error if there is none.
        self.pages: dict[str, str] = {"/favicon.ico": ""}
        # Every page is sent with these.
        self.headers: Mapping[str, str] = {}


@contextmanager
def other_site() -> Iterator[OtherSite]:
    """A site that answers until the end of the `with` block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = site.pages.get(self.path.partition("?")[0])
            body = (page or "").encode()
            self.send_response(404 if page is None else 200)
            for name, value in {"Content-Type": "text/html; charset=utf-8", **site.headers}.items():
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
