"""HTTP calls to the servers of a registry: to the one that answered last, else to the next one."""

import json
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from ratchet_server.peering.registry.port import CALL_S, RegistryError

# `Finder` gives up a whole call after `CALL_S`.
TIMEOUT_S: Final = CALL_S * 0.9
# A thousand entries take a tenth of it in etcd, and half of it in Consul.
_LONGEST: Final = 4 * 2**20
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer. `body`: what its JSON says, or its text if it has none."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Calls:
    """Calls the servers at `servers`, each of the form host:port. `tls`: by HTTPS."""

    def __init__(self, servers: Iterable[str], *, tls: bool) -> None:
        self._servers = deque(servers)
        self._scheme = "https" if tls else "http"
        # No proxy from the environment is asked, and no password file in it. By itself, httpx
        # trusts a list of its own, and not what the system or SSL_CERT_FILE says.
        self._http = httpx.AsyncClient(
            trust_env=False,
            verify=ssl.create_default_context(),
            headers={"Accept-Encoding": "identity"},
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        """One call. Raises `RegistryError` if no good answer comes; an error's status is one."""
        async with self._open(
            method, path, timeout_s, json=body, params=params, headers=headers
        ) as response:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                _check_length(len(content))
            return Answer(response.status_code, response.headers, _parsed(content))

    async def lines(
        self, path: str, *, body: object, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Any, None]:
        """What the JSON of each line says, of an answer that does not end. Close the iterator.
        Raises `RegistryError`."""
        async with self._open("POST", path, None, json=body, headers=headers) as response:
            rest = b""
            async for chunk in response.aiter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")
                _check_length(len(rest))
                for line in lines:
                    yield _parsed(line)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @asynccontextmanager
    async def _open(
        self, method: str, path: str, timeout_s: float | None, **given: Any
    ) -> AsyncIterator[httpx.Response]:
        server, good = self._servers[0], False
        timeout = httpx.Timeout(timeout_s, connect=TIMEOUT_S)
        try:
            async with self._http.stream(
                method, f"{self._scheme}://{server}{path}", timeout=timeout, **given
            ) as response:
                yield response
            good = True
        except httpx.TimeoutException:
            raise RegistryError(f"does not answer at {server}") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise RegistryError(f"can't be reached at {server}: {_shown(error)}") from None
        finally:
            if not good:
                self._servers.rotate(-1)


@contextmanager
def understood() -> Iterator[None]:
    """Inside, take an answer apart. If it lacks something, `RegistryError` is raised."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RegistryError(
            f"answers what this node does not understand: {_shown(error)}"
        ) from None


def refused(answer: Answer) -> RegistryError:
    """The error for an answer that is a refusal."""
    body = answer.body
    why = body.get("message") or body.get("error") if isinstance(body, dict) else body
    return RegistryError(f"refuses ({answer.status}): {_shown(why)}")


def _check_length(size: int) -> None:
    if size > _LONGEST:
        raise RegistryError(f"answers with more than {_LONGEST} bytes")


def _parsed(content: bytes | bytearray) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content.decode(errors="replace")


def _shown(what: object) -> str:
    return str(what or type(what).__name__)[:_SHOWN]
