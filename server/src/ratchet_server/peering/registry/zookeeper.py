"""A registry: ZooKeeper, by kazoo.

Each process has an ephemeral node under the cluster's path: `/path/process`. ZooKeeper removes it
when the process's session ends. kazoo's threads keep the session alive, and reconnect. So only its
asynchronous calls are used, and its callbacks do nothing but wake the loop.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Final

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NodeExistsError, NoNodeError
from kazoo.retry import KazooRetry
from kazoo.security import CREATOR_ALL_ACL

from ratchet_server.peering.ports import Address
from ratchet_server.peering.registry.entries import read, written
from ratchet_server.peering.registry.port import RegistryError, check_number
from ratchet_server.settings.registries import RegistryUrl

# kazoo logs every attempt to connect. `Finder` complains enough.
logging.getLogger("kazoo").setLevel(logging.CRITICAL)

# How soon kazoo tries again to connect, at first and at most.
_BACKOFF_S: Final = (0.1, 3)
# How long to wait for kazoo's threads. A frozen server can hold them up for many seconds.
_CLOSE_S: Final = 1.0


class ZooKeeper:
    """One cluster's path in ZooKeeper."""

    announces = True

    def __init__(self, url: RegistryUrl, *, lease_s: float) -> None:
        self._url = url
        self._path = f"/{url.name}"
        self._lease_s = lease_s
        # None before the first call, and after `_lease_s` without a connection.
        self._session: _Session | None = None
        # Our node in ZooKeeper, and whether the last look saw it.
        self._own: str | None = None
        self._is_held = False

    async def look(self) -> Collection[Address]:
        session = await self._connected()
        session.changed.clear()
        try:
            # The server that we ask may lag behind the others. Without this, two nodes that
            # announce themselves and then look might both not see the other.
            await session.call("sync", self._path)
            keys = await session.call("get_children", self._path, session.wake)
        except NoNodeError:
            keys = []
        check_number(len(keys))
        found = await asyncio.gather(*(self._read(session, key) for key in keys))
        self._is_held = self._own in keys
        return [address for address in found if address]

    async def wait(self, at_most_s: float) -> None:  # noqa: ARG002  # `Finder` bounds the wait
        session = await self._connected()
        await session.changed.wait()

    async def announce(self, own: Address) -> None:
        session = await self._connected()
        if self._is_held and session.is_same:
            return
        path = f"{self._path}/{own.process}"
        self._own = own.process
        with suppress(NoNodeError):
            # It may be of an old session, and end with that.
            await session.call("delete", path)
        with suppress(NodeExistsError):
            await session.call("create", path, written(own).encode(), None, True, False, True)
        session.is_same = True

    async def withdraw(self) -> None:
        """The session ends with `close`, and our node with it."""

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def _read(self, session: "_Session", key: str) -> Address | None:
        try:
            data, _ = await session.call("get", f"{self._path}/{key}")
        except NoNodeError:
            # It has gone in between.
            return None
        return read(key, data.decode(errors="replace"))

    async def _connected(self) -> "_Session":
        """The session, once it has a connection."""
        if self._session and self._session.is_over(self._lease_s):
            # A server that has lost its data refuses clients that know of later data, and kazoo
            # would dial it for ever.
            old, self._session = self._session, None
            await old.close()
        if not self._session:
            self._session = _Session(self._url, self._lease_s)
        await self._session.connected.wait()
        return self._session


class _Session:
    """A client of kazoo, for a loop."""

    def __init__(self, url: RegistryUrl, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.connected = asyncio.Event()
        # Set when the children may have changed, or the connection has ended.
        self.changed = asyncio.Event()
        # Whether the session is the one in which we have announced ourselves.
        self.is_same = False
        self._lost_at = self._loop.time()
        self._client = KazooClient(
            ",".join(url.servers),
            timeout=timeout_s,
            auth_data=[("digest", url.token)] if url.token else None,
            default_acl=CREATOR_ALL_ACL if url.token else None,
            connection_retry=KazooRetry(-1, _BACKOFF_S[0], max_delay=_BACKOFF_S[1]),
        )
        self._client.add_listener(self._notice)
        self._client.start_async()

    def is_over(self, timeout_s: float) -> bool:
        """Whether there has been no connection for so long that the session has ended."""
        return not self.connected.is_set() and self._loop.time() - self._lost_at > timeout_s

    async def call(self, name: str, *arguments: object) -> Any:
        """A call of kazoo's, by its name without `_async`. Raises `NoNodeError`, `NodeExistsError`
        and `RegistryError`."""
        done: asyncio.Future[Any] = self._loop.create_future()

        def settle() -> None:
            if not done.done():
                done.set_result(None)

        result = getattr(self._client, f"{name}_async")(*arguments)
        result.rawlink(lambda _: self._soon(settle))
        await done
        try:
            return result.get_nowait()
        except (NoNodeError, NodeExistsError):
            raise
        except KazooException as error:
            raise RegistryError(f"fails: {type(error).__name__} {error}".strip()) from None

    def wake(self, _event: object) -> None:
        """The callback for watches."""
        self._soon(self.changed.set)

    async def close(self) -> None:
        """End the session, and kazoo's threads, if the server lets them end in time. Otherwise they
        end by themselves, or with this process."""
        ended = asyncio.Event()

        def end() -> None:
            with suppress(KazooException):
                self._client.stop()
                self._client.close()
            self._soon(ended.set)

        # The loop waits for the threads of `to_thread` when it ends, but not for this one.
        threading.Thread(target=end, daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await ended.wait()

    def _notice(self, state: str) -> None:
        """kazoo's listener, in another thread."""
        self._soon(lambda: self._note(state))

    def _soon(self, callback: Callable[[], None]) -> None:
        """Call this in the loop, from any thread."""
        # The loop may be closed already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)

    def _note(self, state: str) -> None:
        self.changed.set()
        if state == "CONNECTED":
            self.connected.set()
        else:
            self.connected.clear()
            self._lost_at = self._loop.time()
            # If only the connection is lost, the session goes on. To announce ourselves once more
            # does no harm.
            self.is_same = False
