"""Which RATCHET_… variables of an environment count, and which are unknown."""

import difflib
import re
from collections.abc import Mapping
from typing import Final

from ratchet_server.settings import sources

PREFIX: Final = "RATCHET_"

# Other programs or tests read these variables. A node does not warn about them.
ELSEWHERE: Final = {
    "RATCHET_DIE_AT": "the step at which a node kills itself, in tests of crashes",
    "RATCHET_FAIL_AT": "the step at which a node fails unexpectedly, in tests",
    "RATCHET_NODES": "the nodes behind the balancer, in its image",
    "RATCHET_CLIENT_CONNECTIONS": "how many connections one address may have to the balancer",
    "RATCHET_CLIENT_VIEWS": "how many views one address may count in a minute at the balancer",
    "RATCHET_PROXIES": "the proxies in front of the balancer",
    "RATCHET_STATS": "where the balancer shows its stats",
    "RATCHET_HYPOTHESIS": "how long the core's random tests search",
}

# Kubernetes sets variables with the address of each Service in every container, under the Service's
# name. A Service called `ratchet` gives RATCHET_PORT=tcp://10.0.0.1:1234 and a handful more.
_OF_A_SERVICE: Final = re.compile(
    r"RATCHET_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_\w+)?)=.*"
    r"|RATCHET_(\w+_)?PORT=(tcp|udp|sctp)://.*"
)


def effective(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the variables that count as not set.

    Two kinds don't count. Compose files and unit files leave variables empty. And Kubernetes sets
    variables for its Services: no operator chose those, so they must not stop a node or change its
    port.
    """
    return {
        name: text
        for name, text in environ.items()
        if text and not _OF_A_SERVICE.fullmatch(f"{name}={text}")
    }


def of_services(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that Kubernetes has set and that has the name of a setting."""
    names = {setting.variable for setting, _ in sources.declared()}
    return [
        f"{name}={environ[name]} is what Kubernetes sets for a Service, and changes nothing here"
        for name in sorted(names & environ.keys())
        if _OF_A_SERVICE.fullmatch(f"{name}={environ[name]}")
    ]


def unknown(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each RATCHET_… variable that nothing reads.

    An unknown variable is no error: after a downgrade, the environment still has the variables of
    the newer version, and the node has to start.
    """
    known = [setting.variable.removeprefix(PREFIX) for setting, _ in sources.declared()]
    lines = []
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        word = name.removeprefix(PREFIX)
        if word in known or name in ELSEWHERE:
            continue
        meant = difflib.get_close_matches(word, known, n=1)
        hint = f"did you mean {PREFIX}{meant[0]}?" if meant else "`ratchet node --help` lists all"
        lines.append(f"{name} is not a setting and changes nothing; {hint}")
    return lines
