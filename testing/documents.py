"""The parts of a document: the commands of a how-to, for tests that follow it, and the headings."""

import re
from functools import cache
from pathlib import Path
from typing import Final

FENCED: Final = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_HEADING: Final = re.compile(r"^#+ (.*)$", re.MULTILINE)


def blocks(document: Path, language: str) -> list[str]:
    """The blocks of `document` in this language, without their indentation."""
    found = FENCED.findall(document.read_text())
    return [
        re.sub(f"^{indent}", "", text, flags=re.MULTILINE)
        for indent, kind, text in found
        if kind == language
    ]


@cache
def anchors(document: Path) -> set[str]:
    """The anchors of the headings of `document`, as GitHub makes them."""
    headings = _HEADING.findall(FENCED.sub("", document.read_text()))
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {each.replace(" ", "-") for each in words}
