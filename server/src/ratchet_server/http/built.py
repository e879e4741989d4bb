"""The built page that a node serves: its folder, and the name of its build."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

# `make browser` writes this folder; it is not in git.
PACKAGED: Final = Path(__file__).parents[1] / "page"


@dataclass(frozen=True)
class Built:
    """A built page. `name` is its build's name, or None while the folder has no build."""

    folder: Path
    name: str | None

    @classmethod
    def read(cls, chosen: Path | None) -> Self:
        """The page in the `chosen` folder or, if none is chosen, in the packaged one."""
        folder = chosen or PACKAGED
        try:
            return cls(folder, str(json.loads((folder / "build.json").read_text())["build"]))
        except FileNotFoundError:
            return cls(folder, None)

    @property
    def assets(self) -> Path:
        """The folder of the files that a node serves at `/assets/<name>/`."""
        return self.folder / "assets"

    @property
    def for_others(self) -> Path:
        """The folder of the files that a node serves at `/pyodide/`, for pages of other sites."""
        return self.folder / "pyodide"
