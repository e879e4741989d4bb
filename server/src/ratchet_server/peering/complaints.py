"""Logs what peers do wrong: each fault once a minute, however often it happens."""

import logging

from ratchet_server.log_throttle import LogThrottle

_log = logging.getLogger(__name__)


class Complaints:
    """The complaints of one transport."""

    def __init__(self) -> None:
        self._throttle = LogThrottle()

    def log(self, who: str, what: str, *, loud: bool) -> None:
        """`loud`: as a warning. Be quiet about addresses that only peers report: anything may be
        there."""
        if not loud:
            _log.debug("peer %s %s", who, what)
        elif self._throttle.due((who, what)):
            _log.warning("peer %s %s", who, what)
