"""Handing keys over: who leaves for good tells a process that stays which keys it has counted.

Its disk may be thrown away. Then nobody would know that these views have counted, and one that is
sent again would count twice. So the keys go to another disk first. See `retries`.

The frame is a question for keys, each with zero views: there is nothing left to count. The answer
*counted* says that the key is on the disk there.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ratchet.frames import HANDOVER_SINCE, MAX_ROWS, AskKeys, Farewell, Send
from ratchet.inquiries import Inquiries
from ratchet.peers import Peers
from ratchet.slot import Slot

# Zero views: the key has counted. (With any, its view is pending.)
COUNTED: Final = 0


class Handover:
    """The keys that this process hands over."""

    def __init__(self, peers: Peers, inquiries: Inquiries, names: Callable[[], int]) -> None:
        """`names`: see `AskKeys`."""
        self._peers = peers
        self._inquiries = inquiries
        self._names = names
        # Those of which nobody has said yet that it has them, each with its video.
        self._left: dict[str, str] = {}
        # How many frames of keys were sent.
        self._turn = 0
        # The processes that have not sent our farewell back.
        self._unaware: set[str] = set()

    def __len__(self) -> int:
        """How many keys nobody is known to have."""
        return len(self._left)

    @property
    def possible(self) -> bool:
        """Whether a process is connected that stays and takes keys."""
        return self._inquiries.taker(0, HANDOVER_SINCE) is not None

    def give(self, counted: Mapping[str, str]) -> list[Send]:
        """Hand over these keys, too, each with its video. Give some thousands at a time: until they
        are taken, they are in memory, and are sent again with each heartbeat."""
        self._left.update(counted)
        return self._send([*counted])

    def farewell(self, slot: Slot) -> list[Send]:
        """Somebody has all that was counted here, and nothing is pending: nobody need ask us any
        more. `slot`: our last one, closed. See `Replica.farewell`."""
        peers = self._peers.by_process.items()
        self._unaware = {process for process, peer in peers if peer.version >= HANDOVER_SINCE}
        return [Send(process, Farewell(slot)) for process in sorted(self._unaware)]

    @property
    def is_known(self) -> bool:
        """Whether all who are connected know of our farewell, as far as they can."""
        return not self._unaware & self._peers.by_process.keys()

    def known_to(self, process: str) -> None:
        """A process has sent our farewell back."""
        self._unaware.discard(process)

    def beat(self) -> list[Send]:
        """Once a heartbeat: send what nobody has taken."""
        return self._send([*self._left])

    def hear(self, counted: Iterable[str]) -> None:
        """A process has these keys on its disk."""
        for key in counted:
            self._left.pop(key, None)

    def _send(self, keys: list[str]) -> list[Send]:
        sends = []
        for at in range(0, len(keys), MAX_ROWS):
            self._turn += 1
            # Each time another: one may have no room on its disk.
            if taker := self._inquiries.taker(self._turn, HANDOVER_SINCE):
                number = self._inquiries.next_number()
                part = tuple(keys[at : at + MAX_ROWS])
                views = tuple((self._left[key], COUNTED) for key in part)
                sends.append(Send(taker, AskKeys(number, self._names(), False, part, views)))
        return sends
