"""The image's check of its node: it finds the node as the node's settings say, and nobody else."""

import re
import subprocess
import sys
from pathlib import Path

from testing.nodes import HOST, PATIENCE_S, Node

DOCKERFILE = Path(__file__).parents[2] / "Dockerfile"
PROXY = "http://127.0.0.1:9"


def check(**environ: str) -> tuple[int, str]:
    """The exit code and the output of the image's check."""
    [command] = re.findall(r"^HEALTHCHECK .*CMD \[(.*)\]$", DOCKERFILE.read_text(), re.MULTILINE)
    python, *arguments = re.findall(r'"(.*?)"', command)
    assert python == "python"
    run = subprocess.run(
        [sys.executable, *arguments],
        env={"PATH": "/usr/bin:/bin"} | environ,
        timeout=PATIENCE_S,
        check=False,
        capture_output=True,
    )
    assert b"Traceback" not in run.stderr
    return run.returncode, run.stdout.decode().strip()


class TestTheImagesCheck:
    def test_calls_the_node_at_its_port_and_through_no_proxy(self, node: Node) -> None:
        port = str(node.port)
        serves = (0, f"{HOST}:{port}: 200")
        assert check(RATCHET_PORT=port) == serves
        assert check(RATCHET_PORT=port, RATCHET_HOST=HOST) == serves
        assert check(RATCHET_PORT=port, RATCHET_HOST="0.0.0.0") == serves
        assert check(RATCHET_PORT=port, http_proxy=PROXY, HTTP_PROXY=PROXY) == serves

    def test_fails_where_no_node_serves(self, tmp_path: Path) -> None:
        code, _ = check(RATCHET_PORT="1")
        assert code == 1
        with Node("a", tmp_path, data=":memory:") as node:
            node.start()
            port = str(node.port)
            assert node.post("/api/node/drain").status_code == 200
            code, line = check(RATCHET_PORT=port)
            assert (code, line.startswith(f"{HOST}:{port}: ")) == (1, True)

    def test_takes_the_variables_of_kubernetes_for_no_settings_as_the_node_does(self) -> None:
        _, line = check(RATCHET_PORT="tcp://10.0.0.1:4321")
        assert line.startswith("127.0.0.1:1234: ")
