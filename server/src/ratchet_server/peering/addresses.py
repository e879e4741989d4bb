"""Whom to dial: the addresses that a node was given, and those that other nodes tell of.

A node that is given one address of a cluster connects to it, hears from there who else is alive
and where, and dials them, as they dial it. What was given is dialled for ever. What was learned is
dialled until its node is no longer a member, so that a cluster finds together again whatever was
restarted first; but an address can be told wrongly (a loopback address means another process on
every machine), so it is only worth what answers there.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from ratchet.frames import Alive

from ratchet_server.settings import SettingError, check_url

# So many learned addresses at once, and no more: a mesh of this many is past its sense anyway.
MOST: Final = 256


@dataclass(eq=False)
class Dialled:
    """An address that this node dials, and how it goes."""

    url: str
    given: bool = True
    # Who answered last, even if the connection is down again; of a learned one, who is said to.
    node: str | None = None
    process: str | None = None
    # Where they themselves say that they are reached: behind a relay, that is another address.
    said_url: str | None = None
    # Whether the first attempt has come to an end, one way or the other.
    tried: bool = False
    # Whether it is this address that the process is connected by.
    connected: bool = False


class Addresses:
    """All of them. `look` learns and forgets; `refute` takes back what was told wrongly."""

    def __init__(
        self,
        urls: Iterable[str],
        heard_of: Callable[[], Mapping[str, Alive]],
        gone: Callable[[str], bool],
    ) -> None:
        """`heard_of`: every other process that is alive, as far as is known; `gone`: whether a
        name's slots are all closed."""
        self.given = [Dialled(url) for url in dict.fromkeys(url.rstrip("/") for url in urls)]
        self._heard_of = heard_of
        self._gone = gone
        self._learned: dict[str, Dialled] = {}
        # A process and an address at which it isn't.
        self._refuted: set[tuple[str | None, str]] = set()

    @property
    def all(self) -> list[Dialled]:
        """Those to be dialled now."""
        return [*self.given, *self._learned.values()]

    def look(self, linked: Container[str]) -> None:
        """Learn of new ones and forget old ones; `linked` are the connected processes."""
        alive = self._heard_of()
        for dialled in [*self._learned.values()]:
            if self._is_over(dialled, alive, linked):
                del self._learned[dialled.url]
        # Also those that are connected: they may once be away, and not know us any more.
        for process, told in alive.items():
            self._learn(process, told, alive, linked)

    def refute(self, dialled: Dialled) -> None:
        """Somebody else answers at this learned address: drop it, for as long as the process
        lives that is said to be there."""
        self._learned.pop(dialled.url, None)
        if len(self._refuted) >= 4 * MOST:
            self._refuted.clear()
        self._refuted.add((dialled.process, dialled.url))

    def _is_over(
        self, dialled: Dialled, alive: Mapping[str, Alive], linked: Container[str]
    ) -> bool:
        if dialled.connected:
            return False
        # A given address leads to the same process, perhaps on another way.
        if any(dialled.process == given.process for given in self.given):
            return True
        if dialled.process in linked or dialled.process in alive:
            return False
        moved = any(
            told.node == dialled.node and told.url.rstrip("/") != dialled.url
            for told in alive.values()
        )
        return moved or (dialled.node is not None and self._gone(dialled.node))

    def _learn(
        self, process: str, told: Alive, alive: Mapping[str, Alive], linked: Container[str]
    ) -> None:
        url = told.url.rstrip("/")
        if (process, url) in self._refuted:
            return
        if any(given.url == url or given.process == process for given in self.given):
            return
        known = self._learned.get(url)
        if known is None:
            if not _can_be_dialled(url) or not self._has_room(alive, linked):
                return
            self._learned[url] = Dialled(url, given=False, node=told.node, process=process)
        elif known.process not in alive and known.process not in linked:
            # It was restarted.
            known.node, known.process = told.node, process

    def _has_room(self, alive: Mapping[str, Alive], linked: Container[str]) -> bool:
        if len(self._learned) < MOST:
            return True
        for url, dialled in self._learned.items():
            if dialled.process not in alive and dialled.process not in linked:
                del self._learned[url]
                return True
        return False


def _can_be_dialled(url: str) -> bool:
    try:
        host = urlsplit(check_url(url)).hostname or ""
    except SettingError:
        return False
    try:
        # What a node tells that listens everywhere and was not told how others reach it.
        return not ip_address(host).is_unspecified
    except ValueError:
        return True
