"""A node whose part fails turns unready, stops in order and says so: it never counts on alone."""

from pathlib import Path

import pytest

from testing.nodes import Node, wait_until


@pytest.mark.parametrize("on_term", ["stop", "leave"])
def test_a_node_that_can_dial_no_more_refuses_readyz_and_ends_with_the_reason(
    tmp_path: Path, on_term: str
) -> None:
    environ = {"RATCHET_FAIL_AT": "peer-dialled", "RATCHET_ON_TERM": on_term}
    with Node("b", tmp_path) as b, Node("a", tmp_path, peers=[b.url], environ=environ) as a:
        a.start()
        wait_until(lambda: a.slot, "the slot is open")
        a.view("x")
        # A balancer asks for it, so it waits until the balancer has been told.
        assert a.get("/readyz").status_code == 200
        b.start()
        wait_until(lambda: a.get("/readyz").status_code == 503, "a is unready")
        assert a.get("/readyz").json()["error"] == "draining"
        assert a.wait() == 1
        assert a.log.splitlines()[-1] == (
            "ratchet: a part of this node has failed, so it has stopped: "
            "RuntimeError('told to fail at peer-dialled'); the log says where. Start it again"
        )
        # What failed stands in the log, with where.
        assert a.log.count("Traceback") == 1
        # It is only away: its slot is open, and what it has counted is in its data.
        assert "a" not in b.get("/api/node").json()["closed"]
        a.environ = {}
        a.start()
        wait_until(lambda: b.views("x") == 1, "b has the view")
