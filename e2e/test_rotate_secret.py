"""The how-to on the secret: followed on three nodes under load, no view fails."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from e2e.cluster import Cluster, running_cluster
from e2e.how_to import RESTART, shell
from e2e.life import SOON, new_videos
from testing.checker import History
from testing.documents import blocks
from testing.load import PATIENT_S, Front, Load
from testing.nodes import HTTP, Node

HOW_TO: Final = Path(__file__).parents[1] / "docs/rotate-the-secret.md"
OLD: Final = secrets.token_hex(32)
NEW: Final = secrets.token_hex(32)


def etc_of(node: Node, folder: Path) -> Path:
    """The node's /etc/ratchet."""
    return folder / f"etc-{node.name}"


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Cluster]:
    first = tmp_path / "first"
    first.write_text(OLD)
    first.chmod(0o600)
    flags = ("--open", "--secret-file", str(first))
    with running_cluster(tmp_path, flags=flags, environ=SOON) as three:
        for node in three.nodes.values():
            etc = etc_of(node, tmp_path)
            etc.mkdir()
            for name, secret in (("secret", OLD), ("secret.new", NEW)):
                # A file that an editor or a deployment wrote may have no end of line.
                (etc / name).write_text(secret)
                (etc / name).chmod(0o600)
            # Its next process reads the file of its own machine.
            node.flags[node.flags.index(str(first))] = str(etc / "secret")
        yield three


def accepts(node: Node, secret: str) -> bool:
    """Whether an operator with this secret may retire nodes (there is none of that name)."""
    answer = HTTP.post(
        f"{node.url}/api/cluster/retire",
        json={"node": "nobody"},
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert answer.status_code in {401, 404}, answer.text
    return answer.status_code == 404


def test_the_secret_is_changed_under_load_and_no_view_fails(three: Cluster, tmp_path: Path) -> None:
    rounds = blocks(HOW_TO, "sh")
    accepted = [(True, True), (True, True), (False, True)]
    assert len(rounds) == len(accepted)
    history = History()
    front = [Front(three.url)]
    with Load(history, front, videos=new_videos(), clients=4, attempt_s=PATIENT_S) as load:
        load.more(20)
        for commands, (old, new) in zip(rounds, accepted, strict=True):
            before, after = commands.split(RESTART)
            for node in three.nodes.values():
                etc = etc_of(node, tmp_path)
                places = {"/etc/ratchet": str(etc)}
                shell(before, node, places)
                assert node.stop() == 0, node.log
                node.start()
                shell(f"cd {etc}\n{after}", node, places)
                assert accepts(node, OLD) == old
                assert accepts(node, NEW) == new
        load.more(20)
    assert not load.failures
    assert not load.failed_reads
    history.check(three.nodes.values())
    for node in three.nodes.values():
        assert " at /peer" not in node.log
        assert sorted(each.name for each in etc_of(node, tmp_path).iterdir()) == ["secret"]
