"""Sends requests to one node: JSON over HTTP, with the cluster's secret where a call needs it."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar

import httpx
import msgspec

from ratchet_server.client.errors import CallError, Refused, Unreachable
from ratchet_server.settings import check_url

# For each step of a call: to connect, to send, to wait for the next part of the response.
CALL_TIMEOUT_S: Final = 10

T = TypeVar("T")


class Connection:
    """The way to one node."""

    def __init__(self, url: str, secret: str | None, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Raises `SettingError` when `url` is not http(s)://host:port."""
        self.url = check_url(url)
        self._secret = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            timeout=timeout_s,
            # Use no proxy from the environment between an operator and a node.
            trust_env=False,
            # Trust this machine's certificate authorities, not httpx's list: TLS in front of a node
            # is often signed by an authority of the operator's own.
            verify=ssl.create_default_context(),
            # Keep no connection open: a stopping node would have to wait for it.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def close(self) -> None:
        """Close it."""
        self._http.close()

    def get(self, path: str, kind: type[T], **query: object) -> T:
        """The response to GET, as a `kind`. Raises `CallError`."""
        given = {name: str(value) for name, value in query.items() if value is not None}
        with self._named():
            # Without the secret: a redirection could lead it to anybody.
            response = self._http.get(path, params=given or None, follow_redirects=True)
        return self._result(response, kind)

    def post(
        self,
        path: str,
        kind: type[T],
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        secret: bool = True,
    ) -> T:
        """The response to POST, as a `kind`. `secret`: whether the call needs it. Raises
        `CallError`."""
        sent = {**(self._secret if secret else {}), **(headers or {})}
        with self._named():
            # It follows no redirection: it would arrive there as a GET.
            response = self._http.post(path, json=body, params=query, headers=sent)
        return self._result(response, kind)

    @contextmanager
    def download(self, path: str, *, timeout_s: float) -> Iterator[httpx.Response]:
        """The response to POST, to be read bit by bit. `timeout_s`: how long the node may take for
        the next bit. Raises `CallError`."""
        timeout = httpx.Timeout(CALL_TIMEOUT_S, read=timeout_s)
        with (
            self._named(),
            self._http.stream("POST", path, headers=self._secret, timeout=timeout) as response,
        ):
            if not response.is_success:
                response.read()
                self._refuse(response)
            yield response

    def not_of_this_version(self) -> CallError:
        """The error for a response that lacks a field: every node of this version sends it."""
        return CallError(f"{self.url} is no Ratchet node of this version")

    def _result(self, response: httpx.Response, kind: type[T]) -> T:
        if not response.is_success:
            self._refuse(response)
        answer = _object(response)
        if answer is None:
            raise CallError(f"{self.url} is no Ratchet node: it doesn't answer with a JSON object")
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError:
            raise self.not_of_this_version() from None

    def _refuse(self, response: httpx.Response) -> NoReturn:
        body = _object(response) or {}
        reason = body.get("message") or response.reason_phrase
        after = response.headers.get("Retry-After", "")
        raise Refused(
            f"{self.url} refused ({response.status_code}): {reason}",
            response.status_code,
            body,
            int(after) if after.isdecimal() else None,
        )

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Inside, an error of the connection names the node."""
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            text = f"no response from {self.url}: {reason}; does a node run there?"
            nobody = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            raise (Unreachable if nobody else CallError)(text) from None


def _object(response: httpx.Response) -> dict[str, Any] | None:
    """The JSON object in a response; None if it has none."""
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
