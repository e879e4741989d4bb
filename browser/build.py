"""Builds the page: everything a node serves to browsers, into one folder that names its content.

    python browser/build.py [--core DIR] [--out DIR]

`out` then holds the pages (Jinja2 templates), build.json, and assets/: the scripts, and Pyodide,
trimmed to what the core needs, with the core in it. Each file is also there as .br and .gz. In
pyodide/ are the core's wheel and its lock file, for Pyodide pages of other sites.

A build is written to another folder, which is then renamed. So a build that fails or is stopped
leaves the previous one. If nothing has changed, this does nothing.
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Final

from steps import CannotBuild, for_others, node, pack, runtime

BROWSER: Final = Path(__file__).resolve().parent
PROJECT: Final = BROWSER.parent
LIBRARIES: Final = PROJECT / "requirements/page.txt"
OUT: Final = PROJECT / "server/src/ratchet_server/page"
# Each of these becomes one classic script, with all that it imports.
CLASSIC: Final = {
    "format.js": "format.js",
    "embed/view-count.js": "embed/view-count.js",
    "count/main.js": "count.js",
}
# Not in node_modules, which `npm ci` empties: packing the WebAssembly again takes half a minute.
CACHE: Final = BROWSER / ".cache"


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
    except KeyboardInterrupt:
        print("stopped; the previous build is still there", file=sys.stderr)
        return 130
    return 0


def build(core: Path, out: Path) -> None:
    started_s = time.monotonic()
    inputs = pack.digest(_inputs(core))
    if _built_from(out) == inputs:
        print(f"page: up to date in {out}")
        return

    print("page: Pyodide from npm", flush=True)
    pyodide = runtime.fetch(BROWSER)
    # In the same folder, so that the rename stays within one file system.
    aside = out.with_name(f".{out.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    assets = aside / "assets"
    shutil.copytree(BROWSER / "src", assets, ignore=shutil.ignore_patterns("__pycache__"))
    for source, script in CLASSIC.items():
        node.script("bundle.mjs", assets / source, assets / script)
    (assets / "pyodide").mkdir()
    print("page: trimmed, with the core, and a snapshot of it", flush=True)
    with pack.ahead(pyodide / "pyodide.asm.wasm", CACHE):
        runtime.make(pyodide, core, BROWSER / "stand_ins", assets / "pyodide")
        print("page: the core's wheel, for other pages", flush=True)
        libraries = for_others.libraries(LIBRARIES, CACHE)
        for_others.make(pyodide, core, libraries, aside / "pyodide")

    print("page: compressing", flush=True)
    plain, packed = pack.compress(assets, CACHE)
    for template in (BROWSER / "page").glob("*.html"):
        shutil.copyfile(template, aside / template.name)
    (aside / "build.json").write_text(json.dumps({"build": inputs}))
    _replace(out, aside)
    took_s = time.monotonic() - started_s
    sizes = f"{plain / 1e6:.1f} MB, {packed / 1e6:.1f} MB as brotli"
    print(f"page: build {inputs}, {sizes}, {took_s:.1f} s")


def _inputs(core: Path) -> list[tuple[str, bytes]]:
    """Everything that the result depends on. The build's name is a digest of it.

    So nodes whose pages were built from the same sources can serve each other's files, even if
    other versions of Python and Node.js made them.
    """
    found = [(f"core/{name}", content) for name, content in pack.tree(core / "src")]
    # The wheel has these, too.
    found += [
        (f"core/{name}", (core / name).read_bytes())
        for name in ("pyproject.toml", "README.md", "LICENSE")
        if (core / name).is_file()
    ]
    for folder in ("src", "page", "stand_ins", "steps"):
        if not (BROWSER / folder).is_dir():
            raise CannotBuild(f"{BROWSER / folder} is missing: the page is built from it")
        found += [(f"{folder}/{name}", content) for name, content in pack.tree(BROWSER / folder)]
    return found + [
        (path.name, path.read_bytes())
        for path in (BROWSER / "build.py", BROWSER / "package-lock.json", LIBRARIES)
    ]


def _built_from(out: Path) -> str:
    try:
        build: str = json.loads((out / "build.json").read_text())["build"]
    except (OSError, ValueError, KeyError):
        return ""
    return build


def _replace(out: Path, aside: Path) -> None:
    """Puts `aside` in the place of `out` by two renames, so that no page is ever half written."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    aside.rename(out)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
