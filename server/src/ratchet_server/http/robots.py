"""Views of robots that say who they are: search engines open pages and run their scripts.

A list of all known robots is no use here: the kept ones (crawler-user-agents, isbot) also have the
names of HTTP libraries, with which back ends count. So only those are refused that call themselves
robots. Robots that pretend to be people can't be told from them.
"""

import re
from functools import lru_cache
from typing import Final

from sanic import Request

from ratchet_server.http.errors import ApiError
from ratchet_server.settings import Robots as Rule

# Phones of the brand Cubot have the word in their name.
_ROBOT: Final = re.compile(
    r"(?<!cu)bot|crawl|spider|slurp|mediapartners|inspectiontool", re.IGNORECASE
)


class Robots:
    """Checks who sends a view."""

    def __init__(self, rule: Rule) -> None:
        self._refuses = rule == "refuse"

    def may_count(self, request: Request) -> None:
        """Raises `ApiError` if the sender calls itself a robot."""
        if self._refuses and is_robot(request.headers.get("user-agent", "")):
            raise ApiError(
                403,
                "robot",
                "The User-Agent of this request is that of a robot, so the view was not counted. "
                "With RATCHET_ROBOTS=count, a node counts views of robots, too.",
            )


# Few names send most views, and this is asked for every view.
@lru_cache(maxsize=1024)
def is_robot(user_agent: str) -> bool:
    """Whether it is the name of a robot."""
    return bool(_ROBOT.search(user_agent))
