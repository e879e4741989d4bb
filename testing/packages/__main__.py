"""The command `python -m testing.packages`: see the package's own words."""

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from testing import packages
from testing.packages import cache
from testing.packages.cache import Missing


def main() -> int:
    """Bring what is missing, and print a line for each program. Returns 0 if the tests can run."""
    with cache.alone(), ThreadPoolExecutor() as threads:
        results = [*threads.map(_bring, packages.SOURCES)]
    return 0 if all(results) or not packages.in_ci() else 1


def _bring(source: Sequence[packages.Package]) -> bool:
    with tempfile.TemporaryDirectory(dir=cache.HOME, prefix=".new-") as scratch:
        results = [_is_there(package, Path(scratch)) for package in source]
    return all(results)


def _is_there(package: packages.Package, scratch: Path) -> bool:
    try:
        if not package.find():
            _say(package, "downloading")
            package.bring(scratch)
        program = package.find()
        if not program:
            raise Missing("its package has it in another place")
        _say(package, f"{package.version(program)}, {program}")
    except Missing as why:
        _say(package, f"MISSING, so what needs it is NOT TESTED: {why}")
        return False
    return True


def _say(package: packages.Package, what: str) -> None:
    print(f"packages: {package.name}: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
