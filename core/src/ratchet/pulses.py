"""Pulses: a digest in a few words, once whole digests are large.

A digest names all slots and all names. So if n replicas sent one to each other every second, each
would read n digests of n entries. But their digests differ little. Each is made of

- what its sender says of its **own** slot, whose extent changes with every view;
- the **rest**. It leaves out the open slots of all processes that the sender is connected to: their
  owners speak for them. And it names the sender among those that are alive. So the rests of two
  replicas that know the same are equal, and stay equal while everybody counts.

A pulse has the sender's own part, and a hash of its rest. A receiver *understands* it if it knows a
rest with this hash: its own one, or that of a digest from anybody. It then takes the pulse for the
digest that the sender would have sent, and keeps one rest for all who said the same. **A pulse that
is understood is a digest**, but for the slots that are left out. So all rules that stand on digests
stand on pulses. Above all that for folds: a slot that may be folded is closed, so the rest names
it. The rest also names the closing: a hash that was said before its sender knew of the closing is
another one.

A pulse that is not understood says one thing for sure: the last digest of its sender is not true
any more. So there is no evidence for a fold from this sender, until it is understood again; and no
evidence is older than `peers.FRESH_S`. Digests and pulses are numbered. One without a higher number
than the last of its process is dropped, because a transport may double and reorder them. A number
can't show for how long the newest was on its way. So a transport must not deliver old ones: `ports`
of the server says that.

What is left out is served in other ways:

- *Rows that we lack*: the owner says how much there is, and we ask it. Once a heartbeat we ask for
  a whole digest if that can't do: if the sender is connected to a process that we are not (so in a
  sparse mesh whole digests are sent as ever), or if an owner leaves our questions unanswered.
- *The last rows of a process that died*: nobody is connected to it any more, so its slot is in the
  rests. Those that have other rows of it have other rests.
- *What others have of our own slot*: `Have` says so. If a process finds that the owner of a slot
  has less of it than itself, it sends its digest.
- *How far a peer is behind*: it counts that itself (`lacks`).

The days of the base stand in the pulse itself. So the hash of a rest is the same for a version
that knows no days.

Questions can't make this dearer than digests were. Of several peers that said the same, one is
asked. One that is asked by many answers a few; all others hear its next heartbeat, which is a
digest then.
"""

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from ratchet import codec
from ratchet.frames import (
    NO_DAYS,
    NOTHING,
    PULSES_SINCE,
    Alive,
    Ask,
    Digest,
    Extent,
    Heartbeat,
    Hello,
    Pulse,
    Send,
)
from ratchet.peers import Peer, Peers
from ratchet.slot import Slot

# How many digests a heartbeat answers singly.
MAX_ANSWERS: Final = 8


def rest(digest: Digest, sender: Hello) -> Digest:
    """What `digest` says beside the extents of the slots that have somebody to speak for them."""
    alive = {**digest.alive, sender.process: _alive(sender, digest.slot)}
    spoken_for = {Slot(one.node, one.generation or 0) for one in alive.values()}
    slots = {
        slot: extent
        for slot, extent in digest.slots.items()
        if slot not in spoken_for or digest.closed.covers(slot)
    }
    return replace(digest, slot=None, slots=slots, alive=alive, number=0, days=NO_DAYS)


def hash_of(rest: Digest) -> str:
    """Equal for two rests exactly if they are equal: 32 hex digits."""
    text = codec.encode(rest, PULSES_SINCE, in_order=True)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _alive(process: Hello, slot: Slot | None) -> Alive:
    return Alive(process.node, slot.generation if slot else None, process.url)


class Pulses:
    """What this replica says once a heartbeat, the rests that it knows, and whom it asks."""

    def __init__(self, peers: Peers, me: Hello, wall_ms: Callable[[], int], max_whole: int) -> None:
        """`max_whole`: see `Options`."""
        self._peers = peers
        self._me = me
        self._wall_ms = wall_ms
        self._max_whole = max_whole
        # Whether we say pulses.
        self.brief = False
        self._number = 0
        # By hash: the rests that peers have said, and our own.
        self._rests: dict[str, Digest] = {}
        self._beats = 0
        # How many asked for our digest since our last heartbeat.
        self._asked = 0
        # The rests that we have asked for since then.
        self._asked_for: set[str] = set()

    # -- saying --------------------------------------------------------------------------------

    def say(self, digest: Digest, *, whole: bool = False) -> Heartbeat:
        """`digest`, our own, as it is sent to all. `whole`: not as a pulse."""
        number = self.number()
        mine = rest(digest, self._me)
        known_as = hash_of(mine)
        self._rests[known_as] = mine
        self.brief = digest.size > self._max_whole and self._all_know_pulses()
        if whole or not self.brief:
            return replace(digest, number=number)
        # Before the slot is open, and while it is lifted, we claim nothing of it.
        extent = digest.slots.get(digest.slot, Extent(0, None)) if digest.slot else Extent(0, None)
        return Pulse(number, digest.slot, extent, self._lacks(digest), known_as, digest.days)

    def beat(self, digest: Digest, *, whole: bool) -> Heartbeat:
        """The same, once a heartbeat: whole if more have asked for it than were answered."""
        whole |= self._asked > MAX_ANSWERS
        self._beats += 1
        self._asked, self._asked_for = 0, set()
        used = {peer.rest for peer in self._peers}
        self._rests = {known_as: it for known_as, it in self._rests.items() if known_as in used}
        return self.say(digest, whole=whole)

    def answers(self) -> bool:
        """Somebody asks for our digest. Whether to send it to this one: else our next heartbeat is
        a digest."""
        self._asked += 1
        return self._asked <= MAX_ANSWERS

    def number(self) -> int:
        """The number of our next digest or pulse. It is a time, so that a process whose memory was
        set back doesn't use numbers again."""
        self._number = max(self._number + 1, self._wall_ms())
        return self._number

    def _all_know_pulses(self) -> bool:
        return all(peer.version >= PULSES_SINCE for peer in self._peers)

    def _lacks(self, digest: Digest) -> int:
        return sum(
            max(0, peer.own.durable - digest.slots.get(peer.slot, NOTHING).durable)
            for peer in self._peers
            if peer.slot
        )

    # -- understanding -------------------------------------------------------------------------

    def learn(self, digest: Digest, peer: Peer) -> None:
        """`peer` has sent its whole digest: others may say the same rest."""
        its = rest(digest, peer.hello)
        peer.rest = hash_of(its)
        self._rests[peer.rest] = its

    def understand(self, pulse: Pulse) -> Digest | None:
        """The rest of `pulse`, if we know it."""
        return self._rests.get(pulse.rest)

    def ask(self, process: str, known_as: str) -> list[Send]:
        """Ask a peer for its digest, unless we have asked one that said the same rest."""
        if known_as in self._asked_for:
            return []
        self._asked_for.add(known_as)
        return [Send(process, Ask())]

    def questions(self, *, waiting: bool) -> list[Send]:
        """Once a heartbeat: ask one peer of each rest that we don't know, and of each that leaves
        us with too little. `waiting`: whether a question for rows has not been answered in time."""
        heard = {*self._peers.by_process, self._me.process}
        by_rest: dict[str, list[str]] = {}
        for process, peer in self._peers.by_process.items():
            if peer.rest and not peer.whole:
                by_rest.setdefault(peer.rest, []).append(process)
        sends = []
        for known_as, processes in by_rest.items():
            it = self._rests.get(known_as)
            if it is None or waiting or not it.alive.keys() <= heard:
                # Not always the same one: it may not hear us. Nor the one that all others ask.
                turn = self._beats + int(self._me.process, 16)
                sends += self.ask(sorted(processes)[turn % len(processes)], known_as)
        return sends
