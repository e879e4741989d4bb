"""Finds, or brings, what the end-to-end tests need: a browser, HAProxy, axe-core.

    python e2e/setup.py

Asks nobody anything, and does nothing where all are there. A browser: the system's Chromium or
Chrome; else one that Playwright has fetched before; else, as root on Debian, the package; else
Playwright's download. As root on Debian, Chromium's headless shell, too: most journeys take less
time in it. HAProxy comes from the system or, as root on Debian or Ubuntu, from its package; where
there is none the tests run with the built-in stand-in, and say so.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import BrowserType, Error, sync_playwright
from ratchet_server.demo import balancer

SYSTEM_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The same engine without windows. It has no settings of a profile, such as blocked cookies.
QUICK_BROWSER: Final = "chromium-headless-shell"
# What the tests can do without, and what a closed network or a small machine would make slow.
FLAGS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PROJECT: Final = Path(__file__).parents[1]
# Checks a page's accessibility. It comes with npm's other tools.
AXE: Final = PROJECT / "browser/node_modules/axe-core/axe.min.js"
PACKAGE_TIMEOUT_S: Final = 900


def browser_programs(chromium: BrowserType, *preferred: str) -> list[str]:
    """Every browser that this machine has, the best first."""
    found = [shutil.which(name) for name in (*preferred, *SYSTEM_BROWSERS)]
    downloaded = chromium.executable_path
    return [*filter(None, found), *([downloaded] if Path(downloaded).exists() else [])]


def browser_program(chromium: BrowserType, *preferred: str) -> str:
    """The first browser that really starts. Raises `LookupError`: how to mend it."""
    problems = []
    for program in browser_programs(chromium, *preferred):
        try:
            chromium.launch(executable_path=program, args=list(FLAGS), timeout=60_000).close()
        except Error as error:
            # Ubuntu's chromium-browser, for instance, may be a note that says where to get it.
            problems.append(f"{program} doesn't start: {error.message.splitlines()[0]}")
        else:
            return program
    said = "; ".join(problems) or "there is no browser"
    raise LookupError(
        f"{said}. Install Chromium (Debian: apt-get install chromium), or let Playwright fetch "
        f"one: {sys.executable} -m playwright install --with-deps chromium"
    )


def main() -> int:
    """Bring what is missing; 0 if the tests can run now."""
    if not _playwright_starts() and not _bring_its_library():
        return 1
    if not _browser_starts() and not _bring_browser():
        return 1
    if not shutil.which(QUICK_BROWSER) and _is_root_on("debian"):
        _install_package(QUICK_BROWSER)
    if balancer.find_haproxy() is None:
        _bring_haproxy()
    if not AXE.exists():
        _run(["make", "-C", str(PROJECT), "browser/node_modules/.tools"])
    found = balancer.find_haproxy()
    stand_in = "none: the tests run with the built-in stand-in, which is not what is deployed"
    print(f"e2e: HAProxy: {found or stand_in}")
    return 0


def _playwright_starts() -> bool:
    command = [sys.executable, "-m", "playwright", "--version"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0


def _bring_its_library() -> bool:
    """The Node.js inside Playwright's wheel needs this one; small installations don't have it."""
    if _is_root_on("debian", "ubuntu") and _install_package("libatomic1") and _playwright_starts():
        return True
    print(f"e2e: Playwright doesn't start here: {sys.executable} -m playwright --version says why.")
    print("e2e: Is a library missing? On Debian: apt-get install libatomic1")
    return False


def _browser_starts(*, last: bool = False) -> bool:
    with sync_playwright() as playwright:
        try:
            print(f"e2e: browser: {browser_program(playwright.chromium)}")
        except LookupError as why:
            print(f"e2e: browser: {why}" if last else "e2e: browser: none that starts, yet")
            return False
        return True


def _bring_browser() -> bool:
    if _is_root_on("debian") and _install_package("chromium") and _browser_starts():
        return True
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    if os.geteuid() == 0:
        command.append("--with-deps")
    _run(command)
    return _browser_starts(last=True)


def _bring_haproxy() -> None:
    if _is_root_on("debian", "ubuntu"):
        _install_package("haproxy")
    else:
        print("e2e: HAProxy is missing, and only root could install it; for instance:")
        print("e2e:   sudo apt-get install haproxy    or    brew install haproxy")


def _is_root_on(*systems: str) -> bool:
    """Whether we may install packages here, on one of these systems.

    Ubuntu's chromium package is a snap, which doesn't start in containers: only Debian's will do.
    """
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return False
    name = next((line for line in lines if line.startswith("ID=")), "ID=").removeprefix("ID=")
    return os.geteuid() == 0 and name.strip('"') in systems and bool(shutil.which("apt-get"))


def _install_package(name: str) -> bool:
    # Where no list of packages was ever fetched, as in a fresh container, there is none to install.
    return _run(["apt-get", "-qq", "update"]) and _run(
        ["apt-get", "-qq", "-y", "--no-install-recommends", "install", name]
    )


def _run(command: list[str]) -> bool:
    """Run it and show what it says; whether it went well."""
    print(f"e2e: {' '.join(command)}", flush=True)
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, env=environ, timeout=PACKAGE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"e2e: it failed: {error}")
        return False
    if done.returncode:
        print(f"e2e: it failed with exit code {done.returncode}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
