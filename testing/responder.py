"""A web server that gives one response to everybody: for tests of those who expect a node there."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from testing.nodes import HOST


@contextmanager
def responding(
    status: int, body: str = "", *, seen: list[tuple[str, str | None]] | None = None, **headers: str
) -> Iterator[str]:
    """The URL of a web server that gives this response to every request. `seen`: the method of each
    request, and its Authorization."""

    class Handler(BaseHTTPRequestHandler):
        # The handshake of a websocket needs it.
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if seen is not None:
                seen.append((self.command, self.headers["Authorization"]))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body.encode())), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
