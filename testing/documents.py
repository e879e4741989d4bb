"""The commands in a how-to, for tests that follow it."""

import re
from pathlib import Path
from typing import Final

FENCED: Final = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def blocks(document: Path, language: str) -> list[str]:
    """The blocks of `document` in this language, without their indentation."""
    found = FENCED.findall(document.read_text())
    return [
        re.sub(f"^{indent}", "", text, flags=re.MULTILINE)
        for indent, kind, text in found
        if kind == language
    ]
