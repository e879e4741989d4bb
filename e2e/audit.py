"""What a page costs and how it behaves while it comes: bytes, moments, shifts, accessibility."""

import json
import re
from pathlib import Path
from typing import Final, NamedTuple

from playwright.sync_api import Page

from e2e.setup import AXE

NOTES: Final = Path(__file__).with_name("audit.js")

# A phone on a bad day: 50 kB take a second, and each answer begins 400 ms late.
SLOW_BYTES_PER_S: Final = 400_000 // 8
SLOW_LATENCY_MS: Final = 400
SLOW_CPU: Final = 4

_SHORT: Final = re.compile(r"([0-9.,]+)([KMBT]?)")
_FACTORS: Final = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


class FirstNumber(NamedTuple):
    """The first moment at which somebody could read the number."""

    text: str
    # How often something was painted, and no number.
    frames_without: int
    painted_ms: int
    # Of anything at all, as the browser tells it; of text it may tell a frame late.
    first_paint_ms: int
    # Over the wire: that without which nothing is painted, and all that had come by then.
    needed_bytes: int
    loaded_bytes: int


class Audit:
    """Looks at one tab from before its first request on."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.add_init_script(path=NOTES)

    def slow_down(self) -> None:
        """From now on it is the bad day."""
        browser = self.page.context.new_cdp_session(self.page)
        speed = {"downloadThroughput": SLOW_BYTES_PER_S, "uploadThroughput": SLOW_BYTES_PER_S}
        line = {"offline": False, "latency": SLOW_LATENCY_MS, **speed}
        browser.send("Network.enable")
        browser.send("Network.emulateNetworkConditions", line)
        browser.send("Emulation.setCPUThrottlingRate", {"rate": SLOW_CPU})

    def open(self, url: str) -> FirstNumber:
        """Go there, and wait for the first number."""
        self.page.goto(url)
        self.page.wait_for_function("() => audit.painted && audit.firstPaint")
        return FirstNumber(**self.page.evaluate("() => audit.firstNumber()"))

    def texts(self) -> list[str]:
        """How the page's first number has read until now, frame by frame."""
        return self._painted("audit.texts")

    def shifts(self) -> list[str]:
        """All that has moved since the page came, by however little."""
        return self._painted("audit.shifts")

    def _painted(self, what: str) -> list[str]:
        seen: list[str] = self.page.evaluate(
            f"""async () => {{
                const frame = () => new Promise(requestAnimationFrame);
                await frame();
                await frame(); // what stands there now has been painted
                return {what};
            }}"""
        )
        return seen

    def violations(self) -> list[str]:
        """What axe-core finds wrong on the page as it is now."""
        return violations(self.page)


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong: the rule, what it asks for, and where."""
    # As text: the page's policy lets it load no such script, and has no say in this.
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{rule['id']}: {rule['help']}: {place['html'][:200]}: {place['failureSummary']}"
        for rule in found
        for place in rule["nodes"]
    ]


def least(text: str) -> int:
    """The least number of views that an English reader may take `1.2M` for."""
    match = _SHORT.fullmatch(text)
    assert match, f"no number: {text!r}"
    return round(float(match[1].replace(",", "")) * _FACTORS[match[2]])


def keep_facts(file: Path, facts: object) -> None:
    """Put what was measured beside the screenshots."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts, indent=2) + "\n")
