"""A person in front of the page: she opens, plays and reloads it, and notes all that it shows."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import (
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
)

WITNESS: Final = Path(__file__).with_name("witness.js")
# Long enough to start Pyodide on a busy machine.
PATIENCE_MS: Final = 45_000
# The browser itself prints these errors when a request fails, or when a script may not read the
# response. The page can't prevent them.
_NETWORK: Final = re.compile(r"Failed to load resource|WebSocket connection to|net::ERR_")
_RED: Final = re.compile(
    r"error|fail|refuse|denied|exception|undefined|\bNaN\b|\bnull\b|sorry|problem", re.IGNORECASE
)

expect.set_options(timeout=PATIENCE_MS)


class Viewer:
    """One tab on one video's page. `complaints` are the errors that she could have seen."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.add_init_script(path=WITNESS)
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        # The keys with which the page sent her views, one for each attempt.
        self.sent: list[str] = []
        self.page.on("request", self._request)
        self._network: CDPSession | None = None
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
        """Reload the page, as the browser's button does."""
        self.page.reload()

    def play(self) -> None:
        """Click on the clip, and wait until it plays."""
        # While the browser knows nothing of the clip, the player takes no click.
        self._clip("player?.readyState > 0")
        self.page.locator("#player").click()
        self._clip("!player.paused && player.currentTime > 0")

    def pause(self) -> None:
        """Click on the playing clip, and wait until it pauses."""
        self.page.locator("#player").click()
        self._clip("player.paused")

    def skip_to_the_end(self) -> None:
        """Skip to just before the clip's end, and wait until it ends."""
        player = self.page.locator("#player")
        player.evaluate("player => { player.currentTime = player.duration - 0.2; }")
        self._clip("player.ended")

    def asks(self, path: str) -> dict[str, Any]:
        """Have the page send GET `path`. Returns the response's JSON."""
        answer: dict[str, Any] = self.page.evaluate(
            "async path => (await fetch(path)).json()", path
        )
        return answer

    def turns_online(self, online: bool) -> None:
        """Give her browser a network, or take it away. (On a machine without a network, a browser
        calls itself offline from the beginning. So there it has to turn online first.)"""
        if not self._network:
            self._network = self.page.context.new_cdp_session(self.page)
            self._network.send("Network.enable")
        # With a network that is perfect, the browser would again say what it finds on this machine.
        speed = {"latency": 1, "downloadThroughput": -1, "uploadThroughput": -1}
        self._network.send("Network.emulateNetworkConditions", {"offline": not online, **speed})

    def has_sent(self, attempts: int) -> None:
        """Wait until the page has sent her views in this many attempts."""
        while len(self.sent) < attempts:
            self.page.wait_for_event("request", lambda request: request.method == "POST")

    def load_the_clip(self) -> None:
        """Wait until the browser has the whole clip and all scripts of the page, so that the clip
        plays and counts without its node."""
        # The panel comes last.
        expect(self.page.get_by_test_id("panel-log")).to_be_attached()
        self.page.locator("#player").evaluate("player => { player.preload = 'auto'; }")
        self._clip("player.readyState === 4 && player.buffered.end(0) >= player.duration - 0.1")

    def _clip(self, condition: str) -> None:
        """Wait until `condition`, in JavaScript, holds for the `player`."""
        self.page.wait_for_function(
            f"() => {{ const player = document.getElementById('player'); return {condition}; }}"
        )

    def use_storage(self, kind: str) -> None:
        """Choose a storage in the panel: "indexeddb", "localstorage" or "off"."""
        self.page.get_by_test_id("storage-switch").select_option(kind)

    # -- what she sees ---------------------------------------------------------------------

    def sees(self, views: int) -> None:
        """Wait until the page shows `views`, to readers and to scripts."""
        expect(self.number).to_have_attribute("data-value", str(views))
        expect(self.number).to_have_text(f"{views:,}")

    @property
    def shown(self) -> list[int]:
        """Every number that the page has shown since it was loaded, in order."""
        numbers: list[int] = self.page.evaluate(
            """async () => {
                const frame = () => new Promise(requestAnimationFrame);
                await frame();
                await frame(); // the browser has painted the current state by now
                return witness.numbers;
            }"""
        )
        return numbers

    @property
    def video(self) -> str:
        """The video of the page."""
        return self.number.get_attribute("data-video") or ""

    @property
    def page_node(self) -> str:
        """The node that the page came from."""
        return self.page.locator("html").get_attribute("data-node") or ""

    def hears(self) -> str:
        """Wait for the first live message. Returns the node that sent it."""
        heard = self.page.get_by_test_id("panel-node-socket")
        expect(heard).to_have_text(re.compile("^[a-z]$"))
        return heard.text_content() or ""

    def received(self, views: int, node: str) -> None:
        """Wait until the page's last snapshot comes from `node` and counts `views`."""
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
        """Wait until this page has merged to `views`. Returns the state that it has stored."""
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
        """The text of this part of the debug panel."""
        return self.page.get_by_test_id(f"panel-{part}").text_content() or ""

    def panel_says(self, part: str, text: str) -> None:
        """Wait until this part of the debug panel contains `text`."""
        expect(self.page.get_by_test_id(f"panel-{part}")).to_contain_text(text)

    def sees_nothing_red(self) -> None:
        """Check that neither the page (its debug panel closed) nor the console shows trouble."""
        expect(self.page.get_by_test_id("panel")).to_be_hidden()
        text = self.page.locator("body").inner_text()
        assert not _RED.search(text), text
        assert not self.complaints
