"""`python -m testing.consul PORT`: a stand-in for an agent of Consul, for machines without one.

It has the five calls that Ratchet makes. It keeps nothing on the disk. An instance stops passing
when its time to live has ended, and it is removed a minute later.
"""

import json
import re
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from testing.nodes import HOST

_REMOVED_S: Final = 60.0
_TICK_S: Final = 0.05


@dataclass
class Instance:
    """An instance of a service, and when its check ends."""

    service: dict[str, Any]
    ttl_s: float
    until: float
    passes: bool = True


class Agent:
    """The instances, and the index, which rises with each change."""

    def __init__(self) -> None:
        self._instances: dict[str, Instance] = {}
        self._index = 1
        self._changed = threading.Condition()

    def register(self, body: dict[str, Any]) -> bool:
        """Add an instance, or replace it."""
        ttl_s = float(body["Check"]["TTL"].removesuffix("s")) if "Check" in body else 1e9
        name = body.get("ID", body["Name"])
        service = {key: body.get(key) for key in ("Address", "Port", "Meta")}
        service |= {"ID": name, "Service": body["Name"]}
        with self._changed:
            until = time.monotonic() + ttl_s
            self._instances[name] = Instance(service, ttl_s, until)
            self._change()
        return True

    def renew(self, name: str) -> bool:
        """Let its check pass. False if there is no such instance."""
        with self._changed:
            if instance := self._instances.get(name):
                instance.until = time.monotonic() + instance.ttl_s
                if not instance.passes:
                    instance.passes = True
                    self._change()
            return instance is not None

    def remove(self, name: str) -> bool:
        """Remove it. False if there is no such instance."""
        with self._changed:
            found = self._instances.pop(name, None)
            self._change()
            return found is not None

    def passing(self, service: str, index: int, wait_s: float) -> tuple[int, list[dict[str, Any]]]:
        """The instances that pass, at once or as soon as the index is above `index`."""
        with self._changed:
            self._changed.wait_for(lambda: self._index > index, wait_s if index else 0)
            all_ = self._instances.values()
            found = [it for it in all_ if it.passes and it.service["Service"] == service]
            return self._index, [{"Service": it.service} for it in found]

    def tick(self) -> None:
        """Let time pass."""
        with self._changed:
            for name, it in [*self._instances.items()]:
                late_s = time.monotonic() - it.until
                if it.passes and late_s > 0:
                    it.passes = False
                    self._change()
                elif late_s > _REMOVED_S:
                    del self._instances[name]
                    self._change()

    def _change(self) -> None:
        self._index += 1
        self._changed.notify_all()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    agent = Agent()

    def do_GET(self) -> None:  # the library's name
        """A look."""
        at = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(at.query).items()}
        service = at.path.removeprefix("/v1/health/service/")
        wait_s = float(asked.get("wait", "0s").removesuffix("s"))
        index, found = self.agent.passing(service, int(asked.get("index", 0)), wait_s)
        self._answer(200, found, {"X-Consul-Index": str(index)})

    def do_PUT(self) -> None:  # the library's name
        """A change."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path.removeprefix("/v1/agent/")
        if path == "service/register":
            found = self.agent.register(json.loads(body))
        elif match := re.fullmatch("check/pass/service:(.*)", path):
            found = self.agent.renew(match[1])
        else:
            found = self.agent.remove(path.removeprefix("service/deregister/"))
        self._answer(200 if found else 404, "" if found else "Unknown check ID", {})

    def log_message(self, *_words: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: object, headers: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def main(port: int) -> None:
    """Serve until the process ends."""
    server = ThreadingHTTPServer((HOST, port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        time.sleep(_TICK_S)
        Handler.agent.tick()


if __name__ == "__main__":
    main(int(sys.argv[1]))
