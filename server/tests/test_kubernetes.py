"""The objects for Kubernetes fit its schema, each other, and a node. No test starts a cluster.

Real nodes start with the environment of the pods, find each other in a DNS that has the records of
the Service, and answer the pods' probes. The how-to's commands are followed at them.
"""

import os
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from ratchet_server import backup
from ratchet_server.container import DATA
from ratchet_server.demo import balancer
from ratchet_server.settings import environment, sources

from testing import kubernetes
from testing.dns import dns_server
from testing.documents import blocks
from testing.nodes import HOST, HTTP, PATIENCE_S, Node, connected, wait_until

ROOT: Final = Path(__file__).parents[2]
MANIFEST: Final = ROOT / "deploy/kubernetes.yaml"
HOW_TO: Final = ROOT / "docs/kubernetes.md"
OBJECTS: Final = kubernetes.read_file(MANIFEST)
SECRET: Final = "x" * 32


def one(kind: str, name: str) -> Any:
    """The `spec` of this object."""
    [found] = [
        each["spec"] for each in OBJECTS if (each["kind"], each["metadata"]["name"]) == (kind, name)
    ]
    return found


NODES: Final = one("StatefulSet", "node")
BALANCERS: Final = one("Deployment", "balancer")
PODS: Final = [f"node-{number}" for number in range(NODES["replicas"])]
# The domain of the nodes' names.
DOMAIN: Final = "nodes.video.svc.cluster.local"


def pod_of(workload: Any) -> tuple[Any, Any]:
    """The `spec` of the workload's pods, and that of their one container."""
    spec = workload["template"]["spec"]
    [container] = spec["containers"]
    return spec, container


def environ_of(workload: Any, **fields: str) -> dict[str, str]:
    """The environment that a kubelet makes for a pod with these `fields`."""
    found: dict[str, str] = {}
    for each in pod_of(workload)[1]["env"]:
        text = each.get("value")
        if text is None:
            text = fields[each["valueFrom"]["fieldRef"]["fieldPath"].replace(".", "_")]
        # A variable may use those before it.
        found[each["name"]] = re.sub(r"\$\((\w+)\)", lambda used: found[used[1]], text)
    return found


class TestTheCheck:
    """It must itself find what is wrong."""

    @pytest.mark.parametrize(
        ("right", "wrong", "complaint"),
        [
            ("mountPath: /data", "mountpath: /data", r"unknown field `mountpath` - at `\$\.spec"),
            ("replicas: 3", 'replicas: "3"', "Expected `int | null`, got `str`"),
            ("apiVersion: apps/v1", "apiVersion: apps.example/v1", "is of apps/v1"),
        ],
    )
    def test_refuses(self, right: str, wrong: str, complaint: str) -> None:
        with pytest.raises(msgspec.ValidationError, match=complaint):
            kubernetes.read(MANIFEST.read_text().replace(right, wrong))


class TestTheObjects:
    def test_are_all_in_one_namespace(self) -> None:
        assert {each["metadata"]["namespace"] for each in OBJECTS} == {"video"}

    def test_select_the_pods_that_they_mean(self) -> None:
        for workload, name, owned in (
            (NODES, "node", [one("Service", "nodes")["selector"]]),
            (BALANCERS, "balancer", [one("Service", "balancer")["selector"]]),
        ):
            labels = workload["template"]["metadata"]["labels"]
            spread = pod_of(workload)[0]["topologySpreadConstraints"]
            owned += [
                each["matchLabels"]
                for each in (
                    workload["selector"],
                    one("PodDisruptionBudget", name)["selector"],
                    *(constraint["labelSelector"] for constraint in spread),
                )
            ]
            assert owned == [labels] * 4
        policy = one("NetworkPolicy", "node")
        assert policy["podSelector"]["matchLabels"] == NODES["template"]["metadata"]["labels"]
        [rule] = policy["ingress"]
        [ours] = [each["podSelector"] for each in rule["from"] if "podSelector" in each]
        for workload in (NODES, BALANCERS):
            labels = workload["template"]["metadata"]["labels"]
            assert ours["matchLabels"].items() <= labels.items()

    def test_lead_to_ports_that_there_are(self) -> None:
        for workload, service, policies in (
            (NODES, "nodes", one("NetworkPolicy", "node")["ingress"][0]["ports"]),
            (BALANCERS, "balancer", []),
        ):
            _, container = pod_of(workload)
            [port] = container["ports"]
            probes = [container[name] for name in container if name.endswith("Probe")]
            assert len(probes) >= 2
            named = [probe["httpGet"]["port"] for probe in probes]
            [leads] = one("Service", service)["ports"]
            named += [leads.get("targetPort", leads["name"]), *(one["port"] for one in policies)]
            assert {*named} == {port["name"]}
        assert NODES["serviceName"] == "nodes"

    @pytest.mark.parametrize(("workload", "folder"), [(NODES, "."), (BALANCERS, "balancer")])
    def test_run_as_the_image_s_user_without_any_right(self, workload: Any, folder: str) -> None:
        pod, container = pod_of(workload)
        dockerfile = (ROOT / folder / "Dockerfile").read_text()
        user = int(re.findall(r"^USER (\d+)$", dockerfile, re.MULTILINE)[0])
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["runAsGroup"] == user
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert f"EXPOSE {container['ports'][0]['containerPort']}" in dockerfile.splitlines()
        # What the image writes to is on a volume.
        written = {"/tmp", *re.findall(r"^VOLUME (\S+)$", dockerfile, re.MULTILINE)}
        mounts = {each["mountPath"] for each in container["volumeMounts"]}
        assert written <= mounts
        assert (DATA in mounts) == (workload is NODES)

    def test_give_a_node_the_time_that_it_needs_to_leave(self) -> None:
        [longest] = re.findall(
            r"A node may take 20 s to stop and (\d+) s to leave",
            (ROOT / "OPERATING.md").read_text(),
        )
        assert pod_of(NODES)[0]["terminationGracePeriodSeconds"] > int(longest)

    def test_tell_the_balancer_the_name_of_each_pod(self) -> None:
        environ = environ_of(BALANCERS)
        assert not environment.unknown(environ)
        [port] = one("Service", "nodes")["ports"]
        assert environ["RATCHET_NODES"].split(",") == [
            f"{pod}={pod}.{DOMAIN}:{port['port']}" for pod in PODS
        ]
        done = subprocess.run(
            ["sh", balancer.RENDER, environ["RATCHET_NODES"], "0.0.0.0:1234"],
            env=os.environ | environ, capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"has_no_limit src 127.0.0.1 ::1 {environ['RATCHET_PROXIES']}\n" in done.stdout


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Node]]:
    """A node for each pod. They have other ports than the pods, as they share one address."""
    folder = tmp_path_factory.mktemp("kubernetes")
    pod, container = pod_of(NODES)
    [volume] = [each["secret"] for each in pod["volumes"] if "secret" in each]
    secret = folder / "secret"
    secret.write_text(SECRET)
    secret.chmod(volume["defaultMode"])
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    with dns_server() as zone, ExitStack() as stack:
        made, records = {}, []
        for name in PODS:
            node = stack.enter_context(Node(name, folder))
            environ = environ_of(NODES, metadata_name=name, status_podIP=HOST)
            assert environ["RATCHET_SECRET_FILE"] == f"{mounts['secret']}/secret"
            node.environ = environ | {
                "RATCHET_ADVERTISE": environ["RATCHET_ADVERTISE"].replace("1234", str(node.port)),
                "RATCHET_REGISTRY": f"{environ['RATCHET_REGISTRY']}?server={zone.at}",
                "RATCHET_SECRET_FILE": str(secret),
            }
            made[name] = node
            records += [
                f"_peer._tcp.{DOMAIN}. 5 IN SRV 0 33 {node.port} {name}.{DOMAIN}.",
                f"{name}.{DOMAIN}. 5 IN A {HOST}",
            ]
        zone.hold(*records)
        for node in made.values():
            node.spawn()
        for node in made.values():
            node.wait_for_log("ready: ")
        wait_until(lambda: connected(made.values()), "all nodes are connected")
        yield made


def follow(word: str, node: Node, folder: Path) -> str:
    """Run the commands of the how-to's block that has this word, as a reader would. What `kubectl
    exec` would run in the pod runs here, with `node` in place of it. Return what they print."""
    [script] = [block for block in blocks(HOW_TO, "sh") if word in block]
    script = script.replace("http://127.0.0.1:1234", node.url).replace("/tmp/", f"{folder}/pod-")
    inside = 'kubectl() { [ "$1" = exec ] || return 0; [ "$5" = -- ]; shift 5; "$@"; }\n'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", inside + script],
        cwd=folder,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
            "RATCHET_SECRET_FILE": node.environ["RATCHET_SECRET_FILE"],
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestTheNodes:
    def test_have_a_name_an_address_and_the_secret_that_their_pod_gives(
        self, nodes: dict[str, Node]
    ) -> None:
        for name, node in nodes.items():
            assert not environment.unknown(node.environ)
            settings = sources.read(Namespace(), environment.effective(node.environ))
            assert (settings.name, settings.advertise) == (name, node.url)
            assert settings.secrets == (SECRET,)
            assert [str(url) for url in settings.registries] == [f"dns+srv://_peer._tcp.{DOMAIN}"]
            # It has no complaint about what it is given.
            assert " WARNING " not in node.log, node.log

    @pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
    def test_pass_the_probes(self, nodes: dict[str, Node], probe: str) -> None:
        get = pod_of(NODES)[1][probe]["httpGet"]
        # As a kubelet: `Host` is the pod's address.
        headers = {each["name"]: each["value"] for each in get.get("httpHeaders", [])}
        assert "Host" not in headers
        # A stopping node would wait for a caller of /readyz without it.
        assert ("Via" in headers) == (get["path"] == "/readyz")
        for node in nodes.values():
            response = HTTP.get(
                node.url + get["path"],
                headers={"User-Agent": "kube-probe/1.34", "Connection": "close", **headers},
            )
            assert response.status_code == 200, response.text

    def test_are_told_of_by_any_of_them(self, nodes: dict[str, Node], tmp_path: Path) -> None:
        [look] = [block for block in blocks(HOW_TO, "sh") if "ratchet status" in block]
        printed = follow(look, nodes["node-0"], tmp_path)
        assert "3 nodes; all is well." in printed

    def test_give_a_backup(
        self, nodes: dict[str, Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        nodes["node-1"].view("tide")
        wait_until(lambda: nodes["node-0"].views("tide") == 1, "the view is there")
        follow("ratchet backup", nodes["node-0"], tmp_path)
        # Nothing is left in the pod.
        [made] = tmp_path.iterdir()
        assert made.name == "backup.sqlite"
        backup.check(made)
        assert "1 view" in capsys.readouterr().out

    def test_of_which_there_should_be_fewer_lose_no_view_and_forget_the_last(
        self, nodes: dict[str, Node], tmp_path: Path
    ) -> None:
        """It stops by SIGTERM, as Kubernetes stops it, and the others retire it."""
        *others, last = nodes.values()
        last.view("moss")
        assert last.stop() == 0

        def is_missed(by: Node) -> bool:
            members = by.get("/api/cluster").json()["members"]
            return any((one["node"], one["state"]) == ("node-2", "missing") for one in members)

        # Whoever hears of a peer's end last goes on telling the others that it is alive.
        wait_until(lambda: all(map(is_missed, others)), "both miss it")
        printed = follow("ratchet retire", others[0], tmp_path)
        assert "node-2 is retired." in printed
        assert printed.count("All rows that node-2 was ever known to have are here.") == 2
        assert {node.views("moss") for node in others} == {1}


class TestTheHowTo:
    COMMANDS: Final = re.findall(r"kubectl [^`\n]+", HOW_TO.read_text())

    def test_names_only_objects_that_there_are(self) -> None:
        there = {
            *((each["kind"].lower(), each["metadata"]["name"]) for each in OBJECTS),
            *(("pod", pod) for pod in PODS),
            *(("pvc", f"data-{pod}") for pod in PODS),
            ("namespace", "video"),
            ("secret", pod_of(NODES)[0]["volumes"][0]["secret"]["secretName"]),
        }
        named = set[tuple[str, str]]()
        for command in self.COMMANDS:
            ours = command.split(" -- ")[0]
            ours = ours.replace("exec ", "exec pod/").replace("secret generic ", "secret/")
            kinds = "pod|pvc|statefulset|deployment|secret|namespace"
            objects = re.findall(rf"\b({kinds})[ /]([a-z0-9][a-z0-9-]*)", ours)
            named |= {*objects}
            # Each that means an object of ours says where it is.
            if {kind for kind, _ in objects} - {"namespace"}:
                assert "--namespace video" in ours, command
        assert len(named) > 6
        assert named <= there

    def test_names_only_commands_that_there_are(self) -> None:
        usage = subprocess.run(
            [sys.executable, "-m", "ratchet_server", "--help"], capture_output=True, text=True
        ).stdout
        for command in re.findall(r"\bratchet ([a-z]+) ", "\n".join(self.COMMANDS)):
            assert f"\n    {command} " in usage

    def test_says_of_each_line_to_change_what_it_should_be(self) -> None:
        lines = re.findall(r"^ *(.*) # CHANGE$", MANIFEST.read_text(), re.MULTILINE)
        told = re.findall(r"^ *\| `(\w+)`[^|]*\| .* \|$", HOW_TO.read_text(), re.MULTILINE)
        for line in lines:
            assert any(word in line for word in told), line
        assert len(lines) == 4

    def test_has_objects_that_fit_ours(self) -> None:
        ingress, scrape = blocks(HOW_TO, "yaml")
        [read] = kubernetes.read(ingress)
        assert read["metadata"]["namespace"] == "video"
        [rule] = read["spec"]["rules"]
        [path] = rule["http"]["paths"]
        service = path["backend"]["service"]
        [port] = one("Service", service["name"])["ports"]
        assert service["port"] == {"name": port["name"]}
        assert f"[_peer._tcp.{DOMAIN}]" in scrape
