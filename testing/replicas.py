"""Real replicas in one process, for tests of what people read about a cluster. Their links and
disks never fail by themselves."""

from collections import defaultdict
from itertools import count
from typing import Final

from ratchet.frames import Hello, Send
from ratchet.options import Options
from ratchet.replica import Replica

BEGIN_MS: Final = 1_763_800_000_000


class Replicas:
    """A full mesh, on a clock of its own."""

    def __init__(self, *, grace_s: float = 3600.0, max_lifted: int = 1000) -> None:
        """As in `Options`."""
        self.now = 0.0
        self._options = Options(grace_s=grace_s, max_lifted=max_lifted)
        self._alive: dict[str, Replica] = {}
        self._cut: set[frozenset[str]] = set()
        self._stalled: set[Replica] = set()
        # The keys of views that each has on disk: see `ratchet.retries.Known`.
        self._keys: defaultdict[Replica, dict[str, str | None]] = defaultdict(dict)
        self._started = count(1)

    def start(self, name: str) -> Replica:
        """A new process with an empty disk, connected to all others."""
        number = next(self._started)
        replica = Replica(
            Hello(name, f"{number:016x}", f"http://{name}.example:1234"),
            lambda: BEGIN_MS + int(self.now * 1000),
            lambda _: number,
            self.now,
            self._options,
        )
        self._alive[replica.me.process] = replica
        for other in self._alive.values():
            if self._linked(replica, other):
                ours, theirs = replica.joined(other.me), other.joined(replica.me)
                self._send(replica, ours)
                self._send(other, theirs)
        return replica

    def kill(self, replica: Replica) -> None:
        """End its process, and lose its disk."""
        del self._alive[replica.me.process]
        for other in self._alive.values():
            other.left(replica.me.process)

    def cut(self, one: Replica, two: Replica) -> None:
        """Let nothing pass between the two any more."""
        self._cut.add(frozenset((one.me.process, two.me.process)))
        one.left(two.me.process)
        two.left(one.me.process)

    def stall(self, replica: Replica) -> None:
        """Let its disk accept nothing any more."""
        self._stalled.add(replica)

    def pass_time(self, seconds: float, *, unmet: int = 0) -> None:
        """Tick once a second, and write and send all that this causes. `unmet`: as for `tick`."""
        end = self.now + seconds
        while self.now < end:
            self.now += 1.0
            for replica in [*self._alive.values()]:
                self._send(replica, replica.tick(self.now, unmet))
                self.write(replica)

    def settle(self) -> None:
        """Let time pass until all have opened their slots, and have the same counts."""
        for _ in range(60):
            self.pass_time(1)
            replicas = self._alive.values()
            same = len({replica.observe().fingerprint for replica in replicas}) == 1
            if same and all(replica.counting for replica in replicas):
                # Let each one report it in its next heartbeat.
                return self.pass_time(2)
        raise AssertionError("they never had the same")

    def write(self, replica: Replica) -> None:
        """Write all changes that wait for its disk, and answer what peers ask about keys."""
        while replica not in self._stalled:
            keys = self._keys[replica]
            sends = replica.retries.answer(keys)
            if changes := replica.changes():
                keys |= dict.fromkeys(changes.promised)
                keys |= {**changes.elsewhere, **changes.counted}
                sends += replica.committed(changes)
            if changes is None and not sends:
                return
            self._send(replica, sends)

    def _linked(self, one: Replica, two: Replica) -> bool:
        return one is not two and frozenset((one.me.process, two.me.process)) not in self._cut

    def _send(self, sender: Replica, sends: list[Send]) -> None:
        for to, frame in sends:
            for process, receiver in [*self._alive.items()]:
                if to in (None, process) and self._linked(sender, receiver):
                    answers = receiver.receive(frame, sender.me.process, self.now)
                    self._send(receiver, answers)
                    self.write(receiver)
