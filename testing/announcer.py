"""`python -m testing.announcer URL LEASE_S NODE PROCESS URL`: keeps an address in a registry.

A test kills it, as a node is killed that withdraws nothing.
"""

import asyncio
import sys

from ratchet.frames import Hello
from ratchet_server.peering.registry.finder import Finder
from ratchet_server.peering.registry.known import registry
from ratchet_server.settings.registries import registry_urls


def main(url: str, lease_s: str, node: str, process: str, own: str) -> None:
    """Announce for ever."""
    (parsed,) = registry_urls([url])
    finder = Finder(registry(parsed, lease_s=float(lease_s)), url, lease_s=float(lease_s))
    asyncio.run(finder.run(Hello(node, process, own)))


if __name__ == "__main__":
    main(*sys.argv[1:])
