"""A transport: publishes frames on a bus, and listens to all other nodes there.

A line to the bus is used until it breaks, or until this node is *deaf*: it publishes something each
beat, and hears itself, or the line is of no use. (It is the one check that works on every bus. A
frozen broker, a lost subscription and a full queue all look well from here.) Then the line is
thrown away, and the node connects anew. Meanwhile it counts on; what it would have published is not
kept.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from ratchet import codec
from ratchet.frames import VERSIONS, BaseRows, Frame, Heartbeat, Hello, Rows
from ratchet.identity import Stranger
from ratchet.names import Invalid

from ratchet_server.log_throttle import LogThrottle
from ratchet_server.peering.bus.ending import end
from ratchet_server.peering.bus.envelope import HEAD, Envelope, Foreign, Kind, Seal, Unsigned
from ratchet_server.peering.bus.failures import raise_swallowed
from ratchet_server.peering.bus.gathering import BETWEEN, Gathering
from ratchet_server.peering.bus.hearing import Heard, Hearing
from ratchet_server.peering.bus.mailbox import Mailbox
from ratchet_server.peering.bus.outbox import Outbox
from ratchet_server.peering.bus.parts import Parts, split
from ratchet_server.peering.bus.port import Bus, BusError, Line
from ratchet_server.peering.complaints import Complaints
from ratchet_server.peering.misunderstandings import Misunderstandings
from ratchet_server.peering.ports import Door, Inbox, Route
from ratchet_server.peering.strangers import Met, Strangers

BEAT_S: Final = 1.0
# A node that has not heard itself for so many beats is deaf.
DEAF_BEATS: Final = 3
# What comes back later proves no bus that is of use. A hail and its answer each take as long, and
# after `freshness.LATE_S` the answer is not believed: nobody would ever join. The rest of that is
# for nodes that are busy.
SLOW_S: Final = 2.0
CONNECT_S: Final = 5.0
# For how long a line may take no message. A broker that is short of memory takes none.
PUBLISH_S: Final = 2.0
BACKOFF_S: Final = (0.1, 3.0)
# For how long a node that starts listens for others: they beat, it hails, they answer.
LISTEN_BEATS: Final = 1.3
# After how many seconds a node that starts goes on without the bus, or without an answer there.
GIVE_UP_S: Final = 3.0
GOODBYE_S: Final = 0.5
# How often a process of another cluster is asked again.
STRANGER_S: Final = 3.0
_MICROSECONDS: Final = 1_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Route:
    """How a process is reached: see `ports.Route`."""

    peer: Hello
    dropped: int
    way: str


class BusTransport:
    """One node on one bus."""

    def __init__(
        self,
        name: str,
        bus: Bus,
        me: Hello,
        door: Door,
        seal: Seal,
        *,
        is_settled: Callable[[], bool] = lambda: True,
        sends_much: Callable[[Hello], None] = lambda _peer: None,
        beat_s: float = BEAT_S,
    ) -> None:
        """`name`: what people call the bus. `is_settled`: whether this node is sure of its cluster,
        see `ratchet.identity`. `sends_much` is called when a peer has sent a part of something
        large: see `on_demand`."""
        self.name = name
        self._bus = bus
        self._me = me
        self._door = door
        self._seal = seal
        self._is_settled = is_settled
        self._sends_much = sends_much
        self._beat_s = beat_s
        self._began = time.monotonic()
        self._last_stamp = 0
        self._hearing = Hearing(hail=self._send_hail, now_stamp=self._microseconds)
        self._outbox, self._mailbox, self._parts = Outbox(), Mailbox(), Parts()
        self._gathering = Gathering(lambda text: self._queue(Kind.FRAME, None, text))
        self._complaints, self._throttle = Complaints(), LogThrottle()
        self._strangers, self._misunderstandings = Strangers(), Misunderstandings()
        # While `run` runs: where frames go, when it began, its failure; and why no line is up.
        self._inbox: Inbox | None = None
        self._run_since: float | None = None
        self._failed: asyncio.Future[None] | None = None
        self._trouble: str | None = "this node is still connecting"
        self._trouble_since = time.monotonic()
        # When this node first heard itself, and when it did last on the present line.
        self._first_echo: float | None = None
        self._echo_at = 0.0
        # What it has not yet heard itself send on the present line: a message to all, and one to
        # itself alone. The broker may grant the one and refuse the other.
        self._unheard: set[str | None] = set()
        # Echoes of what was published before the present line prove nothing.
        self._line_stamp = 0
        # How long the last echo took that came on it too late.
        self._slow_s: float | None = None
        self._published_at = 0.0

    # -- for reports ---------------------------------------------------------------------------

    @property
    def trouble(self) -> tuple[str, float] | None:
        """Why nothing is heard on this bus, and for how many seconds. None while all is well."""
        if self._trouble is None:
            return None
        return self._trouble, time.monotonic() - self._trouble_since

    @property
    def strangers(self) -> list[Met]:
        """The processes of other clusters that were heard of late."""
        return self._strangers.recent()

    def misunderstood(self) -> Mapping[str, str]:
        """The peers whose frames this node can't take, and why."""
        return self._misunderstandings.recent()

    def unfound(self, has_found: Callable[[str], bool], *, up_s: float, patience_s: float) -> int:
        """1 until this node has found its cluster here: see `ratchet.identity`. A bus may lead to
        any number of nodes, so listen for `patience_s` before you believe that there are no
        more."""
        found = any(has_found(process) for process in self._hearing.present())
        return 0 if found and up_s >= patience_s else 1

    # -- a transport, see `ports.Transport` ----------------------------------------------------

    async def run(self, inbox: Inbox) -> None:
        self._inbox, self._run_since = inbox, time.monotonic()
        self._failed = asyncio.get_running_loop().create_future()
        parts = (
            self._keep_line(),
            self._keep_beating(inbox),
            self._keep_merging(inbox),
            self._fail(),
        )
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Once: a second cancellation would break off what they do at their end.
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self._inbox = None
            self._gathering.stop()
            for heard in [*self._hearing.present().values()]:
                self._leave(heard, inbox)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def send(self, frame: Frame, to: Collection[str]) -> None:
        present = self._hearing.present()
        here = present.keys() & {*to}
        if len(here) > len(present) / 2:
            # To all, also if a websocket takes it to a few of them: else one socket would cost as
            # many messages as there are nodes. In the form that all of them can read.
            version = min(_version(heard) for heard in present.values())
            self._send_all(frame, codec.encode(frame, version))
            return
        for process in here:
            self._queue(Kind.FRAME, process, codec.encode(frame, _version(present[process])))

    def _send_all(self, frame: Frame, text: str) -> None:
        # Somebody waits for a row that is to be confirmed.
        if isinstance(frame, Rows) and not frame.confirm:
            self._gathering.add(text)
        else:
            # A digest that came before its rows would be answered with a question for them.
            self._gathering.flush()
            self._queue(Kind.FRAME, None, text)

    def routes(self) -> Mapping[str, Route]:
        dropped = self._outbox.dropped + self._mailbox.dropped
        return {
            process: _Route(heard.hello, dropped, self.name)
            for process, heard in self._hearing.present().items()
            if heard.hello
        }

    def silent_s(self, process: str) -> float:
        heard = self._hearing.present().get(process)
        return time.monotonic() - heard.at if heard else 0.0

    def settled(self) -> bool:
        now = time.monotonic()
        if self._first_echo is not None:
            listened_s = now - self._first_echo
            if listened_s >= GIVE_UP_S:
                return True
            return listened_s >= LISTEN_BEATS * self._beat_s and not self._hearing.unanswered()
        return self._run_since is not None and now - self._run_since >= GIVE_UP_S

    def unmet(self, known: Collection[str]) -> int:  # noqa: ARG002
        """A bus has no addresses, so nobody knows how many nodes there should be. 1 until this node
        has heard itself and is settled: two sides of a bus that was cut in two at the cluster's
        birth settle as two clusters, and neither folds what the other would need."""
        return 0 if self._first_echo is not None and self._is_settled() else 1

    # -- the line ------------------------------------------------------------------------------

    async def _keep_line(self) -> None:
        backoff_s = BACKOFF_S[0]
        while True:
            began = time.monotonic()
            try:
                await self._use_a_line()
            except BusError as error:
                self._is_down(str(error))
            raise_swallowed()
            if time.monotonic() - began > CONNECT_S:
                backoff_s = BACKOFF_S[0]
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_S[1])

    async def _use_a_line(self) -> None:
        """Connect, and work until the line breaks. Raises `BusError`."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(CONNECT_S):
                    connecting = self._bus.connect(self._me.process, self._hear)
                    line = await stack.enter_async_context(connecting)
            except TimeoutError:
                raise BusError(f"does not answer within {CONNECT_S:.0f} s") from None
            raise_swallowed()
            self._gathering.most = line.largest - HEAD
            self._line_stamp, self._echo_at = self._stamp(), time.monotonic()
            self._unheard, self._slow_s = {None, self._me.process}, None
            for to in (None, self._me.process):
                self._queue(Kind.BEAT, to)
            tasks = [
                asyncio.create_task(_raise(line)),
                asyncio.create_task(self._publish(line)),
                asyncio.create_task(self._notice_deafness()),
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                # Nothing comes after it: the others would hail this process.
                await end(*tasks)
                await self._say_goodbye(line)
                raise
            finally:
                results = await end(*tasks)
            for result in results:
                if isinstance(result, Exception):
                    raise result

    async def _publish(self, line: Line) -> None:
        while True:
            envelope = await self._outbox.take()
            if envelope.to is None:
                self._published_at = time.monotonic()
            for part in split(envelope, line.largest):
                try:
                    async with asyncio.timeout(PUBLISH_S):
                        await line.publish(part.to, self._seal.close(part))
                except TimeoutError:
                    raise BusError(f"took no message for {PUBLISH_S:.0f} s") from None

    async def _notice_deafness(self) -> None:
        most_s = DEAF_BEATS * self._beat_s
        # Each echo moves the moment, so look again then.
        while (left_s := self._echo_at + most_s - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left_s)
        if self._slow_s is not None:
            raise BusError(f"takes {self._slow_s:.1f} s to bring this node its own messages")
        raise BusError(f"does not bring this node its own messages within {most_s:.0f} s")

    async def _say_goodbye(self, line: Line) -> None:
        goodbye = Envelope(Kind.GOODBYE, self._me.process, None, self._stamp(), None, 1, 1, b"")
        with contextlib.suppress(BusError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await line.publish(None, self._seal.close(goodbye))

    def _is_up(self) -> None:
        now = time.monotonic()
        self._echo_at = now
        if self._first_echo is None:
            self._first_echo = now
        if self._trouble is not None:
            self._trouble, self._trouble_since = None, now
            _log.info("bus %s is connected", self.name)

    def _is_down(self, why: str) -> None:
        if self._trouble is None:
            self._trouble_since = time.monotonic()
        self._trouble = why
        self._warn(why)

    def _warn(self, what: str) -> None:
        if self._throttle.due(what):
            _log.warning("bus %s %s", self.name, what)

    async def _keep_beating(self, inbox: Inbox) -> None:
        while True:
            await asyncio.sleep(self._beat_s)
            if time.monotonic() - self._published_at >= 0.9 * self._beat_s:
                self._queue(Kind.BEAT, None)
            if self._me.process in self._unheard:
                self._queue(Kind.BEAT, self._me.process)
            for heard in self._hearing.beat():
                self._leave(heard, inbox)

    # -- sending -------------------------------------------------------------------------------

    def _microseconds(self) -> int:
        return int((time.monotonic() - self._began) * _MICROSECONDS)

    def _stamp(self) -> int:
        self._last_stamp = max(self._last_stamp + 1, self._microseconds())
        return self._last_stamp

    def _queue(self, kind: Kind, to: str | None, text: str = "", echo: int | None = None) -> None:
        payload = text.encode()
        self._outbox.add(Envelope(kind, self._me.process, to, self._stamp(), echo, 1, 1, payload))

    def _introduction(self) -> str:
        return codec.encode(self._door.introduce(None, given=True))

    def _send_hail(self, process: str) -> None:
        self._queue(Kind.HAIL, process)

    # -- hearing -------------------------------------------------------------------------------

    def _hear(self, message: bytes) -> None:
        """A message has come. See `port.Bus`."""
        try:
            self._read(message)
        except Exception as error:
            # The library would only log it; but it is a bug, and ends `run`.
            if self._failed and not self._failed.done():
                self._failed.set_exception(error)

    async def _fail(self) -> None:
        assert self._failed is not None
        await self._failed

    def _read(self, message: bytes) -> None:
        try:
            envelope = self._seal.open(message)
        except Foreign:
            return
        except Unsigned:
            self._warn("has messages that are not signed with this cluster's secret")
            return
        if envelope.sender == self._me.process:
            if envelope.stamp > self._line_stamp:
                self._hear_echo(envelope)
            return
        inbox = self._inbox
        if envelope.to not in {None, self._me.process} or inbox is None:
            return
        heard = self._hearing.hear(envelope)
        if heard is None:
            return
        if envelope.kind is Kind.HAIL:
            # Whether or not we know it, and each hail once: anybody can send a recorded one again.
            self._queue(Kind.WELCOME, envelope.sender, self._introduction(), envelope.stamp)
        if self._hearing.is_in_time(heard, envelope):
            payload = self._parts.add(envelope)
            if payload is not None:
                self._take(envelope, payload, heard, inbox)

    def _hear_echo(self, envelope: Envelope) -> None:
        """What this node has sent on the present line has come back."""
        age_s = (self._microseconds() - envelope.stamp) / _MICROSECONDS
        if age_s > min(SLOW_S, DEAF_BEATS * self._beat_s):
            self._slow_s = age_s
            return
        self._unheard.discard(envelope.to)
        if not self._unheard:
            self._is_up()

    def _take(self, envelope: Envelope, payload: bytes, heard: Heard, inbox: Inbox) -> None:
        """Act on a message that is new and in time."""
        match envelope.kind:
            case Kind.GOODBYE:
                if heard.present:
                    self._leave(heard, inbox)
                heard.hello = None
                return
            case Kind.WELCOME:
                heard.hello = self._parse_hello(envelope, payload) or heard.hello
            case Kind.FRAME if heard.present:
                self._mailbox.add(heard.process, payload)
                return
        if not heard.present:
            if heard.hello:
                self._join(heard, heard.hello, inbox)
            else:
                self._hearing.ask(heard)

    def _parse_hello(self, envelope: Envelope, payload: bytes) -> Hello | None:
        try:
            hello = codec.decode(payload.decode())
        except (Invalid, UnicodeDecodeError) as error:
            self._complaints.log(f"process {envelope.sender}", f"sent: {error}", loud=True)
            return None
        if isinstance(hello, Hello) and hello.process == envelope.sender:
            return hello
        return None

    def _join(self, heard: Heard, hello: Hello, inbox: Inbox) -> None:
        if why := self._door.admit(hello, given=True):
            self._refuse(heard, hello, why)
            return
        self._hearing.enter(heard)
        _log.info("peer %s is heard on bus %s", hello.node, self.name)
        inbox.joined(hello)

    def _refuse(self, heard: Heard, hello: Hello, why: Stranger) -> None:
        # What it says now may differ from its last hello, so ask again.
        heard.hello = None
        if not why.may_change:
            self._strangers.add(hello, self.name, why)
            self._complaints.log(
                f"{hello.node} on bus {self.name}", f"is of {why} (ratchet join)", loud=True
            )
        self._hearing.rest(heard, self._beat_s if why.may_change else STRANGER_S)

    def _leave(self, heard: Heard, inbox: Inbox) -> None:
        self._hearing.leave(heard)
        self._parts.forget(heard.process)
        self._mailbox.forget(heard.process)
        if heard.hello:
            _log.info("peer %s is no longer heard on bus %s", heard.hello.node, self.name)
        inbox.left(heard.process)

    async def _keep_merging(self, inbox: Inbox) -> None:
        while True:
            texts = await self._mailbox.take()
            # The keeper merges them in one round.
            merges = [self._merge(process, text, inbox) for process, text in texts.items()]
            await asyncio.gather(*merges)

    async def _merge(self, process: str, texts: bytes, inbox: Inbox) -> None:
        heard = self._hearing.present().get(process)
        if heard is None or heard.hello is None:
            return

        async def receive(frame: Frame) -> None:
            # The process may leave before this task takes its first step.
            if self._hearing.present().get(process) is heard:
                await inbox.receive(frame, process)

        try:
            frames = [codec.decode(text) for text in texts.decode().split(BETWEEN)]
            # The keeper merges these in one round, too.
            await asyncio.gather(*map(receive, frames))
        except (Invalid, UnicodeDecodeError) as error:
            why = f"sent what this node can't take: {error}. See OPERATING.md"
            self._misunderstandings.note(heard.hello.node, why)
            self._complaints.log(heard.hello.node, why, loud=True)
            return
        if any(map(_has_more, frames)):
            self._sends_much(heard.hello)
        has_heartbeat = any(isinstance(frame, Heartbeat) for frame in frames)
        why_not = self._door.stranger(process) if has_heartbeat else None
        if why_not and heard.present:
            hello = heard.hello
            self._leave(heard, inbox)
            self._refuse(heard, hello, why_not)


async def _raise(line: Line) -> None:
    raise await line.broken()


def _has_more(frame: Frame) -> bool:
    match frame:
        case Rows():
            return frame.more
        case BaseRows():
            return frame.start + len(frame.entries) < frame.total
    return False


def _version(heard: Heard) -> int:
    common = heard.hello.versions.common(VERSIONS) if heard.hello else None
    return common or VERSIONS.oldest
