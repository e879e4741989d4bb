"""Finds the Chromium that tests and measurements use: the first on this machine that starts."""

import shutil
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import BrowserType, Error

SYSTEM_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The same engine without windows. It has no settings of a profile, such as blocked cookies.
QUICK_BROWSER: Final = "chromium-headless-shell"
# These switch off what the tests don't need, and what a closed network or a small machine makes
# slow.
FLAGS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def browser_programs(chromium: BrowserType, *preferred: str) -> list[str]:
    """Every browser that this machine has, the best first."""
    found = [shutil.which(name) for name in (*preferred, *SYSTEM_BROWSERS)]
    downloaded = chromium.executable_path
    return [*filter(None, found), *([downloaded] if Path(downloaded).exists() else [])]


def browser_program(chromium: BrowserType, *preferred: str) -> str:
    """The first browser that starts. Raises `LookupError`, which says how to install one."""
    problems = []
    for program in browser_programs(chromium, *preferred):
        try:
            chromium.launch(executable_path=program, args=list(FLAGS), timeout=60_000).close()
        except Error as error:
            # Ubuntu's chromium-browser, for instance, may only print where to get the browser.
            problems.append(f"{program} doesn't start: {error.message.splitlines()[0]}")
        else:
            return program
    problem = "; ".join(problems) or "there is no browser"
    raise LookupError(
        f"{problem}. Install Chromium (Debian: apt-get install chromium), or let Playwright fetch "
        f"one: {sys.executable} -m playwright install --with-deps chromium"
    )
