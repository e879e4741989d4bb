"""The composition root: makes the parts of a node, connects them, runs them, and stops them."""

import asyncio
import contextlib
import gc
import logging
import random
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ratchet.frames import Hello
from ratchet.options import Options
from ratchet.replica import Replica

from ratchet_server import logs, open_files, signals, supervisor
from ratchet_server.counting import datadir
from ratchet_server.counting.datadir import DATABASE, DataError
from ratchet_server.counting.departure import Departure
from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.life import Life
from ratchet_server.counting.readiness import Readiness
from ratchet_server.counting.refusals import Stopping
from ratchet_server.counting.store import Store
from ratchet_server.crash_points import reached
from ratchet_server.http import files
from ratchet_server.http.app import App, application
from ratchet_server.http.backup import backup
from ratchet_server.http.batch import batch
from ratchet_server.http.catalogue import Catalogue
from ratchet_server.http.changes import Changes, changes
from ratchet_server.http.cluster import cluster
from ratchet_server.http.core_for_others import core_for_others
from ratchet_server.http.description import description
from ratchet_server.http.elsewhere import Elsewhere, urls_of_connected
from ratchet_server.http.embedders import Embedders
from ratchet_server.http.freezes import Freezes
from ratchet_server.http.gate import Gate
from ratchet_server.http.guard import Guard
from ratchet_server.http.hosts import Hosts
from ratchet_server.http.importing import importing
from ratchet_server.http.listed import Listed
from ratchet_server.http.looks import Looks
from ratchet_server.http.metrics import metrics
from ratchet_server.http.metrics.cluster import ClusterCollector
from ratchet_server.http.metrics.counting import CountingCollector
from ratchet_server.http.metrics.serving import ServingCollector
from ratchet_server.http.operators import operators
from ratchet_server.http.pages import pages
from ratchet_server.http.peer import peer
from ratchet_server.http.reads import reads
from ratchet_server.http.robots import Robots
from ratchet_server.http.room import Room
from ratchet_server.http.server import ListenError, listen, serving, url_of
from ratchet_server.http.shared_catalogue import Shared, shared_catalogue
from ratchet_server.http.sites import Sites
from ratchet_server.http.tally import Tally
from ratchet_server.http.this_node import this_node
from ratchet_server.http.today import Today
from ratchet_server.http.top import Top
from ratchet_server.http.videos import Videos
from ratchet_server.http.views import views
from ratchet_server.http.watchers import Watchers
from ratchet_server.output import say
from ratchet_server.peering.addresses import SHARED_S, Addresses
from ratchet_server.peering.bus.envelope import Seal
from ratchet_server.peering.bus.kinds import checked_bus
from ratchet_server.peering.bus.port import Bus
from ratchet_server.peering.bus.transport import BusTransport
from ratchet_server.peering.gossip import Gossip
from ratchet_server.peering.mesh import Mesh
from ratchet_server.peering.on_demand import OnDemand
from ratchet_server.peering.ports import Discovery
from ratchet_server.peering.registry.finder import Finder
from ratchet_server.peering.registry.known import finders
from ratchet_server.peering.routes import Routes
from ratchet_server.peering.sightings import Sightings
from ratchet_server.peering.static import Static
from ratchet_server.peering.together import together
from ratchet_server.settings import MEMORY, OnTerm, SettingError, Settings

# The exit codes of the process.
OK: Final = 0
SUPERSEDED: Final = 3

_log = logging.getLogger(__name__)


class NodeError(Exception):
    """The node can't start or go on. The message says why and how to mend it."""


def run(settings: Settings) -> int:
    """Run a node until it stops, and return the process's exit code. Raises `NodeError`."""
    try:
        # Check everything that can be wrong here, before the node writes anything.
        catalogue, listed = Catalogue(settings.media), Listed(settings.videos)
        buses = [checked_bus(url, settings.secrets) for url in settings.buses]
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(listen(settings.host, settings.port))
            found_by = finders(settings.registries, settings.advertise or url_of(sock))
            path = None
            if isinstance(settings.data, Path):
                path = stack.enter_context(datadir.locked(settings.data))
            runner = stack.enter_context(asyncio.Runner(loop_factory=_loop_factory()))
            return runner.run(_live(settings, catalogue, listed, buses, found_by, path, sock))
    except (DataError, ListenError, SettingError) as error:
        raise NodeError(str(error)) from None


async def _live(
    settings: Settings,
    catalogue: Catalogue,
    listed: Listed,
    buses: Sequence[Bus],
    registries: Sequence[Finder],
    path: Path | None,
    sock: socket.socket,
) -> int:
    """The life of the node: listen, load, count, stop."""
    url = url_of(sock)
    async with AsyncExitStack() as stack:
        store = await Store.open(path)
        stack.push_async_callback(store.close)
        node = _node(settings, catalogue, listed, buses, registries, store, url)
        keeper, departure = node.keeper, node.departure
        # Listen for signals first, because a signal must stop a node that is still starting, too.
        looks = Looks([catalogue, listed])
        stack.enter_context(_signals(departure, settings.on_term, looks))
        stop_requested = await stack.enter_async_context(_task(departure.stop_requested.wait()))
        # Responses that have begun go on for a while when the node stops, also with others' clips.
        stack.push_async_callback(node.elsewhere.close)
        reached("start-listening")
        await stack.enter_async_context(serving(node.app, sock, node.end_streams, departure))

        load = await stack.enter_async_context(_task(keeper.load()))
        await asyncio.wait((load, stop_requested), return_when=asyncio.FIRST_COMPLETED)
        if not load.done() and not departure.leaving:
            keeper.refuse(Stopping)
            return OK
        # A node that leaves for good must first read its data, so that it can hand them over.
        await load
        reached("start-loaded")
        _list_counted(node)
        # Most objects in memory now will stay. Without this, each full garbage collection would
        # search all of them again.
        gc.freeze()

        work = asyncio.create_task(keeper.run())
        # Together, so that they withdraw this node's address at the same time.
        discoveries = together(discovery.run(keeper.replica.me) for discovery in node.discoveries)
        readiness = _become_ready(node, url, settings)
        for part in (
            node.routes.run(keeper),
            node.freezes.run(),
            looks.run(),
            node.top.run(),
            node.today.top.run(),
            node.elsewhere.run(),
            discoveries,
            readiness,
        ):
            await stack.enter_async_context(_background(part, departure))
        superseded = await stack.enter_async_context(_task(keeper.superseded.wait()))
        await asyncio.wait((work, stop_requested, superseded), return_when=asyncio.FIRST_COMPLETED)
        supervisor.tell("STOPPING=1")
        if not work.done():
            departing = await stack.enter_async_context(_task(departure.depart()))
            await asyncio.wait((work, departing), return_when=asyncio.FIRST_COMPLETED)
        keeper.end()
        await work
    if departure.failure:
        raise NodeError(
            f"a part of this node has failed, so it has stopped: {departure.failure!r}; the "
            "log says where. Start the node again"
        )
    reason = keeper.replica.tenure.superseded
    if reason and not departure.stop_requested.is_set():
        _log.error(
            "%s. This process stops, because the newest process of a name goes on. If you start it "
            "again, give it a --name of its own: otherwise it would stop the other one in turn",
            reason,
        )
        return SUPERSEDED
    return OK


@dataclass(frozen=True)
class _Node:
    """The parts that `_live` runs or stops."""

    name: str
    keeper: Keeper
    routes: Routes
    discoveries: Sequence[Discovery]
    readiness: Readiness
    departure: Departure
    videos: Videos
    top: Top
    today: Today
    elsewhere: Elsewhere
    end_streams: Sequence[Callable[[], None]]
    freezes: Freezes
    app: App


def _list_counted(node: _Node) -> None:
    """Tell the lists of videos what the data has. (A million ids stay in memory no longer.)"""
    counted = node.keeper.replica.table.videos()
    node.videos.counted(counted)
    node.top.changed(counted)


def _node(
    settings: Settings,
    catalogue: Catalogue,
    listed: Listed,
    reached: Sequence[Bus],
    registries: Sequence[Finder],
    store: Store,
    listening: str,
) -> _Node:
    """Make every part, with the parts that it needs. `reached`: the buses of the settings.
    `listening`: the URL of the socket."""
    # Where peers reach this node.
    url = settings.advertise or listening
    if settings.media is None and settings.videos is None and not settings.open:
        _log.warning(
            "this node counts only the videos of other nodes: give it --media with clips, --videos "
            "with a list of ids, or --open"
        )
    me = Hello(settings.name, secrets.token_hex(8), url)
    replica = Replica(
        me,
        wall_ms=lambda: time.time_ns() // 1_000_000,
        chance=random.SystemRandom().randrange,
        now=time.monotonic(),
        options=Options(
            grace_s=settings.fold_grace_s,
            retire_after_s=settings.retire_after_s,
            retention_s=settings.forget_after_s,
            kept_days=settings.days,
            # A discovery that needs no --peer must be named here, too.
            sent=bool(settings.peers or registries or settings.buses),
        ),
    )
    started = time.monotonic()
    watchers = Watchers(settings.name, replica.table.snapshot)

    shared = Shared(catalogue)
    elsewhere = Elsewhere(
        settings.name,
        shared,
        connected=lambda: urls_of_connected(routes, mesh),
        is_gone=replica.table.is_gone,
    )
    videos = Videos(
        lambda: catalogue.videos,
        lambda: elsewhere.videos,
        listed,
        open_to_any=settings.open,
        most=settings.max_videos,
    )

    streams = Changes()
    top = Top(lambda some: map(replica.journal.shown, some), lambda: videos.named)
    today = Today(replica.table, lambda: videos.named)

    def show(changed: set[str]) -> None:
        watchers.changed(changed)
        videos.counted(changed)
        top.changed(changed)
        today.top.changed(changed)
        streams.changed(changed)

    on_demand = OnDemand()
    discoveries: list[Discovery] = [Static(settings.peers), *registries, on_demand]
    # On a bus the nodes hear each other without sockets between them.
    if settings.discover or (settings.discover is None and not settings.buses):
        discoveries.append(Gossip(replica.peers.alive))
    addresses = Addresses(
        me,
        discoveries,
        replica.table.is_gone,
        member=lambda node: node in replica.table.newest,
    )
    mesh = Mesh(
        me,
        addresses,
        replica.identity,
        secret=next(iter(settings.secrets), None),
    )
    buses = [
        BusTransport(
            str(to),
            bus,
            me,
            replica.identity,
            Seal(to.cluster, settings.secrets),
            is_settled=lambda: replica.table.settled,
            sends_much=on_demand.want,
        )
        for to, bus in zip(settings.buses, reached, strict=True)
    ]
    routes = Routes([mesh, *buses])

    def unfound() -> int:
        """At how many places, given to this node, it has not found its cluster yet."""
        up_s = time.monotonic() - started
        # A cluster that is cut in two at its birth, for longer than the grace, is not expected.
        patience_s = min(SHARED_S, settings.fold_grace_s)
        has_found = replica.identity.has_found
        return addresses.unfound(has_found, up_s) + sum(
            bus.unfound(has_found, up_s=up_s, patience_s=patience_s) for bus in buses
        )

    keeper = Keeper(
        replica,
        store,
        key_lifetime_s=settings.key_lifetime_s,
        peers_timeout_s=settings.peers_timeout_s,
        send=routes.send,
        unmet=lambda: routes.unmet(replica.table.nodes()),
        unfound=unfound,
        show=show,
    )

    readiness = Readiness()
    freezes = Freezes()
    departure = Departure(keeper, stored=settings.data != MEMORY)
    life = Life(readiness, departure)
    gate, guard = Gate(life), Guard(settings.secrets)
    room = Room(open_files.raise_limit())
    hosts = Hosts.of_node(settings.allowed_hosts, host=settings.host, url=url, listening=listening)
    sightings = Sightings(mesh, buses)
    tally = Tally()
    database = None if settings.data == MEMORY else settings.data / DATABASE
    embedders, sites = Embedders(settings.embed_origins), Sites(settings.count_origins)
    robots = Robots(settings.robots)
    app = application(
        settings.name,
        gate,
        room,
        hosts,
        tally,
        signed=(
            reads(videos, top, today, keeper, watchers, embedders, sites, gate, room),
            changes(streams, replica.table, keeper, guard, gate),
            this_node(keeper, routes, mesh, life, departure, gate),
            operators(settings.name, keeper, departure, guard),
            batch(videos, keeper, guard, freezes, gate, default_ack=settings.ack),
            importing(replica, videos, keeper, guard, gate),
            backup(database, guard),
            cluster(
                replica,
                mesh,
                routes,
                sightings,
                life,
                room,
                given=bool(settings.peers or settings.buses),
                registries=registries,
            ),
            peer(mesh, guard),
            metrics(
                settings.name,
                CountingCollector(keeper, videos, database),
                ServingCollector(life, watchers, room, tally),
                ClusterCollector(keeper, routes, sightings, registries),
            ),
            pages(settings, videos, keeper, embedders, gate),
            shared_catalogue(shared),
            files.clips(catalogue, elsewhere),
            files.assets(settings.page),
            core_for_others(settings.page),
            description(),
        ),
        # Responses to views are not signed: a node spends most of its time on them. They write
        # their heads themselves (`whole_response`), so no middleware can add a header.
        unsigned=(views(videos, keeper, sites, robots, freezes, gate, default_ack=settings.ack),),
    )
    return _Node(
        settings.name,
        keeper,
        routes,
        discoveries,
        readiness,
        departure,
        videos,
        top,
        today,
        elsewhere,
        (watchers.close, streams.close),
        freezes,
        app,
    )


async def _become_ready(node: _Node, url: str, settings: Settings) -> None:
    """Wait until the node has caught up, or as long as it may, and announce that it is ready."""
    timeout_s = settings.join_timeout_s

    def settled() -> bool:
        return node.routes.settled() and node.elsewhere.settled()

    in_time = await node.readiness.wait(
        settled, node.keeper.replica.talk.caught_up, timeout_s=timeout_s
    )
    if not in_time:
        _log.warning(
            "not caught up with all peers after %d s: numbers may be too small until it has. If "
            "that takes longer as a rule, raise RATCHET_JOIN_TIMEOUT",
            timeout_s,
        )
    if not node.departure.stop_requested.is_set():
        # People read this line, and programs wait for it.
        say(logs.as_line(f"ready: node {node.name} at {url}", settings.log_format))
        supervisor.tell("READY=1")


@contextlib.contextmanager
def _signals(departure: Departure, on_term: OnTerm, looks: Looks) -> Iterator[None]:
    """Inside, a signal stops the node, or makes it read its catalogue and its list. A second signal
    that stops makes it skip all waits."""
    loop = asyncio.get_running_loop()

    def handle(number: int) -> None:
        if number == signals.READ_AGAIN and not signals.terminal_is_gone():
            looks.now()
            return
        if departure.stop_requested.is_set():
            departure.hurry()
        leave = number == signal.SIGQUIT or (number == signal.SIGTERM and on_term == "leave")
        departure.request_stop(leave=leave)

    with signals.listening(lambda number: loop.call_soon_threadsafe(handle, number)):
        yield


@contextlib.asynccontextmanager
async def _background(work: Coroutine[Any, Any, None], departure: Departure) -> AsyncIterator[None]:
    """Run a part in the background. If it fails, the node stops: it must not go on counting without
    its peers, or without ever becoming ready."""

    async def run() -> None:
        try:
            await work
        except Exception as error:
            _log.error("a part of this node has failed; the node stops", exc_info=error)
            departure.fail(error)

    async with _task(run()):
        yield


@contextlib.asynccontextmanager
async def _task(work: Coroutine[Any, Any, object]) -> AsyncIterator[asyncio.Task[object]]:
    """Run `work` as a task. At the end, cancel the task if it isn't done, or raise its error."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, DataError):
            await task


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # Sanic installs it on the platforms that support it.
    except ImportError:
        return None
    return uvloop.new_event_loop
