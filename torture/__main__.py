"""`python -m torture`: round after round, then the table. Exits with 1 if any verdict was wrong."""

import argparse
import math
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ratchet_server.operator.terminal import Paint, wants_colour
from ratchet_server.operator.torture.history import History, Run, write
from ratchet_server.operator.torture.judge import Verdict
from ratchet_server.operator.torture.table import lines

from torture.faults import FAULTS
from torture.rounds import Options, tortured
from torture.schedule import Planned, schedule

KEPT: Final = Path(__file__).parent / "failures"


def main(argv: Sequence[str] | None = None) -> int:
    """Run it, and return the exit code."""
    arguments = _parser().parse_args(argv)
    options = Options(arguments.rate, arguments.viewers, arguments.retry_same_node)
    plan = schedule(arguments.seed, arguments.faults)
    if arguments.only:
        plan = islice(plan, arguments.only - 1, arguments.only)
    elif arguments.rounds:
        plan = islice(plan, arguments.rounds)
    end = time.monotonic() + arguments.minutes * 60
    if arguments.each:
        plan, end = islice(plan, arguments.each * len(arguments.faults)), math.inf
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    with TemporaryDirectory() as folder, tortured(Path(folder), options) as torture:
        front = (Path(folder) / "balancer.log").read_text().splitlines()[0]
        print(f"seed {arguments.seed}; four nodes behind {front}; Ctrl-C ends it", flush=True)
        try:
            for planned in plan:
                history = History()
                try:
                    verdict = torture.play(planned, history)
                except Exception as error:
                    # Whatever it is, the history of this round is worth more than a traceback.
                    why = f"the round broke off: {type(error).__name__}: {error}"
                    verdict = Verdict(problems=(why,))
                verdicts[planned.fault].append(verdict)
                _tell(planned, verdict, history.clock())
                if verdict.problems:
                    _keep(planned, verdict, history, Path(folder), arguments)
                # A cluster that does not get over a fault can't be judged after the next one.
                if not verdict.answered or time.monotonic() > end:
                    break
        except KeyboardInterrupt:
            print("Ctrl-C: this round has no verdict")
    print()
    print(lines(verdicts, Paint(wants_colour())))
    wrong = sum(bool(one.problems) for given in verdicts.values() for one in given)
    print(f"\n{wrong} rounds were wrong" if wrong else "\nall rounds were right")
    return int(bool(wrong) or not verdicts)


def _tell(planned: Planned, verdict: Verdict, took_s: float) -> None:
    numbers = f"{verdict.answered} answered, {verdict.lost} lost, {verdict.double} double"
    wrong = "WRONG" if verdict.problems else "right"
    print(f"{planned.number:4} {planned.fault:16} {took_s:5.1f} s  {numbers}: {wrong}", flush=True)


def _keep(
    planned: Planned,
    verdict: Verdict,
    history: History,
    logs: Path,
    arguments: argparse.Namespace,
) -> None:
    kept = KEPT / f"{arguments.seed}-{planned.number}"
    replay = _replay(planned, arguments)
    head = Run(replay, planned.fault, [*verdict.problems])
    write(kept / "history.jsonl", [head, *history.events])
    for log in logs.glob("*.log"):
        shutil.copy(log, kept)
    print(f"{verdict.summary}\nthe history and the logs: {kept}\nagain: {replay}", flush=True)


def _replay(planned: Planned, arguments: argparse.Namespace) -> str:
    command = f"{sys.executable} -m torture --seed {arguments.seed} --only {planned.number}"
    command += f" --rate {arguments.rate} --viewers {arguments.viewers}"
    if arguments.retry_same_node:
        command += " --retry-same-node"
    if arguments.faults != list(FAULTS):
        command += f" --faults {','.join(arguments.faults)!r}"
    return command


def _faults(text: str) -> list[str]:
    faults = [fault.strip() for fault in text.split(",")]
    if unknown := [fault for fault in faults if fault not in FAULTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(FAULTS)}")
    return faults


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3, metavar="N",
                        help="begin no round after so many minutes (default 3)")  # fmt: skip
    parser.add_argument("--rounds", type=int, metavar="N", help="end after so many rounds")
    parser.add_argument("--each", type=int, metavar="N",
                        help="end after so many rounds of each fault instead")  # fmt: skip
    parser.add_argument("--seed", type=int, default=int(time.time()), metavar="N",
                        help="what decides the schedule (default: the time)")  # fmt: skip
    parser.add_argument("--only", type=int, metavar="N", help="only this round of the schedule")
    parser.add_argument("--faults", type=_faults, default=list(FAULTS), metavar="FAULT,...",
                        help=f"only these of {', '.join(FAULTS)}")  # fmt: skip
    parser.add_argument("--rate", type=int, default=40, metavar="N",
                        help="how many views begin in a second, at most (default 40)")  # fmt: skip
    parser.add_argument("--viewers", type=int, default=10, metavar="N",
                        help="how many viewers there are (default 10)")  # fmt: skip
    parser.add_argument("--retry-same-node", action="store_true",
                        help="send a view again only to the node that had it first")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
