"""Stands in for the loader of wheels: everything that a page imports is in one zip file."""

# A snapshot expects this import from JavaScript, after the import of `webloop`.
from pyodide_js import loadedPackages  # type: ignore[import-not-found] # noqa: F401


class _Folder:
    """A folder of which Pyodide only uses the text."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __str__(self) -> str:
        return self._path


SITE_PACKAGES = _Folder("/lib/site-packages")
DSO_DIR = _Folder("/usr/lib")


def init_loaded_packages() -> None:
    """Pyodide calls this at the end of its start. There are no packages."""
