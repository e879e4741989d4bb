"""Builds the wheel and the source archive of both distributions, a list of their parts, and the
npm package.

    python -m release [--out DIR]

All of it is made in another folder first, and checked. Only then the files go to DIR, and earlier
ones of these names are replaced. The same sources give the same bytes, on any day and in any
folder: hatchling takes the time of all files from SOURCE_DATE_EPOCH, or else a fixed one.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from release import check, npm, parts

PROJECT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = PROJECT / "server/src/ratchet_server/page"
# In the order in which they would be published: the second needs the first.
SOURCES: Final = (PROJECT / "core", PROJECT / "server")


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m release", description="Builds a release.")
    options.add_argument("--out", type=Path, default=PROJECT / "dist", help="where the files go")
    out = options.parse_args().out
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out, prefix=".making-") as folder:
            made = build(Path(folder))
            for file in made:
                file.rename(out / file.name)
    except (check.NotPublishable, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing has changed", file=sys.stderr)
        return 130
    for file in made:
        print(f"{(out / file.name).stat().st_size:>12,} bytes  {out / file.name}")
    return 0


def build(out: Path) -> list[Path]:
    """Make all files of a release in the empty folder `out`. Raises `NotPublishable`."""
    check.page(PAGE)
    for source in SOURCES:
        with _step(f"{source.name}: wheel and source archive"):
            command = [sys.executable, "-m", "hatchling", "build", "--directory", str(out)]
            done = subprocess.run(command, cwd=source, capture_output=True, text=True)
            if done.returncode:
                raise check.NotPublishable(f"hatchling failed in {source}:\n{done.stderr}")
    with _step("browser: npm package"):
        npm.pack(PROJECT, PAGE, out)
    with _step("checking them"):
        check.distributions(out, bundled=parts.bundled(PROJECT))
    with _step("listing their parts"):
        parts.write(PROJECT, out)
    return sorted(out.iterdir())


@contextmanager
def _step(what: str) -> Iterator[None]:
    print(f"dist: {what} ...", end="", flush=True)
    started_s = time.monotonic()
    try:
        yield
    except BaseException:
        print(" failed", flush=True)
        raise
    print(f" {time.monotonic() - started_s:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
