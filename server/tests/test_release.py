"""What `make dist` makes: whole, the same each time, and enough for an empty environment."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest
from cyclonedx.model.bom import Bom

from release import check, parts
from testing.demo import running_demo, runs
from testing.nodes import HTTP

PROJECT: Final = Path(__file__).parents[2]
BUNDLED: Final = parts.bundled(PROJECT)


def project(name: str) -> dict[str, Any]:
    """The table of that name in the folder's pyproject.toml."""
    text = (PROJECT / name / "pyproject.toml").read_text()
    found: dict[str, Any] = tomllib.loads(text)["project"]
    return found


def run(*command: str | Path, cwd: Path = PROJECT) -> str:
    """What the command prints. It must succeed."""
    environ = {name: text for name, text in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a release."""
    out: Path = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "release", "--out", out)
    return out


@pytest.fixture
def copy(dist: Path, tmp_path: Path) -> Path:
    """A copy of a release, for a test to damage."""
    return Path(shutil.copytree(dist, tmp_path / "copy"))


def one(folder: Path, pattern: str) -> Path:
    [file] = folder.glob(pattern)
    return file


def without(wheel: Path, gone: str) -> None:
    """Take the files whose names end so out of this wheel."""
    with zipfile.ZipFile(wheel) as old:
        kept = {name: old.read(name) for name in old.namelist() if not name.endswith(gone)}
        assert len(kept) < len(old.namelist())
    with zipfile.ZipFile(wheel, "w") as new:
        for name, content in kept.items():
            new.writestr(name, content)


class TestARelease:
    def test_has_two_distributions_the_list_of_their_parts_and_the_npm_package(
        self, dist: Path
    ) -> None:
        version = project("core")["version"]
        assert {file.name for file in dist.iterdir()} == {
            f"ratchet_views_core-{version}-py3-none-any.whl",
            f"ratchet_views_core-{version}.tar.gz",
            f"ratchet_views-{version}-py3-none-any.whl",
            f"ratchet_views-{version}.tar.gz",
            f"ratchet_views-{version}.cdx.json",
            f"ratchet-views-{version}.tgz",
        }

    @pytest.mark.parametrize("name", ["ratchet_views_core", "ratchet_views"])
    def test_the_source_archive_makes_the_very_same_wheel(
        self, dist: Path, tmp_path: Path, name: str
    ) -> None:
        """So the archive lacks nothing, and neither the folder nor the day changes a byte."""
        with tarfile.open(one(dist, f"{name}-*.tar.gz")) as archive:
            archive.extractall(tmp_path, filter="data")
        [source] = tmp_path.iterdir()
        for file in source.rglob("*.py"):
            file.touch()
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        run(*command, "--directory", tmp_path / "again", cwd=source)
        again, wheel = one(tmp_path / "again", "*.whl"), one(dist, f"{name}-*.whl")
        assert again.name == wheel.name
        assert again.read_bytes() == wheel.read_bytes()

    def test_both_licences_are_the_projects(self) -> None:
        for folder in ("core", "server"):
            assert (PROJECT / folder / "LICENSE").read_text() == (PROJECT / "LICENSE").read_text()

    @pytest.mark.parametrize(
        ("name", "gone"),
        [
            ("ratchet_views", "page/build.json"),
            ("ratchet_views", "clips/tide.webm"),
            ("ratchet_views", "licenses/pyodide.txt"),
            ("ratchet_views", "py.typed"),
            ("ratchet_views_core", "py.typed"),
            ("ratchet_views_core", "LICENSE"),
        ],
    )
    def test_that_lacks_something_is_refused(self, copy: Path, name: str, gone: str) -> None:
        wheel = one(copy, f"{name}-[0-9]*.whl")
        without(wheel, gone)
        with pytest.raises(check.NotPublishable, match=rf"{re.escape(wheel.name)} lacks .*{gone}"):
            check.distributions(copy, bundled=BUNDLED)

    @pytest.mark.parametrize(
        ("old", "new", "why"),
        [
            ("Requires-Dist: ratchet-views-core==", "Requires-Dist: ratchet-views-core>=", "same"),
            ("License-Expression: MIT", "License-Expression: My own", "PyPI would refuse"),
            ("\nKeywords:", "\nKeywurds:", "PyPI doesn't know"),
            ("text/markdown", "text/plain", "no readme"),
        ],
    )
    def test_with_metadata_that_won_t_do_is_refused(
        self, copy: Path, old: str, new: str, why: str
    ) -> None:
        wheel = one(copy, "ratchet_views-[0-9]*.whl")
        with zipfile.ZipFile(wheel) as opened:
            name = next(name for name in opened.namelist() if name.endswith("/METADATA"))
            metadata = opened.read(name).decode()
        assert old in metadata
        without(wheel, "/METADATA")
        with zipfile.ZipFile(wheel, "a") as opened:
            opened.writestr(name, metadata.replace(old, new))
        with pytest.raises(check.NotPublishable, match=why):
            check.distributions(copy, bundled=BUNDLED)

    @pytest.mark.parametrize(
        ("file", "content", "why"),
        [
            ("package.json", '{"version": "0.0.1"}', "is 0.0.1, and the rest is"),
            ("view-count.js", None, "lacks, or has too much: view-count.js"),
            ("notes.txt", "mine", "lacks, or has too much: notes.txt"),
        ],
    )
    def test_with_an_npm_package_that_won_t_do_is_refused(
        self, copy: Path, tmp_path: Path, file: str, content: str | None, why: str
    ) -> None:
        packed = one(copy, "*.tgz")
        with tarfile.open(packed) as archive:
            archive.extractall(tmp_path, filter="data")
        changed = tmp_path / "package" / file
        if content is None:
            changed.unlink()
        else:
            changed.write_text(content)
        with tarfile.open(packed, "w:gz") as archive:
            for each in changed.parent.iterdir():
                archive.add(each, f"package/{each.name}")
        with pytest.raises(check.NotPublishable, match=why):
            check.distributions(copy, bundled=BUNDLED)

    def test_has_the_core_s_wheel_in_the_page_byte_for_byte(self, dist: Path) -> None:
        with zipfile.ZipFile(one(dist, "ratchet_views-[0-9]*.whl")) as opened:
            [inner] = (name for name in opened.namelist() if name.endswith(".whl"))
            assert opened.read(inner) == one(dist, "ratchet_views_core-*.whl").read_bytes()

    def test_with_another_core_in_the_page_is_refused(self, copy: Path) -> None:
        core = one(copy, "ratchet_views_core-*.whl")
        with zipfile.ZipFile(core, "a") as opened:
            opened.writestr("ratchet/newer.py", "")
        with pytest.raises(check.NotPublishable, match="another core: run `make browser`"):
            check.distributions(copy, bundled=BUNDLED)

    def test_without_a_page_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(check.NotPublishable, match="make browser"):
            check.page(tmp_path)


class TestTheListOfParts:
    def test_names_libraries_and_what_is_in_the_page(self, dist: Path) -> None:
        bom: Bom = Bom.from_json(json.loads(one(dist, "*.cdx.json").read_text()))  # type: ignore[attr-defined]
        assert bom.metadata.component
        assert bom.metadata.component.name == "ratchet-views"
        found = {part.name: part for part in bom.components}
        assert {"ratchet-views-core", "sanic", "Pyodide", "CPython", "zlib"} <= found.keys()
        assert [licence.id for licence in found["Pyodide"].licenses] == ["MPL-2.0"]

    def test_is_the_same_each_time(self, dist: Path, copy: Path) -> None:
        before = one(dist, "*.cdx.json").read_bytes()
        assert parts.write(PROJECT, copy).read_bytes() == before

    def test_says_which_pyodide_is_in_the_page(self) -> None:
        table = tomllib.loads((PROJECT / "server/licenses/bundled.toml").read_text())["part"]
        listed = {part["name"]: part.get("version") for part in table}
        locked = json.loads((PROJECT / "browser/package-lock.json").read_text())["packages"]
        assert listed["Pyodide"] == locked["node_modules/pyodide"]["version"]
        lock = PROJECT / "browser/node_modules/pyodide/pyodide-lock.json"
        info = json.loads(lock.read_text())["info"]
        assert listed["CPython"] == info["python"]
        assert f"emscripten_{listed['Emscripten']}".replace(".", "_") == info["platform"]

    def test_every_licence_is_in_the_list(self) -> None:
        listed = {*BUNDLED}
        assert {file.name for file in (PROJECT / "server/licenses").iterdir()} == listed

    def test_the_distribution_declares_every_licence_that_its_page_has(self) -> None:
        table = tomllib.loads((PROJECT / "server/licenses/bundled.toml").read_text())["part"]
        declared = project("server")["license"].split(" AND ")
        # Their texts ask for nothing, or leave a choice that MIT is one of.
        silent = {"0BSD", "blessing", "MIT OR NCSA"}
        assert {part["license"] for part in table} - silent <= {*declared}


def test_the_demo_runs_in_an_empty_environment_with_nothing_but_the_wheels(
    dist: Path, tmp_path: Path
) -> None:
    """As for `pip install ratchet-views`. The libraries are those of the other tests, so that a
    release of one of them does not fail this test."""
    pins = tmp_path / "pins.txt"
    locked = (PROJECT / "requirements/run.txt").read_text()
    pins.write_text(re.sub(r" *\\\n +--hash=\S+", "", locked))
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", environment)
    python, ratchet = environment / "bin/python", environment / "bin/ratchet"
    install: list[str | Path] = [python, "-m", "pip", "install", "--quiet"]
    install += ["--disable-pip-version-check", "--constraint", pins, "--find-links", dist]
    # Only the node's wheel is named: its pin has to find the core.
    wheel = one(dist, "ratchet_views-[0-9]*.whl")
    run(*install, wheel)
    assert run(ratchet, "--version") == f"ratchet {project('server')['version']}\n"
    # The command can't be told which ports to take; so this runs what it runs.
    with running_demo(tmp_path, 2, python=str(python)) as demo:
        assert str(environment) in next(one for one in demo.children().values() if "node" in one)
        page = HTTP.get(f"{demo.page}/watch/tide")
        assert page.status_code == 200
        for address in (
            *re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text),
            "/media/tide.webm",
            "/learn",
        ):
            assert HTTP.get(demo.page + address).status_code == 200, address
        assert demo.view("a", "tide") == 1
        pids = demo.children()
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(20) == 0, demo.printed
    assert not [pid for pid in pids if runs(pid)]
    assert "Traceback" not in demo.printed
