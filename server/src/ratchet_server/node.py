"""The composition root: makes the parts of a node, joins them, runs them and stops them."""

import asyncio
import contextlib
import errno
import gc
import logging
import random
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from ratchet import codec
from ratchet.frames import Hello
from ratchet.replica import Replica
from sanic import Request, Sanic
from sanic.response import BaseHTTPResponse
from sanic.server.async_server import AsyncioServer

from ratchet_server import signals
from ratchet_server.counting import datadir
from ratchet_server.counting.datadir import DataError
from ratchet_server.counting.departure import Departure
from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.readiness import Readiness
from ratchet_server.counting.store import Store
from ratchet_server.crash_points import reached
from ratchet_server.http import api, catalogue, cluster, files, headers, metrics, pages, peer
from ratchet_server.http.bounded_protocol import BoundedProtocol
from ratchet_server.http.catalogue import Video
from ratchet_server.http.embedders import Embedders
from ratchet_server.http.errors import NODE_HEADER, JsonErrors
from ratchet_server.http.guard import Guard
from ratchet_server.http.parts import Parts
from ratchet_server.http.watchers import Watchers
from ratchet_server.peering.mesh import Mesh
from ratchet_server.settings import MEMORY, OnTerm, SettingError, Settings

# Requests carry a name, a key and a few words; nothing here takes a body of any size.
MAX_REQUEST: Final = 64 * 1024
REQUEST_TIMEOUT_S: Final = 10
RESPONSE_TIMEOUT_S: Final = 86_400
LAST_ANSWER_S: Final = 120
# How long connections may take to end when the node stops; and those on which an answer is still
# being taken, bit by bit, such as a clip (whoever takes nothing is cut off by `bounded`).
GOODBYE_S: Final = 3.0
LONG_GOODBYE_S: Final = 10.0

# How the process ends.
OK: Final = 0
SUPERSEDED: Final = 3

_log = logging.getLogger(__name__)


class NodeError(Exception):
    """The node can't start or go on. The message says why and how to mend it."""


def run(settings: Settings) -> int:
    """Run a node until it is told to stop; the process's exit code. Raises `NodeError`."""
    try:
        # Whatever can be refused is refused before anything is written.
        videos = catalogue.read(settings.media)
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(_listen(settings.host, settings.port))
            path = None
            if isinstance(settings.data, Path):
                path = stack.enter_context(datadir.locked(settings.data))
            runner = stack.enter_context(asyncio.Runner(loop_factory=_loop_factory()))
            return runner.run(_serve(settings, videos, path, sock))
    except (DataError, SettingError) as error:
        raise NodeError(str(error)) from None


async def _serve(
    settings: Settings, videos: Mapping[str, Video], path: Path | None, sock: socket.socket
) -> int:
    async with AsyncExitStack() as stack:
        store = await Store.open(path)
        stack.push_async_callback(store.close)
        parts = _parts(settings, videos, store, settings.advertise or _url(sock))
        keeper, departure = parts.keeper, parts.departure
        # From the first moment: a signal during the start stops the node, too.
        stack.enter_context(_signals(departure, settings.on_term))
        stop = asyncio.create_task(departure.asked.wait())
        stack.callback(stop.cancel)
        reached("start-listening")
        app = application(parts)
        server = await app.create_server(sock=sock, protocol=BoundedProtocol, access_log=False)
        assert server is not None
        stack.push_async_callback(_goodbye, server, parts)
        await server.startup()

        load = asyncio.create_task(keeper.load())
        stack.push_async_callback(_cancelled, load)
        await asyncio.wait((load, stop), return_when=asyncio.FIRST_COMPLETED)
        if not load.done() and not departure.leaving:
            keeper.refuse("draining", "This node is stopping; another one will count it.")
            return OK
        # To leave for good, all that is here has to be known, and handed over.
        await load
        reached("start-loaded")
        if settings.open:
            parts.listed.add(keeper.replica.videos())

        # What is here now stays. Without this, each full collection looks through all of it again.
        gc.collect()
        gc.freeze()

        work = asyncio.create_task(keeper.run())
        for background in (parts.mesh.run(), _announce(parts, _url(sock))):
            task = asyncio.create_task(background)
            task.add_done_callback(_report)
            stack.push_async_callback(_cancelled, task)
        superseded = asyncio.create_task(keeper.superseded.wait())
        stack.callback(superseded.cancel)
        await asyncio.wait((work, stop, superseded), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            depart = asyncio.create_task(_depart(parts))
            stack.push_async_callback(_cancelled, depart)
            await asyncio.wait((work, depart), return_when=asyncio.FIRST_COMPLETED)
        keeper.end()
        await work
    reason = keeper.replica.superseded()
    if reason and not departure.asked.is_set():
        _log.error(
            "%s. This process stops: the newest of a name goes on. Started again, it would be the "
            "newest, and take turns with the other: give it a --name of its own",
            reason,
        )
        return SUPERSEDED
    return OK


async def _depart(parts: Parts) -> None:
    departure, keeper = parts.departure, parts.keeper
    if departure.asked.is_set():
        _log.info("%s", "leaving for good" if departure.leaving else "stopping")
        await departure.tell_the_balancer()
    if keeper.superseded.is_set():
        await departure.give_way(keeper)
    else:
        await departure.hand_over(keeper)


@contextlib.contextmanager
def _signals(departure: Departure, on_term: OnTerm) -> Iterator[None]:
    """Signals ask the node to go. A second one: without waiting for anybody."""
    loop = asyncio.get_running_loop()

    def heard(number: int) -> None:
        if departure.asked.is_set():
            departure.hurry()
        leave = number == signal.SIGQUIT or (number == signal.SIGTERM and on_term == "leave")
        departure.ask(leave=leave)

    with signals.listening(lambda number: loop.call_soon_threadsafe(heard, number)):
        yield


def application(parts: Parts) -> Sanic[Any, Any]:
    """The HTTP side of a node."""
    # Sanic keeps a registry of its apps by name; a test may well make two of one name.
    app = Sanic(f"ratchet-{parts.settings.name}-{id(parts)}", configure_logging=False)
    app.config.MOTD = False
    app.config.REQUEST_MAX_SIZE = MAX_REQUEST
    app.config.REQUEST_TIMEOUT = REQUEST_TIMEOUT_S
    # Views wait while the data is read, or the disk stalls. Sanic's own time-out would answer 503,
    # which promises that the view isn't counted, and it may be, a moment later.
    app.config.RESPONSE_TIMEOUT = RESPONSE_TIMEOUT_S
    # How long a file may take to get through once the connection is to be closed; `bounded` ends
    # the stalled ones sooner.
    app.config.GRACEFUL_TCP_CLOSE_TIMEOUT = LAST_ANSWER_S
    app.config.WEBSOCKET_MAX_SIZE = codec.MAX_TEXT
    # An answer is of this node and this moment, unless it says how long it holds.
    usual = {NODE_HEADER: parts.settings.name, "Cache-Control": "no-store", **headers.NOSNIFF}
    app.error_handler = JsonErrors(usual, parts.last_answer)

    async def sign(request: Request, response: BaseHTTPResponse) -> None:
        parts.last_answer(request)
        for name, value in usual.items():
            response.headers.setdefault(name, value)

    for blueprint in (
        api.reads(parts),
        api.node(parts),
        api.operators(parts),
        cluster.cluster(parts),
        peer.peer(parts),
        metrics.metrics(parts),
        pages.pages(parts),
        files.clips(parts),
        files.assets(parts),
    ):
        blueprint.middleware(sign, "response")
        app.blueprint(blueprint)
    # Views go unsigned: they are what a node spends its time on, and one more header costs a tenth
    # of it.
    app.blueprint(api.views(parts))
    return app


def _parts(settings: Settings, videos: Mapping[str, Video], store: Store, url: str) -> Parts:
    if not videos and not settings.open:
        _log.warning("neither --media with clips nor --open: this node counts no video at all")
    me = Hello(settings.name, secrets.token_hex(8), url)
    replica = Replica(
        me,
        started_ms=time.time_ns() // 1_000_000,
        chance=random.SystemRandom().randrange,
        now=time.monotonic(),
        grace_s=settings.fold_grace_s,
        retire_after_s=settings.retire_after_s,
    )
    keeper = Keeper(
        replica,
        store,
        key_lifetime_s=settings.key_lifetime_s,
        peers_timeout_s=settings.peers_timeout_s,
    )
    parts = Parts(
        settings=settings,
        catalogue=videos,
        keeper=keeper,
        mesh=Mesh(
            me,
            settings.peers,
            secret=settings.secret,
            keeper=keeper,
            heard_of=replica.peers.alive if settings.discover else dict,
            gone=replica.gone,
        ),
        watchers=Watchers(settings.name, replica.snapshot),
        guard=Guard(settings.secret),
        readiness=Readiness(),
        departure=Departure(stored=settings.data != MEMORY),
        embedders=Embedders(settings.embed_origins),
    )
    parts.listed.add(videos)

    def show(changed: set[str]) -> None:
        parts.watchers.changed(changed)
        if settings.open:
            parts.listed.add(changed)

    keeper.on_change = show
    keeper.transport = parts.mesh
    keeper.unmet = lambda: parts.mesh.unmet(replica.heard)
    return parts


async def _announce(parts: Parts, url: str) -> None:
    settings = parts.settings
    in_time = await parts.readiness.wait(
        parts.mesh.tried, parts.keeper.replica.caught_up, timeout_s=settings.join_timeout_s
    )
    if not in_time:
        _log.warning(
            "not caught up with all peers after %d s; serving what is here", settings.join_timeout_s
        )
    if not parts.departure.stays:
        return
    # For people, and for programs that wait for it.
    print(f"ready: node {settings.name} at {url}", flush=True)


async def _goodbye(server: AsyncioServer, parts: Parts) -> None:
    """Take no more connections, let the open ones end, and end those that don't."""
    closing = server.close()
    parts.watchers.close()
    begun, waited_s = time.monotonic(), 0.0
    # One that doesn't end even when it is cut off is left to the end of the process.
    while server.connections and waited_s < LONG_GOODBYE_S + GOODBYE_S:
        waited_s = time.monotonic() - begun
        for connection in tuple(server.connections):
            patience_s = LONG_GOODBYE_S if connection.is_being_read else GOODBYE_S
            if waited_s > patience_s or parts.departure.hurried:
                connection.abort()
            else:
                connection.close_if_idle()
        await asyncio.sleep(0.02)
    if closing:
        await closing


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("a part of this node has failed; restart it", exc_info=error)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, DataError):
        await task


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise NodeError(
                f"port {port} on {host} is taken, perhaps by another node; choose another --port"
            ) from None
        raise NodeError(f"can't listen on {host}:{port}: {error.strerror or error}") from None


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # Comes with Sanic where there is one for the platform.
    except ImportError:
        return None
    return uvloop.new_event_loop
