"""A registry: etcd, version 3.4 or later, by its JSON gateway.

Each process has a key under the cluster's prefix: `prefix/process`. A lease holds it.
"""

from base64 import b64decode, b64encode
from collections.abc import Collection
from contextlib import aclosing
from typing import Any

from ratchet_server.peering.ports import Address
from ratchet_server.peering.registry.calls import Calls, refused, understood
from ratchet_server.peering.registry.entries import read, written
from ratchet_server.peering.registry.port import MOST_ENTRIES, RegistryError, check_number
from ratchet_server.settings.registries import RegistryUrl


class Etcd:
    """One cluster's prefix in etcd."""

    announces = True

    def __init__(self, url: RegistryUrl, *, lease_s: float) -> None:
        self._calls = Calls(url.servers, tls=url.tls)
        self._prefix = f"{url.name}/"
        self._lease_s = lease_s
        self._login = url.token
        self._headers: dict[str, str] = {}
        # The id of our lease.
        self._lease: str | None = None
        # Our key, and whether the last look saw it.
        self._key = ""
        self._is_held = False
        # The version of the whole store that the last look saw.
        self._revision = 0

    async def look(self) -> Collection[Address]:
        # A linearizable read, etcd's default: of two nodes that announce themselves and then look,
        # one sees the other.
        answer = await self._post("kv/range", self._range() | {"limit": str(MOST_ENTRIES + 1)})
        with understood():
            self._revision = int(answer["header"]["revision"])
            held = {_plain(it["key"]): _plain(it.get("value", "")) for it in answer.get("kvs", ())}
        check_number(len(held))
        self._is_held = self._key in held
        return [read(key.removeprefix(self._prefix), text) for key, text in held.items()]

    async def wait(self, at_most_s: float) -> None:  # noqa: ARG002  # `Finder` bounds the wait
        watch = {"create_request": self._range() | {"start_revision": str(self._revision + 1)}}
        lines = self._calls.lines("/v3/watch", body=watch, headers=self._headers)
        async with aclosing(lines):
            async for line in lines:
                with understood():
                    # The first line says that the watch exists. A watch is cancelled if the store
                    # has forgotten what was so long ago.
                    if line["result"].get("events") or line["result"].get("canceled"):
                        return
        raise RegistryError("has ended a watch")

    async def announce(self, own: Address) -> None:
        self._key = f"{self._prefix}{own.process}"
        if self._lease and self._is_held:
            answer = await self._post("lease/keepalive", {"ID": self._lease})
            with understood():
                if int(answer["result"].get("TTL", 0)) > 0:
                    return
        self._lease = None
        answer = await self._post("lease/grant", {"TTL": str(max(1, round(self._lease_s)))})
        with understood():
            self._lease = str(answer["ID"])
        key, value = _coded(self._key), _coded(written(own))
        await self._post("kv/put", {"key": key, "value": value, "lease": self._lease})

    async def withdraw(self) -> None:
        if self._lease:
            await self._post("lease/revoke", {"ID": self._lease})

    async def close(self) -> None:
        await self._calls.close()

    def _range(self) -> dict[str, str]:
        # All keys that begin with the prefix: up to the prefix with a larger last character.
        end = self._prefix[:-1] + chr(ord(self._prefix[-1]) + 1)
        return {"key": _coded(self._prefix), "range_end": _coded(end)}

    async def _post(self, path: str, body: dict[str, str]) -> Any:
        if self._login and not self._headers:
            await self._log_in(self._login)
        answer = await self._calls.call("POST", f"/v3/{path}", body=body, headers=self._headers)
        if answer.status != 200:
            # Its token may have expired.
            self._headers = {}
            raise refused(answer)
        return answer.body

    async def _log_in(self, login: str) -> None:
        name, _, password = login.partition(":")
        body = {"name": name, "password": password}
        answer = await self._calls.call("POST", "/v3/auth/authenticate", body=body)
        if answer.status != 200:
            raise refused(answer)
        with understood():
            self._headers = {"Authorization": str(answer.body["token"])}


def _coded(text: str) -> str:
    return b64encode(text.encode()).decode()


def _plain(text: str) -> str:
    return b64decode(text).decode(errors="replace")
