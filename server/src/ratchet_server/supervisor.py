"""What a node tells systemd: when it is ready, and when it stops (`Type=notify`).

The protocol is one datagram for each message: see sd_notify(3). Without a supervisor that listens,
nothing is sent.
"""

import logging
import os
import socket
from collections.abc import Mapping
from typing import Literal

_log = logging.getLogger(__name__)

State = Literal["READY=1", "STOPPING=1"]


def tell(state: State, environ: Mapping[str, str] = os.environ) -> None:
    """Send `state` to the supervisor, if there is one. A supervisor that can't be reached ends
    nothing: it notices by itself that it has heard nothing."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # "@" stands for the zero byte of Linux's abstract addresses.
    path = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(state.encode(), path)
    except OSError as error:
        _log.warning("can't tell the supervisor at %s %s: %s", address, state, error)
