"""The list of all parts of a release (SBOM), in CycloneDX's form.

It has the two distributions; the libraries that a node needs, in the versions that our tests run
with; and the software of others that is in the built page.
"""

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

# The first line of each library in a locked file of requirements.
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)
_licences: Final = LicenseFactory()


def bundled(project: Path) -> list[str]:
    """The files in server/licenses: the table of the software in the page, and all terms."""
    return ["bundled.toml", *(one["text"] for one in _in_page(project) if "text" in one)]


def write(project: Path, out: Path) -> Path:
    """Write the list of the release whose wheels are in `out` into that folder; return its path."""
    core, server = (_distribution(project / name, out) for name in ("core", "server"))
    parts = [core, *_libraries(project / "requirements/run.txt"), *map(_part, _in_page(project))]
    bom = Bom(components=parts)
    # No date and no random number: the same release has the same list. (The library writes no date
    # then, though its types don't say so.)
    bom.metadata.timestamp = None  # type: ignore[assignment]
    bom.serial_number = uuid5(NAMESPACE_URL, str([str(one.hashes) for one in (core, server)]))
    bom.metadata.component = server
    bom.register_dependency(server, parts)
    file = out / f"{server.name.replace('-', '_')}-{server.version}.cdx.json"
    file.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n")
    return file


def _in_page(project: Path) -> list[dict[str, str]]:
    table = tomllib.loads((project / "server/licenses/bundled.toml").read_text())
    parts: list[dict[str, str]] = table["part"]
    return parts


def _distribution(source: Path, out: Path) -> Component:
    about: dict[str, Any] = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    name, version = about["name"], about["version"]
    [wheel] = out.glob(f"{name.replace('-', '_')}-{version}-*.whl")
    digest = sha256(wheel.read_bytes()).hexdigest()
    return Component(
        name=name,
        version=version,
        description=about["description"],
        type=ComponentType.APPLICATION if "scripts" in about else ComponentType.LIBRARY,
        licenses=[_licences.make_from_string(about["license"])],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        purl=PackageURL("pypi", name=name, version=version),
        bom_ref=name,
    )


def _libraries(locked: Path) -> Iterator[Component]:
    for name, version in _PINNED.findall(locked.read_text()):
        try:
            declared = importlib.metadata.metadata(name).get_all("License-Expression", [])
        except importlib.metadata.PackageNotFoundError:
            declared = []  # Other systems need it, and this one does not.
        yield Component(
            name=name,
            version=version,
            licenses=map(_licences.make_from_string, declared),
            purl=PackageURL("pypi", name=name, version=version),
            bom_ref=name,
        )


def _part(about: dict[str, str]) -> Component:
    source = ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(about["source"]))
    return Component(
        name=about["name"],
        version=about.get("version"),
        licenses=[_licences.make_from_string(about["license"])],
        external_references=[source],
        bom_ref=f"page/{about['name']}",
    )
