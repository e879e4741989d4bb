"""A person in front of the page: opens, plays and reloads it, and remembers all that it showed."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect

WITNESS: Final = Path(__file__).with_name("witness.js")
# For whatever needs Pyodide, on a machine that does other things, too.
PATIENCE_MS: Final = 45_000
# What the browser itself says in red when a request fails, or a script may not have it.
# The page can't prevent it.
_NETWORK: Final = re.compile(r"Failed to load resource|WebSocket connection to|net::ERR_")
_RED: Final = re.compile(
    r"error|fail|refuse|denied|exception|undefined|\bNaN\b|\bnull\b|sorry|problem", re.IGNORECASE
)

expect.set_options(timeout=PATIENCE_MS)


class Viewer:
    """One tab on one video's page. `complaints` are what she could have seen go wrong."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.add_init_script(path=WITNESS)
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        # The keys under which her views were sent, one for each attempt.
        self.sent: list[str] = []
        self.page.on("request", self._request)
        self.number: Locator = self.page.get_by_test_id("views")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _NETWORK.search(message.text):
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if request.method == "POST" and "idempotency-key" in request.headers:
            self.sent.append(request.headers["idempotency-key"])

    # -- what she does ---------------------------------------------------------------------

    def open(self, site: str, video: str, *, debug: bool = True) -> None:
        """Go to the video's page."""
        self.page.goto(f"{site}/watch/{video}{'?debug' if debug else ''}")

    def reload(self) -> None:
        """As with the browser's button."""
        self.page.reload()

    def play(self) -> None:
        """Click on the clip, and see it play."""
        self.page.locator("#player").click()
        self._clip("!player.paused && player.currentTime > 0")

    def pause(self) -> None:
        """Click on the clip that plays."""
        self.page.locator("#player").click()
        self._clip("player.paused")

    def skip_to_the_end(self) -> None:
        """Skip to just before the clip's end, and see it end."""
        player = self.page.locator("#player")
        player.evaluate("player => { player.currentTime = player.duration - 0.2; }")
        self._clip("player.ended")

    def asks(self, path: str) -> dict[str, Any]:
        """What this page's node answers to a GET by the page."""
        answer: dict[str, Any] = self.page.evaluate(
            "async path => (await fetch(path)).json()", path
        )
        return answer

    def has_sent(self, attempts: int) -> None:
        """Wait until she has tried so often to have her views counted."""
        while len(self.sent) < attempts:
            self.page.wait_for_event("request", lambda request: request.method == "POST")

    def load_the_clip(self) -> None:
        """Wait until all of the clip is here, so that it plays without its node."""
        self.page.locator("#player").evaluate("player => { player.preload = 'auto'; }")
        self._clip("player.readyState === 4 && player.buffered.end(0) >= player.duration - 0.1")

    def _clip(self, condition: str) -> None:
        """Wait until it holds for the `player`."""
        self.page.wait_for_function(
            f"() => {{ const player = document.getElementById('player'); return {condition}; }}"
        )

    def use_storage(self, kind: str) -> None:
        """The choice in the panel: "indexeddb", "localstorage" or "off"."""
        self.page.get_by_test_id("storage-switch").select_option(kind)

    # -- what she sees ---------------------------------------------------------------------

    def sees(self, views: int) -> None:
        """Wait until the page shows `views`, as text and for scripts."""
        expect(self.number).to_have_attribute("data-value", str(views))
        expect(self.number).to_have_text(f"{views:,}")

    @property
    def shown(self) -> list[int]:
        """Every number that this load of the page has shown until now, in order."""
        numbers: list[int] = self.page.evaluate(
            """async () => {
                const frame = () => new Promise(requestAnimationFrame);
                await frame();
                await frame(); // what stands there now has been painted
                return witness.numbers;
            }"""
        )
        return numbers

    @property
    def page_node(self) -> str:
        """The node that answered the page."""
        return self.page.locator("html").get_attribute("data-node") or ""

    def hears(self) -> str:
        """Wait for the first message; the node from which it came."""
        heard = self.page.get_by_test_id("panel-node-socket")
        expect(heard).to_have_text(re.compile("^[a-z]$"))
        return heard.text_content() or ""

    def received(self, views: int, node: str) -> None:
        """Wait until the last snapshot that came is `node`'s, and counts `views`."""
        expect(self.page.get_by_test_id("panel-node-socket")).to_have_text(node)
        self.page.wait_for_function(
            """views => {
                const panel = document.querySelector('[data-testid="panel-received"]');
                if (!panel?.textContent.startsWith('{')) return false;
                const {base, slots} = JSON.parse(panel.textContent);
                return Object.values(slots).reduce((a, b) => a + b, base) === views;
            }""",
            arg=views,
        )

    def merged(self, views: int) -> Mapping[str, Any]:
        """Wait until the merge in this page comes to `views`; the state that it has stored."""
        self.page.wait_for_function(
            """views => {
                const panel = document.querySelector('[data-testid="panel-stored"]');
                if (!panel?.textContent.startsWith('{')) return false;
                const {base, slots} = JSON.parse(panel.textContent);
                return Object.values(slots).reduce((a, b) => a + b, base) === views;
            }""",
            arg=views,
        )
        state: Mapping[str, Any] = json.loads(self.panel("stored"))
        return state

    def panel(self, part: str) -> str:
        """What stands in this part of the debug panel."""
        return self.page.get_by_test_id(f"panel-{part}").text_content() or ""

    def panel_says(self, part: str, text: str) -> None:
        """Wait until this part of the debug panel contains `text`."""
        expect(self.page.get_by_test_id(f"panel-{part}")).to_contain_text(text)

    def sees_nothing_red(self) -> None:
        """No word of trouble on the page (its debug panel is closed), and none in the console."""
        expect(self.page.get_by_test_id("panel")).to_be_hidden()
        text = self.page.locator("body").inner_text()
        assert not _RED.search(text), text
        assert not self.complaints
