"""Builds the page: everything a node serves to browsers, into one folder that names its content.

    python browser/build.py [--core DIR] [--out DIR]

`out` then holds index.html and watch.html (Jinja2 templates), build.json, and assets/ with the
scripts, Pyodide and the core wheel, each also as .br and .gz. It is written aside and renamed, so a
build that fails or is stopped leaves the one before. Nothing is done when nothing has changed.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from steps import CannotBuild, pack, runtime, wheel

BROWSER: Final = Path(__file__).resolve().parent
PROJECT: Final = BROWSER.parent
OUT: Final = PROJECT / "server/src/ratchet_server/page"
# Where npm's packages keep theirs: ignored by git, and gone with `make clean`.
CACHE: Final = BROWSER / "node_modules/.cache/ratchet"


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--core", type=Path, default=PROJECT / "core", help="the core's project")
    options.add_argument("--out", type=Path, default=OUT, help="where the page is written")
    chosen = options.parse_args()
    try:
        build(chosen.core.resolve(), chosen.out.resolve())
    except CannotBuild as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


def build(core: Path, out: Path) -> None:
    started_s = time.monotonic()
    inputs = pack.digest(_inputs(core))
    if _built_from(out) == inputs:
        print(f"page: up to date in {out}")
        return

    print("page: Pyodide from npm")
    pyodide = runtime.fetch(BROWSER)
    with tempfile.TemporaryDirectory(prefix="page-") as scratch:
        info = wheel.info(pyodide)
        print("page: the core wheel", flush=True)
        core_wheel = wheel.build(core, Path(scratch))
        if wheel.can_compile(info["python"]):
            core_wheel = wheel.compiled(core_wheel)
            print("page: compiled for Pyodide by pyodide-build")
        else:
            print(f"page: as sources (bytecode needs pyodide-build on Python {info['python'][:4]})")

        # Beside its place, so that the rename stays within one file system.
        aside = out.with_name(f".{out.name}.new")
        shutil.rmtree(aside, ignore_errors=True)
        assets = aside / "assets"
        shutil.copytree(BROWSER / "src", assets)
        loaded = assets / "pyodide"
        loaded.mkdir()
        for name in runtime.FILES:
            shutil.copyfile(pyodide / name, loaded / name)
        shutil.copyfile(core_wheel, loaded / core_wheel.name)
        (loaded / "pyodide-lock.json").write_text(json.dumps(wheel.lock(core_wheel, info)))

    build_id = pack.digest(pack.tree(assets))
    print("page: compressing")
    plain, packed = pack.compress(assets, CACHE)
    for template in (BROWSER / "page").glob("*.html"):
        shutil.copyfile(template, aside / template.name)
    (aside / "build.json").write_text(json.dumps({"build": build_id, "inputs": inputs}))
    _replace(out, aside)
    took_s = time.monotonic() - started_s
    sizes = f"{plain / 1e6:.1f} MB, {packed / 1e6:.1f} MB as brotli"
    print(f"page: build {build_id}, {sizes}, {took_s:.1f} s")


def _inputs(core: Path) -> list[tuple[str, bytes]]:
    """All that the result depends on."""
    found = [
        ("python", sys.version.encode()),
        ("core/pyproject.toml", (core / "pyproject.toml").read_bytes()),
    ]
    found += [(f"core/{name}", content) for name, content in pack.tree(core / "src")]
    for folder in ("src", "page", "steps"):
        found += [(f"{folder}/{name}", content) for name, content in pack.tree(BROWSER / folder)]
    return found + [
        (name, (BROWSER / name).read_bytes()) for name in ("build.py", "package-lock.json")
    ]


def _built_from(out: Path) -> str:
    try:
        inputs: str = json.loads((out / "build.json").read_text())["inputs"]
    except (OSError, ValueError, KeyError):
        return ""
    return inputs


def _replace(out: Path, aside: Path) -> None:
    """Puts `aside` in the place of `out`: two renames, so never a half-written page."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    aside.rename(out)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
