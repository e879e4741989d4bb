"""The links of a node: which processes are connected, and the best link to each.

Two nodes that dial each other have two links. Each node sends on the link that it dialled, and on
the other link only while its own is down. So no frame is sent twice, and the nodes need not agree
on which link to keep.
"""

from collections.abc import Iterator

from ratchet_server.peering.link import Link


class Links:
    """The links on which both sides have sent a hello, by process."""

    def __init__(self) -> None:
        self._links: dict[str, list[Link]] = {}

    def __contains__(self, process: object) -> bool:
        return process in self._links

    def __iter__(self) -> Iterator[str]:
        return iter(self._links)

    def best(self, process: str) -> Link | None:
        """The link on which frames to this process are sent."""
        links = self._links.get(process)
        return _best(links) if links else None

    def by_process(self) -> dict[str, Link]:
        """The best link to each connected process."""
        return {process: _best(links) for process, links in self._links.items()}

    def silent_s(self, process: str) -> float:
        """Seconds since this process has sent a frame on any of its links."""
        return min((link.silent_s for link in self._links.get(process, ())), default=0.0)

    def find(self, process: str | None, *, dialled_only: bool) -> Link | None:
        """A link to this process: any, or one that this node has dialled."""
        links = self._links.get(process or "", ())
        return next((link for link in links if link.dialled or not dialled_only), None)

    def add(self, link: Link) -> bool:
        """Add a link. Returns whether it is the first to its process."""
        links = self._links.setdefault(link.peer.process, [])
        links.append(link)
        return len(links) == 1

    def remove(self, link: Link) -> bool:
        """Remove a link. Returns whether it was the last to its process."""
        links = self._links[link.peer.process]
        links.remove(link)
        if links:
            return False
        del self._links[link.peer.process]
        return True


def _best(links: list[Link]) -> Link:
    return next((link for link in links if link.dialled), links[0])
