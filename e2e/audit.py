"""What a page costs and how it behaves while it loads: bytes, times, shifts, accessibility."""

import json
import re
from pathlib import Path
from typing import Final, NamedTuple

from playwright.sync_api import Page

from e2e.setup import AXE

NOTES: Final = Path(__file__).with_name("audit.js")

# A phone on a bad day: 50 kB take a second, and each response begins 400 ms late.
SLOW_BYTES_PER_S: Final = 400_000 // 8
SLOW_LATENCY_MS: Final = 400
SLOW_CPU: Final = 4

_SHORT: Final = re.compile(r"([0-9.,]+)([KMBT]?)")
_FACTORS: Final = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


class FirstNumber(NamedTuple):
    """The first moment at which a reader could see the number."""

    text: str
    # How many frames were painted before it, without a number.
    frames_without: int
    painted_ms: int
    # When the browser first painted anything. For text it may report a frame too late.
    first_paint_ms: int
    # Bytes over the network: those that block the first paint, and all that had arrived by then.
    needed_bytes: int
    loaded_bytes: int


class Audit:
    """Watches one tab, from before its first request."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.add_init_script(path=NOTES)

    def slow_down(self) -> None:
        """Make network and processor as slow as on that bad day, from now on."""
        browser = self.page.context.new_cdp_session(self.page)
        speed = {"downloadThroughput": SLOW_BYTES_PER_S, "uploadThroughput": SLOW_BYTES_PER_S}
        line = {"offline": False, "latency": SLOW_LATENCY_MS, **speed}
        browser.send("Network.enable")
        browser.send("Network.emulateNetworkConditions", line)
        browser.send("Emulation.setCPUThrottlingRate", {"rate": SLOW_CPU})

    def open(self, url: str) -> FirstNumber:
        """Open `url`, and wait for the first number."""
        self.page.goto(url)
        self.page.wait_for_function("() => audit.painted && audit.firstPaint")
        return FirstNumber(**self.page.evaluate("() => audit.firstNumber()"))

    def texts(self) -> list[str]:
        """The texts that the page's first number has had until now, frame by frame."""
        return self._painted("audit.texts")

    def shifts(self) -> list[str]:
        """Everything that has moved since the page opened, however little."""
        return self._painted("audit.shifts")

    def _painted(self, what: str) -> list[str]:
        seen: list[str] = self.page.evaluate(
            f"""async () => {{
                const frame = () => new Promise(requestAnimationFrame);
                await frame();
                await frame(); // the browser has painted the current state by now
                return {what};
            }}"""
        )
        return seen

    def violations(self) -> list[str]:
        """What axe-core finds wrong on the page in its current state."""
        return violations(self.page)


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong: the rule, what it demands, and where."""
    # The page's policy lets it load no such script. It does not apply to a text that is evaluated.
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{rule['id']}: {rule['help']}: {place['html'][:200]}: {place['failureSummary']}"
        for rule in found
        for place in rule["nodes"]
    ]


def least(text: str) -> int:
    """The least number of views that `1.2M` may stand for to an English reader."""
    match = _SHORT.fullmatch(text)
    assert match, f"no number: {text!r}"
    return round(float(match[1].replace(",", "")) * _FACTORS[match[2]])


def keep_facts(file: Path, facts: object) -> None:
    """Write measured `facts` beside the screenshots."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts, indent=2) + "\n")
