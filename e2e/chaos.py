"""Chaos: random faults of every kind on real nodes under load, with a check after each healing.

    python -m e2e.chaos --minutes 30 --seed 7

The seed decides which faults come, in which order, and to which nodes. The machine decides when
exactly they hit. After a failure this keeps the data and logs of all nodes, and prints where.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from e2e.cluster import running_cluster
from e2e.faults import Faults
from e2e.life import SOON, new_videos
from testing.checker import History
from testing.load import Load

NODES: Final = "abcd"
MAX_FAULTS: Final = 4
# At every third healing, all closed slots must be folded before the next fault.
FOLDS_EVERY: Final = 3


def run(folder: Path, *, seed: int, seconds: float, say: Callable[[str], None]) -> Counter[str]:
    """Cause faults for `seconds`. Returns how often each kind came. Raises if all is not well."""
    chance = random.Random(seed)
    came: Counter[str] = Counter()
    history = History()
    begun = time.monotonic()
    say(f"seed {seed}, {seconds:g} s, data and logs in {folder}")
    with (
        running_cluster(folder, NODES, flags=("--open",), environ=SOON, balanced=False) as cluster,
        Load(history, cluster.nodes.values(), videos=new_videos(5), seed=seed) as load,
    ):
        faults = Faults(cluster, load, chance, folder)
        healings = 0
        while time.monotonic() < begun + seconds:
            for _ in range(chance.randint(1, MAX_FAULTS)):
                kind = faults.happen()
                came[kind] += 1
                say(f"{time.monotonic() - begun:7.1f} s  {kind}")
            healings += 1
            faults.mend(folds=healings % FOLDS_EVERY == 0)
            say(
                f"{time.monotonic() - begun:7.1f} s  healed and checked: {history.ok.total()} views"
                f" must count, {history.info.total()} may"
            )
    return came


def new_seed() -> int:
    """A seed from the clock: another one each time."""
    return time.time_ns() // 1_000_000 % 1_000_000


def main() -> int:
    """The exit code: 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m e2e.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=new_seed())
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ratchet-chaos-"))

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        came = run(folder, seed=given.seed, seconds=60 * given.minutes, say=say)
    except BaseException:
        traceback.print_exc()
        say(f"seed {given.seed} has failed; its data and logs are in {folder}")
        return 1
    shutil.rmtree(folder)
    say(f"nothing was wrong: {', '.join(f'{kind} {n}' for kind, n in sorted(came.items()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
