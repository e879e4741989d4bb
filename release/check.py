"""What must be true of a distribution before anybody gets it."""

import json
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from packaging.metadata import Metadata, parse_email

CORE: Final = "ratchet-views-core"
SERVER: Final = "ratchet-views"
# What a distribution is useless without, in its packages.
_NEEDED: Final = {
    CORE: ("ratchet/counter.py", "ratchet/py.typed"),
    SERVER: (
        "ratchet_server/__main__.py",
        "ratchet_server/py.typed",
        "ratchet_server/http/openapi/openapi.json",
        "ratchet_server/demo/clips/catalogue.toml",
        "ratchet_server/demo/clips/tide.webm",
        "ratchet_server/page/build.json",
        "ratchet_server/page/watch.html",
        "ratchet_server/page/pyodide/pyodide-lock.json",
        "ratchet_server/page/assets/watch.js",
        "ratchet_server/page/assets/pyodide/pyodide.asm.wasm.br",
        "ratchet_server/page/assets/pyodide/started.snapshot.br",
    ),
}
# What the npm package has, and nothing else.
_IN_NPM: Final = {
    *("package.json", "README.md", "LICENSE", "custom-elements.json"),
    *("index.d.ts", "view-count.d.ts", "count.d.ts", "view-count.js", "count.js"),
}
# The core's wheel in the page, for pages of other sites.
_SENT: Final = re.compile(r"ratchet_server/page/pyodide/.*\.whl")
# Leftovers of a work tree.
_STRAY: Final = ("__pycache__", ".pyc", ".DS_Store", ".orig", ".swp")


class NotPublishable(Exception):
    """Why this must not be published, and what to do, as a sentence."""


def page(folder: Path) -> None:
    """Raise `NotPublishable` if there is no built page here, which the wheel would lack."""
    if not (folder / "build.json").is_file():
        raise NotPublishable(f"there is no page in {folder}: run `make browser`")


def distributions(folder: Path, *, bundled: Iterable[str]) -> None:
    """Raise `NotPublishable` unless the folder has both distributions and the npm package, whole.

    `bundled`: the files with the terms of the software in the page.
    """
    about = {}
    for name, needed in _NEEDED.items():
        wheel, archive = one(folder, name), one(folder, name, ".tar.gz")
        licences = ["LICENSE", *(f"licenses/{file}" for file in bundled if name == SERVER)]
        in_wheel, in_archive = _in_wheel(wheel), _in_archive(archive)
        metadata = next(file for file in in_wheel if file.endswith(".dist-info/METADATA"))
        place = metadata.removesuffix("METADATA") + "licenses/"
        _has(wheel, in_wheel, [*needed, *(place + file for file in licences)])
        _has(archive, in_archive, [*(f"src/{file}" for file in needed), *licences])
        with zipfile.ZipFile(wheel) as opened:
            about[name] = _metadata(wheel, opened.read(metadata))
        with tarfile.open(archive) as tar:
            info = tar.extractfile(f"{archive.name.removesuffix('.tar.gz')}/PKG-INFO")
            _metadata(archive, info.read() if info else b"")
    _same_core(one(folder, CORE), one(folder, SERVER))
    core, server = about[CORE], about[SERVER]
    pins = [str(one.specifier) for one in server.requires_dist or () if one.name == CORE]
    if not core.version == server.version or pins != [f"=={core.version}"]:
        raise NotPublishable(
            f"{CORE} is {core.version}, {SERVER} is {server.version} and needs the core "
            f"{', '.join(pins)}: give all three the same version in core/pyproject.toml and "
            "server/pyproject.toml"
        )
    _npm(folder, str(core.version))


def _npm(folder: Path, version: str) -> None:
    """Raise `NotPublishable` unless the npm package of this version has what it should."""
    [file] = folder.glob("*.tgz")
    files = _in_archive(file)
    if wrong := sorted(files ^ _IN_NPM):
        raise NotPublishable(f"{file.name} lacks, or has too much: {', '.join(wrong)}")
    with tarfile.open(file) as tar:
        about = tar.extractfile("package/package.json")
        its = json.loads(about.read() if about else b"")["version"]
    if its != version:
        raise NotPublishable(
            f"{file.name} is {its}, and the rest is {version}: give browser/npm/package.json the "
            "same version"
        )


def one(folder: Path, name: str, ending: str = ".whl") -> Path:
    """The file of this distribution in the folder."""
    [file] = folder.glob(f"{name.replace('-', '_')}-[0-9]*{ending}")
    return file


def _same_core(core: Path, server: Path) -> None:
    """Raise `NotPublishable` if the node would send other pages another core than its own."""
    with zipfile.ZipFile(server) as opened:
        [sent] = (name for name in opened.namelist() if _SENT.fullmatch(name))
        with zipfile.ZipFile(opened.open(sent)) as inner, zipfile.ZipFile(core) as outer:
            theirs, ours = (
                {name: wheel.read(name) for name in wheel.namelist()} for wheel in (inner, outer)
            )
    if theirs != ours:
        raise NotPublishable("the page was built with another core: run `make browser`")


def _metadata(file: Path, text: bytes) -> Metadata:
    """What PyPI would read of it, by PyPI's own rules."""
    raw, unparsed = parse_email(text)
    if unparsed:
        raise NotPublishable(f"{file.name} has metadata that PyPI doesn't know: {unparsed}")
    try:
        metadata = Metadata.from_raw(raw)
    except ExceptionGroup as errors:
        why = "; ".join(map(str, errors.exceptions))
        raise NotPublishable(f"PyPI would refuse the metadata of {file.name}: {why}") from None
    if not (metadata.description and metadata.description_content_type == "text/markdown"):
        raise NotPublishable(f"{file.name} has no readme for its page on PyPI")
    return metadata


def _in_wheel(file: Path) -> set[str]:
    with zipfile.ZipFile(file) as wheel:
        return set(wheel.namelist())


def _in_archive(file: Path) -> set[str]:
    with tarfile.open(file) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def _has(file: Path, names: set[str], needed: Iterable[str]) -> None:
    if missing := sorted(set(needed) - names):
        raise NotPublishable(f"{file.name} lacks {', '.join(missing)}")
    if stray := sorted(_stray(names)):
        raise NotPublishable(f"{file.name} has what belongs to nobody: {', '.join(stray)}")


def _stray(names: set[str]) -> Iterator[str]:
    return (name for name in names if any(mark in name for mark in _STRAY))
