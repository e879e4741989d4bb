"""The envelope: the signed form in which messages travel on a bus.

Whoever may use a broker could publish to all nodes. So a node takes only messages that are signed
with the cluster's secret (HMAC, RFC 2104, with SHA-256). The broker reads along: the counts are
public.

One envelope is one line of ASCII, with a payload after it:

    r1 CLUSTER MAC KIND FROM TO STAMP ECHO PART/PARTS\\n PAYLOAD

    CLUSTER   the name of the cluster on this bus
    MAC       32 hex digits, over all the rest
    KIND      one letter, see `Kind`
    FROM, TO  ids of processes; TO is - for all
    STAMP     microseconds since the sender began; each message has a higher one than the last
    ECHO      a stamp of the receiver, to which this message answers; - if it answers none
    PART      from 1 to PARTS: see `parts`
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from ratchet_server.peering.bus.port import LARGEST

# The head's longest form.
HEAD: Final = 256
# How many parts one message may have: 8 MB in the smallest pieces.
MOST_PARTS: Final = 8192
_VERSION: Final = b"r1"
_MAC: Final = 32
_HEAD: Final = re.compile(
    rb"r1 (?P<cluster>[\w-]{1,63}) (?P<mac>[0-9a-f]{32}) "
    rb"(?P<rest>(?P<kind>[bhwfg]) (?P<sender>[0-9a-f]{16}) (?P<to>[0-9a-f]{16}|-) "
    rb"(?P<stamp>[0-9]{1,18}) (?P<echo>[0-9]{1,18}|-) (?P<part>[0-9]{1,4})/(?P<parts>[0-9]{1,4})\n)"
)


class Kind(Enum):
    """What a message is for. The payload is a frame's text, or empty."""

    # To all: I am here. To itself: do I hear what is for me alone? Empty.
    BEAT = "b"
    # To one: I have heard you, and don't know you. Empty.
    HAIL = "h"
    # To one: the answer to a hail. The payload is my hello.
    WELCOME = "w"
    # Frames of the replica: one, or several pushes (see `gathering`).
    FRAME = "f"
    # To all: I go. Empty.
    GOODBYE = "g"


class Unsigned(Exception):
    """A message is not signed with a secret of this cluster, or is none of ours."""


class Foreign(Exception):
    """A message is of another cluster on the same bus."""


class Envelope(NamedTuple):
    """A message, or one part of it."""

    kind: Kind
    sender: str
    to: str | None
    stamp: int
    echo: int | None
    part: int
    parts: int
    payload: bytes


class Seal:
    """Signs and checks the messages of one cluster."""

    def __init__(self, cluster: str, secrets: Sequence[str]) -> None:
        """`secrets`: the first one signs; a message that any of them has signed is good. Without a
        secret the signature finds damage alone."""
        self._cluster = cluster.encode()
        self._keys = [_key(secret) for secret in secrets or ("",)]

    def close(self, envelope: Envelope) -> bytes:
        """The signed form."""
        to, echo = envelope.to or "-", "-" if envelope.echo is None else envelope.echo
        head = (
            f"{envelope.kind.value} {envelope.sender} {to} {envelope.stamp} {echo} "
            f"{envelope.part}/{envelope.parts}\n"
        ).encode()
        mac = _mac(self._keys[0], self._cluster, head, envelope.payload)
        return b"%s %s %s %s%s" % (_VERSION, self._cluster, mac, head, envelope.payload)

    def open(self, message: bytes) -> Envelope:
        """The envelope in `message`. Raises `Foreign` or `Unsigned`."""
        # A bus may take much larger messages from others. Don't read them.
        match = _HEAD.match(message, 0, HEAD) if len(message) <= LARGEST else None
        if match is None:
            raise Unsigned
        if match["cluster"] != self._cluster:
            raise Foreign
        payload = message[match.end() :]
        fits = [
            hmac.compare_digest(_mac(key, self._cluster, match["rest"], payload), match["mac"])
            for key in self._keys
        ]
        part, parts = int(match["part"]), int(match["parts"])
        if not any(fits) or not 0 < part <= parts <= MOST_PARTS:
            raise Unsigned
        return Envelope(
            Kind(match["kind"].decode()),
            match["sender"].decode(),
            None if match["to"] == b"-" else match["to"].decode(),
            int(match["stamp"]),
            None if match["echo"] == b"-" else int(match["echo"]),
            part,
            parts,
            payload,
        )


def _key(secret: str) -> bytes:
    # A key of its own: nobody learns from these macs what the secret's other uses send.
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"ratchet-bus-1").digest()


def _mac(key: bytes, cluster: bytes, head: bytes, payload: bytes) -> bytes:
    digest = hmac.digest(key, b"%s %s %s%s" % (_VERSION, cluster, head, payload), "sha256")
    return digest.hex()[:_MAC].encode()
