"""A node as an operator calls it: JSON over HTTP, with the cluster's secret."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, BinaryIO, Final, NoReturn, Self

import httpx

from ratchet_server.operator.terminal import note, progress
from ratchet_server.settings import check_url

# For each step of a call: to connect, to send, to wait for the next part of the response.
CALL_TIMEOUT_S: Final = 10
# A node copies some hundred megabytes a second before it sends the copy.
_PREPARED_S: Final = 600
_PART_BYTES: Final = 2**20


class CallError(Exception):
    """A node can't be called, or it refuses. The message says which node, and why."""


class Unreachable(CallError):
    """Nothing listens at the address."""


class Refused(CallError):
    """The node refuses the call."""

    def __init__(self, text: str, body: dict[str, Any]) -> None:
        super().__init__(text)
        # The node's response.
        self.body = body


class Client:
    """Calls one node. Use it in a `with` statement."""

    def __init__(self, url: str, secret: str | None) -> None:
        """Raises `SettingError` when `url` is not http(s)://host:port."""
        self.url = check_url(url)
        self._secret = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            timeout=CALL_TIMEOUT_S,
            # Use no proxy from the environment between an operator and a node.
            trust_env=False,
            # Trust this machine's certificate authorities, not httpx's list: TLS in front of a node
            # is often signed by an authority of the operator's own.
            verify=ssl.create_default_context(),
            # Keep no connection open: a stopping node would have to wait for it.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str) -> dict[str, Any]:
        """The response to GET `path`. Raises `CallError`."""
        return self._call("GET", path)

    def post(self, path: str, body: object = None) -> dict[str, Any]:
        """The response to POST `path` with `body` as JSON. Raises `CallError`."""
        return self._call("POST", path, body)

    def download(self, path: str, to: BinaryIO) -> None:
        """Write the response to POST `path` to a file, and show the progress. The node may take
        long until it responds. Raises `CallError`, and `OSError` of the file."""
        timeout = httpx.Timeout(CALL_TIMEOUT_S, read=_PREPARED_S)
        note(f"Waiting until {self.url} has copied its data ...")
        with (
            self._named(),
            self._http.stream("POST", path, headers=self._secret, timeout=timeout) as response,
        ):
            if not response.is_success:
                response.read()
                self._refuse(response)
            size = int(response.headers.get("Content-Length", 0))
            with progress(size) as came:
                for part in response.iter_bytes(_PART_BYTES):
                    to.write(part)
                    came(len(part))
        to.flush()

    def not_of_this_version(self) -> CallError:
        """The error for a response that lacks a field: every node of this version sends it."""
        return CallError(f"{self.url} is no Ratchet node of this version")

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        with self._named():
            # Only calls that change something need the secret. They follow no redirection: it could
            # lead the secret to anybody, and a POST would arrive there as a GET.
            changes = method != "GET"
            response = self._http.request(
                method,
                path,
                json=body,
                headers=self._secret if changes else {},
                follow_redirects=not changes,
            )
        if not response.is_success:
            self._refuse(response)
        answer = _object(response)
        if answer is None:
            raise CallError(f"{self.url} is no Ratchet node: it doesn't answer with a JSON object")
        return answer

    def _refuse(self, response: httpx.Response) -> NoReturn:
        body = _object(response) or {}
        reason = body.get("message") or response.reason_phrase
        raise Refused(f"{self.url} refused ({response.status_code}): {reason}", body)

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
