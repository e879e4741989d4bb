"""Alert rules, the dashboard and the how-to fit what real nodes serve, and a real Prometheus."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from testing import packages, processes
from testing.documents import anchors, blocks
from testing.metrics import known, unknown
from testing.nodes import HOST, HTTP, PATIENCE_S, Node, cluster, equal, free_port, wait_until
from testing.servers.server import needed

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "deploy/prometheus"
DASHBOARD: Final = ROOT / "deploy/grafana/ratchet.json"
HOW_TO: Final = ROOT / "docs/watch-with-prometheus.md"
# A slot that is closed waits for a second, so that a missing node is soon in the way of its fold.
SOON: Final = {"RATCHET_FOLD_GRACE": "1"}


def alerts() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [dict(rule) for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard that show something."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    """All expressions that an operator gets from us, ready for Prometheus."""
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    asked = re.findall(r"^\| [^|`]+ \| `([^`]+)` \|$", HOW_TO.read_text(), re.MULTILINE)
    assert len(asked) > 3
    asked += blocks(HOW_TO, "promql")
    rules = [alert["expr"] for alert in alerts()]
    return [each.replace("$__rate_interval", "1m") for each in (*rules, *shown, *asked)]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """Nodes in trouble: c is gone, a fold waits for it, and neither bus nor registry is there."""
    nowhere = free_port()
    flags = ["--open", "--bus", f"nats://{HOST}:{nowhere}"]
    flags += ["--registry", f"etcd://{HOST}:{nowhere}/ratchet"]
    folder = tmp_path_factory.mktemp("prometheus")
    with cluster(folder, environ=SOON, flags=flags) as made:
        a, b, c = made.values()
        for node in made.values():
            wait_until(lambda node=node: node.slot, "its slot is open")  # type: ignore[misc]
            node.view("x")
        wait_until(lambda: equal(made.values()), "all have the same")
        c.kill9()
        b.restart()
        blocked = "ratchet_folds_blocked{"
        wait_until(lambda: blocked in a.get("/metrics").text, "c is in the way of a fold")
        yield [a, b]


class TestTheMetricsInAnExpression:
    """The check itself must find what is wrong."""

    SERVED: Final = {"ratchet_ready": set[str](), "ratchet_bus_up": {"bus"}}

    @pytest.mark.parametrize(
        ("expression", "lacking"),
        [
            ('ratchet_ready{job="r", instance=~"a.+"} == 0', set()),
            ('max by (bus) (ratchet_bus_up{bus!="x{y}",job="r"})', set()),
            ("ratchet_redy == 0", {"ratchet_redy"}),
            ('ratchet_bus_up{buss="x"}', {"ratchet_bus_up{buss}"}),
            ('ratchet_ready{bus="ratchet_nothing"}', {"ratchet_ready{bus}"}),
        ],
    )
    def test_are_found(self, expression: str, lacking: set[str]) -> None:
        assert unknown(expression, self.SERVED) == lacking


class TestWhatWeShip:
    def test_names_only_metrics_and_labels_that_a_node_serves(self, nodes: list[Node]) -> None:
        served = known(nodes)
        assert {each: lacking for each in queries() if (lacking := unknown(each, served))} == {}

    def test_names_only_kinds_and_codes_that_a_node_has(self, nodes: list[Node]) -> None:
        text = nodes[0].get("/metrics").text
        for expression in queries():
            for label, pattern in re.findall(r'\b(error|kind|state)=~?"([^"]+)"', expression):
                for value in pattern.split("|"):
                    assert f'{label}="{value}"' in text, expression

    def test_has_a_test_for_each_alert(self) -> None:
        tests = (RULES / "alerts_test.yml").read_text(encoding="utf-8")
        for alert in alerts():
            assert re.search(rf"\b{alert['alert']}\b", tests), alert["alert"]

    @pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
    def test_says_for_each_alert_what_to_do(self, alert: dict[str, Any]) -> None:
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert {*alert["annotations"]} == {"summary", "action", "runbook"}
        assert alert["annotations"]["action"].endswith(".")
        file, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert anchor in anchors(ROOT / file)

    def test_has_a_title_a_reason_and_a_place_of_its_own_for_each_panel(self) -> None:
        taken = set[tuple[int, int]]()
        for panel in panels():
            assert panel["title"]
            assert panel["description"].endswith(".")
            at = panel["gridPos"]
            area = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            assert max(x for x, _ in area) < 24
            assert not area & taken
            taken |= area


def run(command: Sequence[str | Path], folder: Path) -> None:
    """Run a command, which must succeed."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(nodes: list[Node], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the how-to, which name the nodes of this test."""
    folder = tmp_path_factory.mktemp("how-to")
    for file in RULES.iterdir():
        shutil.copy(file, folder)
    [settings] = blocks(HOW_TO, "yaml")
    targets = ", ".join(f'"{HOST}:{node.port}"' for node in nodes)
    settings, replaced = re.subn(r"targets: \[.*\]", f"targets: [{targets}]", settings)
    assert replaced == 1
    # The test need not wait as long.
    settings = settings.replace("interval: 15s", "interval: 1s")
    (folder / "prometheus.yml").write_text(settings)
    return folder


@pytest.fixture(scope="module")
def prometheus(folder: Path) -> Iterator[httpx.Client]:
    """A client of a Prometheus that was started as the how-to says, at a port of its own."""
    program = needed(packages.PROMETHEUS)
    [line] = [
        line for line in "".join(blocks(HOW_TO, "sh")).splitlines() if line[:11] == "prometheus "
    ]
    url = f"http://{HOST}:{free_port()}"
    command = [str(program), *line.split()[1:], f"--web.listen-address={url.partition('//')[2]}"]
    command += [f"--storage.tsdb.path={folder}/data"]
    with (
        processes.running(command, folder / "log", cwd=folder, patience_s=5),
        httpx.Client(base_url=f"{url}/api/v1", timeout=PATIENCE_S, trust_env=False) as client,
    ):

        def is_up() -> bool:
            try:
                return HTTP.get(f"{url}/-/ready").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(is_up, "Prometheus runs")
        yield client


class TestTheHowTo:
    def test_checks_its_files_with_commands_that_pass(self, folder: Path) -> None:
        promtool = needed(packages.PROMETHEUS).with_name("promtool")
        lines = [line for block in blocks(HOW_TO, "sh") for line in block.splitlines()]
        checks = [line.split()[1:] for line in lines if line.startswith("promtool ")]
        assert len(checks) == len(lines) - 1
        for arguments in checks:
            run([promtool, *arguments], folder)

    def test_lets_prometheus_ask_every_node(
        self, prometheus: httpx.Client, nodes: list[Node]
    ) -> None:
        def up() -> bool:
            targets = prometheus.get("/targets").json()["data"]["activeTargets"]
            return [one["health"] for one in targets] == ["up"] * len(nodes)

        wait_until(up, "Prometheus has asked both nodes")

    def test_lets_prometheus_evaluate_every_rule(self, prometheus: httpx.Client) -> None:
        def rules() -> list[dict[str, Any]]:
            return [*prometheus.get("/rules").json()["data"]["groups"][0]["rules"]]

        wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), "all were tried")
        assert {rule["name"]: rule.get("lastError") for rule in rules()} == {
            alert["alert"]: None for alert in alerts()
        }
        # These nodes are in trouble: after some minutes somebody would be called.
        wait_until(
            lambda: (
                {rule["name"] for rule in rules() if rule["state"] == "pending"}
                >= {"RatchetBusDown", "RatchetRegistryDown", "RatchetFoldsBlocked"}
            ),
            "what is wrong is pending",
        )

    def test_asks_prometheus_what_it_understands(self, prometheus: httpx.Client) -> None:
        for expression in queries():
            answer = prometheus.get("/query", params={"query": expression}).json()
            assert answer["status"] == "success", (expression, answer)
