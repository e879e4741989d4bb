"""The built page that a node serves: where it lies, and the name of its content."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

# What `make browser` writes; not in git.
PACKAGED: Final = Path(__file__).parents[1] / "page"


@dataclass(frozen=True)
class Built:
    """`name` is None until there is a page."""

    folder: Path
    name: str | None

    @classmethod
    def read(cls, chosen: Path | None) -> Self:
        """What is built in the `chosen` folder, or else in the packaged one."""
        folder = chosen or PACKAGED
        try:
            return cls(folder, str(json.loads((folder / "build.json").read_text())["build"]))
        except FileNotFoundError:
            return cls(folder, None)

    @property
    def assets(self) -> Path:
        """The folder of all that lies at `/assets/<name>/`."""
        return self.folder / "assets"
