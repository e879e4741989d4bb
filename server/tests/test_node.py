"""If a part of a node fails, the node turns unready, stops in order and says why."""

from pathlib import Path

import pytest

from testing.nodes import Node, wait_until


@pytest.mark.parametrize("on_term", ["stop", "leave"])
def test_a_node_that_can_no_longer_dial_fails_readyz_and_ends_with_the_reason(
    tmp_path: Path, on_term: str
) -> None:
    environ = {"RATCHET_FAIL_AT": "peer-dialled", "RATCHET_ON_TERM": on_term}
    with Node("b", tmp_path) as b, Node("a", tmp_path, peers=[b.url], environ=environ) as a:
        a.start()
        wait_until(lambda: a.slot, "the slot is open")
        a.view("x")
        # From now on the node thinks that a balancer checks it, so it waits for one to notice.
        assert a.get("/readyz").status_code == 200
        b.start()
        wait_until(lambda: a.get("/readyz").status_code == 503, "a is unready")
        assert a.get("/readyz").json()["error"] == "draining"
        assert a.wait() == 1
        assert a.log.splitlines()[-1] == (
            "ratchet: a part of this node has failed, so it has stopped: "
            "RuntimeError('RATCHET_FAIL_AT=peer-dialled'); the log says where. Start the node again"
        )
        # The log says what has failed, and where.
        assert a.log.count("Traceback") == 1
        # Its slot is still open, and the view is in its data.
        assert "a" not in b.get("/api/node").json()["closed"]
        a.environ = {}
        a.start()
        wait_until(lambda: b.views("x") == 1, "b has the view")
