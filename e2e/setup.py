"""Finds or installs what the end-to-end tests need: a browser, HAProxy, axe-core.

    python -m e2e.setup

It asks no questions, and does nothing where all three are there already. It takes the first browser
that starts: the system's Chromium or Chrome, then one that Playwright has downloaded before, then
(as root on Debian) the package, then a new download by Playwright. As root on Debian it also
installs Chromium's headless shell, in which most journeys take less time. As root on Debian or
Ubuntu it installs HAProxy's package where the system has no HAProxy. Elsewhere the tests run with
the built-in stand-in, and say so.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright
from ratchet_server.demo import balancer

from testing.browsers import QUICK_BROWSER, browser_program

PROJECT: Final = Path(__file__).parents[1]
# axe-core checks a page's accessibility. npm installs it with the other tools for the page.
AXE: Final = PROJECT / "browser/node_modules/axe-core/axe.min.js"
PACKAGE_TIMEOUT_S: Final = 900


def main() -> int:
    """Install what is missing. Returns 0 if the tests can run now."""
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
    """The Node.js in Playwright's wheel needs libatomic, which small installations don't have."""
    if _is_root_on("debian", "ubuntu") and _install_package("libatomic1") and _playwright_starts():
        return True
    print(f"e2e: Playwright doesn't start. {sys.executable} -m playwright --version says why.")
    print("e2e: Perhaps a library is missing. On Debian: apt-get install libatomic1")
    return False


def _browser_starts(*, last: bool = False) -> bool:
    with sync_playwright() as playwright:
        try:
            print(f"e2e: browser: {browser_program(playwright.chromium)}")
        except LookupError as why:
            print(f"e2e: browser: {why}" if last else "e2e: browser: none starts yet")
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
        print("e2e: HAProxy is missing, and only root can install it. For instance:")
        print("e2e:   sudo apt-get install haproxy    or    brew install haproxy")


def _is_root_on(*systems: str) -> bool:
    """Whether this is one of these systems, and we may install packages on it.

    Ubuntu's chromium package is a snap, which doesn't start in containers. So only Debian will do
    for Chromium.
    """
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return False
    name = next((line for line in lines if line.startswith("ID=")), "ID=").removeprefix("ID=")
    return os.geteuid() == 0 and name.strip('"') in systems and bool(shutil.which("apt-get"))


def _install_package(name: str) -> bool:
    # A fresh container has no list of packages yet, and could install none.
    return _run(["apt-get", "-qq", "update"]) and _run(
        ["apt-get", "-qq", "-y", "--no-install-recommends", "install", name]
    )


def _run(command: list[str]) -> bool:
    """Run `command` and show its output. Returns whether it succeeded."""
    print(f"e2e: {' '.join(command)}", flush=True)
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, env=environ, timeout=PACKAGE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"e2e: the command failed: {error}")
        return False
    if done.returncode:
        print(f"e2e: the command failed with exit code {done.returncode}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
