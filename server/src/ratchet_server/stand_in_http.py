"""What the stand-in balancer understands of HTTP: heads in, heads out, and its own answers.

Strict where a lenient reading would let two programs see two different requests in the same bytes.
"""

from __future__ import annotations

import dataclasses
import json
import re

VIA = "1.1 ratchet-stand-in"

# The same bounds as in haproxy.cfg.in.
HEAD_BYTES = 16 * 1024
BODY_BYTES = 16384

_REQUEST_LINE = re.compile(r"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.([01])")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
# These belong to one connection, or say what only a balancer may say: none is passed on.
_NOT_FORWARDED = re.compile(
    r"connection|keep-alive|proxy-.*|te|trailer|expect|forwarded|x-forwarded-.*"
)


class Refusal(Exception):
    """The stand-in's own answer instead of a node's."""

    def __init__(self, status: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def encode(self) -> bytes:
        body = json.dumps({"error": self.code, "message": str(self)}).encode()
        return own_answer(self.status, body)


@dataclasses.dataclass(frozen=True)
class Request:
    """A request's head, understood as far as a balancer must."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, head: bytes) -> Request:
        lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        first = _REQUEST_LINE.fullmatch(lines[0])
        fields = [_HEADER.fullmatch(line) for line in lines[1:]]
        if first is None or not all(fields):
            raise bad_request("This is not a valid HTTP request.")
        pairs = tuple((field[1].lower(), field[2]) for field in fields if field)
        return cls(first[1], first[2], first[3], pairs)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def query(self, name: str) -> set[str]:
        """All that the query says of `name`, as it stands there."""
        pairs = re.split("[&;]", self.target.partition("?")[2])
        return {value for key, _, value in (pair.partition("=") for pair in pairs) if key == name}

    @property
    def is_read(self) -> bool:
        return self.method in ("GET", "HEAD")

    @property
    def is_upgrade(self) -> bool:
        return self.is_read and (self.header("upgrade") or "").lower() == "websocket"

    def body_bytes(self) -> int:
        """How many bytes of body follow the head. Saying it in two ways is how requests are
        smuggled: refused."""
        lengths = [value for key, value in self.headers if key == "content-length"]
        if self.header("transfer-encoding") is not None:
            message = "The stand-in balancer takes no chunked bodies: send a Content-Length."
            raise Refusal("411 Length Required", "length_required", message)
        if not lengths:
            return 0
        if len(lengths) > 1 or re.fullmatch("[0-9]{1,18}", lengths[0]) is None:
            raise bad_request("This Content-Length is not valid.")
        if int(lengths[0]) > BODY_BYTES:
            message = f"No request has a body of more than {BODY_BYTES} bytes."
            raise Refusal("413 Payload Too Large", "too_large", message)
        return int(lengths[0])

    def encode(self, client_host: str) -> bytes:
        """The head for a node: one request on its connection, and who really asks."""
        kept = [pair for pair in self.headers if _NOT_FORWARDED.fullmatch(pair[0]) is None]
        kept.append(("connection", "upgrade" if self.is_upgrade else "close"))
        kept.append(("x-forwarded-for", client_host))
        kept.append(("via", VIA))
        lines = [f"{self.method} {self.target} HTTP/1.{self.version}"]
        lines += [f"{key}: {value}" for key, value in kept]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def status(head: bytes) -> int:
    """The status of a node's answer; 0 if this is none."""
    match = _STATUS_LINE.match(head)
    return int(match[1]) if match else 0


def answer_head(head: bytes, *, switched: bool) -> bytes:
    """A node's head as the client gets it: marked, and closing unless it is a websocket now."""
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if not switched:
        own = (b"connection", b"keep-alive")
        lines = [line for line in lines if line.split(b":")[0].lower() not in own]
        lines.append(b"Connection: close")
    lines.append(b"Via: " + VIA.encode())
    return b"\r\n".join(lines) + b"\r\n\r\n"


def own_answer(status_line: str, body: bytes) -> bytes:
    lines = [
        f"HTTP/1.1 {status_line}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        f"Via: {VIA}",
        "Connection: close",
    ]
    if status_line.startswith("503"):
        lines.append("Retry-After: 1")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def bad_request(message: str) -> Refusal:
    return Refusal("400 Bad Request", "bad_request", message)


def unavailable(why: str) -> Refusal:
    """Said only of a request that no node has been given, or that one has refused with 503."""
    message = f"{why} Nothing was counted. Try again in a second."
    return Refusal("503 Service Unavailable", "unavailable", message)


def unsure(status_line: str, code: str, what: str) -> Refusal:
    """Said of a request whose fate only the node knows."""
    message = f"The node {what}. Send the request again; a view with the same Idempotency-Key."
    return Refusal(status_line, code, message)
