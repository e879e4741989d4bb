"""`python -m ratchet_server.health`: the health check of the container image.

It reads the host and port from the same environment variables as the node.
"""

import argparse
import http.client
import os
import sys
from typing import Final

from ratchet_server.output import say
from ratchet_server.settings import SettingError, environment, sources

TIMEOUT_S: Final = 2
_EVERYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def main() -> int:
    """The exit code: 0 if the node serves, 1 if it does not."""
    environ = environment.effective(os.environ)
    place = "the settings"
    try:
        host = sources.read_one("host", argparse.Namespace(), environ)
        port = sources.read_one("port", argparse.Namespace(), environ)
        host = _EVERYWHERE.get(host, host)
        place = f"{host}:{port}"
        # Not httpx: to import it takes longer than all the rest, and this runs every five seconds.
        # `http.client` ignores the proxy variables of the environment.
        node = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        # A stopping node waits until its balancer has noticed. Without `Via`, the node would take
        # this check for the balancer's.
        node.request("GET", "/readyz", headers={"Via": "1.1 health"})
        status = node.getresponse().status
    except (OSError, http.client.HTTPException, SettingError) as error:
        say(f"{place}: {error}")
        return 1
    say(f"{place}: {status}")
    return 0 if status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
