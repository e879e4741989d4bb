"""Stands in for Pyodide's event loop: see the stand-in for asyncio."""

# A snapshot expects this import from JavaScript, and in this order.
from pyodide_js._api import scheduleCallback  # type: ignore[import-not-found] # noqa: F401


def _initialize_event_loop() -> None:
    """Pyodide calls this when the package is imported."""
