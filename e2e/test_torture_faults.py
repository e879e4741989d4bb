"""`make torture`: the schedule is the seed's, and a real cluster that counts wrong is found out."""

from itertools import islice
from pathlib import Path

import pytest
from ratchet_server.operator.torture import history
from ratchet_server.operator.torture.history import Fault, Run
from ratchet_server.operator.torture.judge import judge

import torture.__main__ as program
from torture.faults import FAULTS
from torture.rounds import ENVIRON
from torture.schedule import schedule


def test_a_seed_decides_the_whole_schedule() -> None:
    first, again, other = (
        list(islice(schedule(seed, [*FAULTS]), 3 * len(FAULTS))) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert sorted(planned.fault for planned in first[: len(FAULTS)]) == sorted(FAULTS)
    assert len({planned.seed for planned in first}) == len(first)


def test_nodes_that_forget_keys_early_are_right_in_a_cut_and_wrong_once_answers_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "KEPT", tmp_path)
    # A retry comes two seconds after the first attempt.
    monkeypatch.setitem(ENVIRON, "RATCHET_KEY_LIFETIME", "1")
    cut, lost = "cut", "lost answers"
    seed = next(n for n in range(99) if next(schedule(n, [cut, lost])).fault == cut)
    chosen = ["--seed", str(seed), "--faults", f"{cut},{lost}", "--retry-same-node"]
    assert program.main([*chosen, "--each", "1"]) == 1
    shown = capsys.readouterr().out
    _, right, wrong, _, _ = [line.split() for line in shown.splitlines()][-5:]
    assert (right[:2], right[-3:]) == (["cut", "1"], ["0", "0", "right"])
    assert (wrong[:4], wrong[-1]) == (["!", "lost", "answers", "1"], "wrong")

    kept = tmp_path / f"{seed}-2"
    head, *events = history.read(kept / "history.jsonl")
    assert isinstance(head, Run)
    assert f"--seed {seed} --only 2" in head.replay
    assert head.replay in shown
    assert (judge(events).lost, judge(events).double) == (int(wrong[-3]), int(wrong[-2]))
    assert (judge(events).lost, judge(events).double > 0) == (0, True)
    assert any(isinstance(event, Fault) for event in events)
    assert (kept / "a.log").is_file()
