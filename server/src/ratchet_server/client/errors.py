"""What a call raises."""

from collections.abc import Mapping
from typing import Any, Final

# A node that refuses a view with one of these has surely not counted it.
_SURE: Final = {503, 507}


class CallError(Exception):
    """A node can't be called, or it refuses. The message says which node, and why."""

    # Whether the node may have done what it was asked for all the same.
    unsure = True


class Unreachable(CallError):
    """Nothing listens at the address."""

    unsure = False


class Refused(CallError):
    """The node refuses the call. `code` is the `error` of its response, if that has one;
    `retry_after_s` is when to try again, if the node says so."""

    def __init__(
        self, text: str, status: int, body: Mapping[str, Any], retry_after_s: int | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = str(body.get("error", ""))
        self.retry_after_s = retry_after_s
        # The node's response.
        self.body = body
        self.unsure = status >= 500 and status not in _SURE
