"""The ways in which a browser, or something around it, refuses what the page asks for."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.sync_api import BrowserContext, Route

# An init script does not reach workers, so a test puts these lines in front of the worker's script.
_IN_WORKER: Final = """
indexedDB.open = () => { throw new DOMException('refused by the test', 'SecurityError'); };
"""


@dataclass(frozen=True)
class Refusal:
    """One refusal. It worked if `part` of the debug panel shows `says` afterwards."""

    name: str
    apply: Callable[[BrowserContext], object]
    part: str
    says: str


def own_worker(context: BrowserContext) -> None:
    """Give each tab a worker of its own: a test can't intercept a shared worker's files."""
    context.add_init_script(script="delete window.SharedWorker;")


def _abort(pattern: str) -> Callable[[BrowserContext], object]:
    return lambda context: context.route(pattern, lambda route: route.abort())


def _throws(name: str) -> Callable[[BrowserContext], object]:
    script = (
        f"Object.defineProperty(window, '{name}', "
        "{get() { throw new DOMException('refused by the test', 'SecurityError'); }});"
    )
    return lambda context: context.add_init_script(script=script)


def _all(*refusals: Callable[[BrowserContext], object]) -> Callable[[BrowserContext], object]:
    return lambda context: [refuse(context) for refuse in refusals]


def _worker_without_indexeddb(context: BrowserContext) -> None:
    def change(route: Route) -> None:
        worker = route.fetch().text()
        route.fulfill(body=_IN_WORKER + worker, content_type="text/javascript")

    own_worker(context)
    context.route("**/merge-worker.js", change)


def _closed_websocket(context: BrowserContext) -> None:
    context.route_web_socket("**/live*", lambda socket: socket.close())


REFUSALS: Final = (
    Refusal("pyodide blocked", _all(own_worker, _abort("**/pyodide/**")), "merge", "off"),
    Refusal("worker blocked", _all(own_worker, _abort("**/merge-worker.js")), "merge", "off"),
    Refusal("no workers", _all(_throws("SharedWorker"), _throws("Worker")), "merge", "off"),
    Refusal("websocket closed", _closed_websocket, "live", "events"),
    Refusal("websocket throws", _throws("WebSocket"), "live", "events"),
    Refusal(
        "websocket and events blocked",
        _all(_closed_websocket, _abort("**/events*")),
        "live",
        "polling",
    ),
    Refusal("indexeddb refused", _throws("indexedDB"), "storage", "localstorage"),
    Refusal(
        "indexeddb refused in the worker", _worker_without_indexeddb, "storage", "localstorage"
    ),
    Refusal("localstorage throws", _throws("localStorage"), "log", "local storage is refused"),
)


def refuse_to_store(profile: Path) -> None:
    """Make a profile whose owner blocks all cookies: pages can store nothing in it."""
    preferences = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (profile / "Default").mkdir(parents=True)
    (profile / "Default" / "Preferences").write_text(json.dumps(preferences))


def refused(name: str) -> Refusal:
    """The refusal of this name."""
    return next(refusal for refusal in REFUSALS if refusal.name == name)
