"""Counts the responses of a node: by route and status, with their durations, and errors by code."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from ratchet_server.durations import Durations
from ratchet_server.http.refusals import ERRORS

# The route of a request for a path where there is nothing, or that can't be parsed. Never count by
# path: clients would choose how many series Prometheus keeps.
NO_ROUTE: Final = "none"
_PARAMETER: Final = re.compile(r"<(\w+):[^>]*>")


class Tally:
    """The responses since this process started. Websockets that were opened are not among them."""

    def __init__(self) -> None:
        # By the code in the response's body. All refusals of views are there from the start:
        # otherwise Prometheus would not see the first increase.
        self.errors: Counter[str] = Counter(dict.fromkeys((e.code for e in ERRORS.values()), 0))
        # By Sanic's name of the route, and by status.
        self._responses: dict[tuple[str | None, int], Durations] = {}

    def responded(self, route: str | None, status: int, seconds: float) -> None:
        """A response begins, `seconds` after the node had the head of the request. This is called
        for each view, so it must be cheap."""
        try:
            durations = self._responses[route, status]
        except KeyError:
            durations = self._responses[route, status] = Durations()
        durations.add(seconds)

    def refused(self, code: str) -> None:
        """A response is an error with this code."""
        self.errors[code] += 1

    def by_route_and_status(self) -> Mapping[tuple[str, str], int]:
        """How many responses there were."""
        return {
            (_pattern(route), str(status)): durations.count
            for (route, status), durations in self._responses.items()
        }

    def by_route(self) -> Mapping[str, Durations]:
        """How long they took."""
        routes: dict[str, Durations] = {}
        for (route, _), durations in self._responses.items():
            routes.setdefault(_pattern(route), Durations()).include(durations)
        return routes


def _pattern(route: str | None) -> str:
    """A route as PROTOCOL.md writes it: /api/videos/{video}/views."""
    return NO_ROUTE if route is None else "/" + _PARAMETER.sub(r"{\1}", route)
