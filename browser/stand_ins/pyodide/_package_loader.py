"""Stands in for the loader of wheels: all that a page imports lies in one zip file."""

# A snapshot expects this import from JavaScript, after those of `webloop`.
from pyodide_js import loadedPackages  # type: ignore[import-not-found] # noqa: F401


class _Folder:
    """Pyodide asks these for their text."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __str__(self) -> str:
        return self._path


SITE_PACKAGES = _Folder("/lib/site-packages")
DSO_DIR = _Folder("/usr/lib")


def init_loaded_packages() -> None:
    """Called at the end of the start; there are none."""
