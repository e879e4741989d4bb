"""A registry: Consul, by the HTTP API of an agent.

Each process is an instance of the cluster's service. It has a check with a time to live: while the
process renews it, the instance passes. Consul removes an instance a minute after that has ended.
"""

import math
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

from ratchet_server.peering.ports import Address
from ratchet_server.peering.registry.calls import Answer, Calls, refused, understood
from ratchet_server.peering.registry.port import CALL_S, check_number
from ratchet_server.settings.registries import RegistryUrl

# The shortest time that Consul takes. Until then the instance is there, and does not pass.
_REMOVED_AFTER: Final = "1m"


class Consul:
    """One service in Consul."""

    announces = True

    def __init__(self, url: RegistryUrl, *, lease_s: float) -> None:
        self._calls = Calls(url.servers, tls=url.tls)
        self._service = url.name
        self._lease_s = lease_s
        self._headers = {"X-Consul-Token": url.token} if url.token else {}
        # The id of our instance, and whether the last look saw it.
        self._id: str | None = None
        self._is_held = False
        # The version of the service that the last look saw.
        self._index = 1

    async def look(self) -> Collection[Address]:
        answer = await self._health({})
        with understood():
            # It begins again when the servers have lost their data.
            self._index = max(1, int(answer.headers["X-Consul-Index"]))
            found = [_address(it["Service"]) for it in answer.body]
        check_number(len(found))
        self._is_held = any(one.process == self._id for one in found)
        return found

    async def wait(self, at_most_s: float) -> None:
        await self._health(
            {"index": str(self._index), "wait": f"{math.ceil(at_most_s)}s"},
            timeout_s=at_most_s + CALL_S,
        )

    async def announce(self, own: Address) -> None:
        if self._id and self._is_held:
            answer = await self._put(f"check/pass/service:{self._id}")
            if answer.status == 200:
                return
            # 404: the agent has forgotten the instance.
        at = urlsplit(own.url)
        body = {
            "ID": own.process,
            "Name": self._service,
            # For those who look the service up in Consul's DNS.
            "Address": at.hostname,
            "Port": at.port,
            "Meta": {"node": own.node, "url": own.url},
            "Check": {
                "CheckID": f"service:{own.process}",
                "TTL": f"{self._lease_s:g}s",
                "Status": "passing",
                "DeregisterCriticalServiceAfter": _REMOVED_AFTER,
            },
        }
        self._id = own.process
        answer = await self._put("service/register?replace-existing-checks=true", body)
        if answer.status != 200:
            raise refused(answer)

    async def withdraw(self) -> None:
        if self._id:
            await self._put(f"service/deregister/{self._id}")

    async def close(self) -> None:
        await self._calls.close()

    async def _health(self, params: dict[str, str], timeout_s: float = CALL_S) -> Answer:
        answer = await self._calls.call(
            "GET",
            f"/v1/health/service/{self._service}",
            params={"passing": "1"} | params,
            headers=self._headers,
            timeout_s=timeout_s,
        )
        if answer.status != 200:
            raise refused(answer)
        return answer

    async def _put(self, path: str, body: Any = None) -> Answer:
        return await self._calls.call("PUT", f"/v1/agent/{path}", body=body, headers=self._headers)


def _address(instance: dict[str, Any]) -> Address:
    meta = instance["Meta"] or {}
    return Address(str(meta.get("url", "")), str(meta.get("node", "")), str(instance["ID"]))
