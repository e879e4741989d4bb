"""`make torture` is red over nodes that count wrong: each runs with a line that breaks it."""

from pathlib import Path
from typing import Final

import pytest

import torture.__main__ as program
from torture import rounds
from torture.rounds import ENVIRON

_DOUBLE: Final = """
from ratchet.journal import Journal

count = Journal.count
Journal.count = lambda self, video, views=1, **more: count(self, video, 2 * views, **more)
"""
_NO_MERGE: Final = """
from ratchet.journal import Journal

merge = Journal.merge_rows
Journal.merge_rows = lambda self, slot, rows, complete: merge(self, slot, [], complete)
"""
_EARLY: Final = """
import asyncio
from ratchet_server.counting.store import Store

commit, late = Store.commit, set()

async def later(self, work):
    # The kill comes before that.
    await asyncio.sleep(3)
    await commit(self, work)

async def early(self, work):
    if work.__module__ != "ratchet_server.counting.keeper":
        return await commit(self, work)
    task = asyncio.create_task(later(self, work))
    late.add(task)
    task.add_done_callback(late.discard)

Store.commit = early
"""


@pytest.mark.parametrize(
    ("mutant", "fault", "found"),
    [
        pytest.param(_DOUBLE, "cut", "more than the", id="a double apply"),
        pytest.param(_NO_MERGE, "cut", "are lost", id="a lost merge"),
        pytest.param(_EARLY, "kill in a cut", "are lost", id="an answer before the commit"),
    ],
)
def test_a_mutant_is_found(
    mutant: str,
    fault: str,
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "sitecustomize.py").write_text(mutant)
    monkeypatch.setitem(ENVIRON, "PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(program, "KEPT", tmp_path / "kept")
    # They never agree, so do not wait for that.
    monkeypatch.setattr(rounds, "_AGREE_S", 3)
    assert program.main(["--seed", "1", "--rounds", "1", "--faults", fault]) == 1
    shown = capsys.readouterr().out
    assert found in shown
    assert shown.splitlines()[-3].split()[-1] == "wrong"
