"""Schemathesis sends a node what openapi.json allows and what it forbids, and judges the responses.

It checks that statuses, types, headers and bodies are as described, that what is forbidden is
refused, that an operator's call needs the secret, and that nothing is an internal error.
"""

import re
import subprocess
import sys
from pathlib import Path

from testing.nodes import Node, wait_until

CONFIG = Path(__file__).with_name("schemathesis.toml")
SECRET = "a-secret-that-only-this-test-has"


def test_a_node_does_what_its_description_says(tmp_path: Path) -> None:
    environ = {"RATCHET_SECRET": SECRET}
    with Node("a", tmp_path, environ=environ) as node:
        node.start()
        wait_until(lambda: node.slot, "the slot is open")
        command = ["--config-file", str(CONFIG), "run", f"{node.url}/openapi.json"]
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "schemathesis.cli",
                *command,
                "-H",
                f"Authorization: Bearer {SECRET}",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        # Those that end the node, and those that don't end.
        selected, total = re.findall(r"Operations: +(\d+) selected / (\d+) total", run.stdout)[0]
        assert int(total) - int(selected) == 4, run.stdout
        assert f"{selected} passed" in run.stdout, run.stdout
        assert "unexpected error" not in node.log
