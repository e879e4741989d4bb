"""Runs the tests of the page's pure modules in Node's own test runner."""

import subprocess
from pathlib import Path

import pytest
from steps import node

TESTS = sorted(Path(__file__).parent.glob("*.test.js"))


@pytest.mark.parametrize("tests", TESTS, ids=lambda path: path.name)
def test_the_modules_that_need_no_browser(tests: Path) -> None:
    command = [node.program("node"), "--test", str(tests)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
