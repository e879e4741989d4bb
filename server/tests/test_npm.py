"""The npm package: its types and its manifest say what the scripts do, as TypeScript sees them."""

import json
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Final

import pytest

from release import npm
from testing.documents import blocks

PROJECT: Final = Path(__file__).parents[2]
BROWSER: Final = PROJECT / "browser"
PAGE: Final = PROJECT / "server/src/ratchet_server/page"
ELEMENT: Final = (BROWSER / "src/embed/view-count.js").read_text()
COUNTING: Final = (BROWSER / "src/count/main.js").read_text()
ATTRIBUTES: Final = re.findall(
    r"'([\w-]+)'", re.findall(r"observedAttributes = (\[.*\]);", ELEMENT)[0]
)
OPTIONS: Final = {
    "strict": True, "noEmit": True, "skipLibCheck": False, "noUnusedLocals": True,
    "lib": ["es2022", "dom", "dom.iterable"], "types": [], "module": "preserve",
}  # fmt: skip


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, as npm would install it for a page's sources."""
    folder = tmp_path_factory.mktemp("npm")
    installed: Path = folder / "node_modules" / "ratchet-views"
    with tarfile.open(npm.pack(PROJECT, PAGE, folder)) as packed:
        packed.extractall(folder, filter="data")
    installed.parent.mkdir()
    (folder / "package").rename(installed)
    theirs = "custom-elements-manifest"
    (installed.parent / theirs).symlink_to(BROWSER / "node_modules" / theirs)
    return installed


@pytest.fixture(scope="module")
def manifest(package: Path) -> Any:
    about = json.loads((package / "package.json").read_text())
    return json.loads((package / about["customElements"]).read_text())


def complaints(package: Path, options: dict[str, object], **sources: str) -> str:
    """What TypeScript says of these sources, which may import the package."""
    folder = package.parents[1]
    for name, text in sources.items():
        (folder / f"{name}.ts").write_text(text)
    config = {"compilerOptions": OPTIONS | options, "files": [f"{name}.ts" for name in sources]}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    command = [str(BROWSER / "node_modules/.bin/tsc"), "-p", str(folder)]
    return subprocess.run(command, capture_output=True, text=True).stdout


def test_has_the_scripts_as_the_nodes_serve_them(package: Path) -> None:
    assert (package / "view-count.js").read_bytes() == (
        PAGE / "assets/embed/view-count.js"
    ).read_bytes()
    assert (package / "count.js").read_bytes() == (PAGE / "assets/count.js").read_bytes()
    assert (package / "LICENSE").read_text() == (PROJECT / "LICENSE").read_text()


def test_the_manifest_describes_the_element_as_it_is(manifest: Any) -> None:
    [module] = manifest["modules"]
    [element] = module["declarations"]
    assert element["tagName"] == re.findall(r"const NAME = '(.*)';", ELEMENT)[0]
    assert [each["name"] for each in element["attributes"]] == ATTRIBUTES
    assert re.findall(r"^    get (\w+)\(\)", ELEMENT, re.MULTILINE) == [
        each["name"] for each in element["members"]
    ]
    # It sends no events, and has no parts to style.
    assert not re.search(r"dispatchEvent|\bpart\b", ELEMENT)
    assert not {"events", "cssParts", "cssProperties"} & element.keys()


def test_the_types_and_the_manifest_are_what_typescript_takes(package: Path, manifest: Any) -> None:
    [detail] = re.findall(r"detail: (\{.*?\})", COUNTING)
    example = blocks(BROWSER / "npm/README.md", "ts")[0]
    uses = f"""
        import type {{ RatchetCounted, ViewCountAttributes }} from 'ratchet-views';
        import type {{ CountedAttributes, CountScriptAttributes }} from 'ratchet-views';
        export const attributes: Record<keyof ViewCountAttributes, true> = {{
          {" ".join(f"'{name}': true," for name in ATTRIBUTES)}
        }};
        export const all: ViewCountAttributes = {{ video: 'tide', site: 'https://x', compact: '' }};
        const site = 'https://views.example', video = 'tide', views = 3, pending = false;
        export const detail: Required<RatchetCounted> = {detail};
        export const script: CountScriptAttributes = {{ 'data-after': '10', 'data-once': 'day' }};
        export const player: CountedAttributes = {{ 'data-ratchet': 'tide' }};
        const element = document.querySelector('view-count');
        export const shown: number | null | undefined = element?.views;
        // @ts-expect-error it can only be read
        if (element) element.views = 3;
        // @ts-expect-error it needs a video
        export const none: ViewCountAttributes = {{}};
    """
    # Written out, so that TypeScript compares it with the schema field by field.
    written = json.dumps(manifest)
    fits = f"""
        import type {{ Package }} from 'custom-elements-manifest';
        export const manifest: Package = {written};
        // @ts-expect-error it would find a mistake
        export const wrong: Package = {written.replace('"tagName"', '"tagname"')};
    """
    # It may name what it does not use.
    example += "export type Used = [RatchetCounted, ViewCountElement, typeof shown];"
    assert complaints(package, {}, example=example, uses=uses, fits=fits) == ""


def test_without_an_import_the_settings_of_typescript_can_name_it(package: Path) -> None:
    source = "document.querySelector('view-count')?.views?.toFixed();"
    assert complaints(package, {"types": ["ratchet-views"]}, named=source) == ""
