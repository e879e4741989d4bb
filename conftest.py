"""What runs in one process when tests run side by side."""

from typing import Final

import pytest

# These take seconds of the processor to start, so each is started once.
_COSTLY: Final = {"rabbitmq", "kafka"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The tests of one file share a process. If they run on several buses or registries, those on
    one of them do: each process starts its servers once, and the file doesn't take minutes."""
    if not config.pluginmanager.hasplugin("xdist"):
        # So it is in Pyodide, which has no processes.
        return
    for item in items:
        parameters = getattr(item, "callspec", None)
        on = parameters.params.get("on", "") if parameters else ""
        group = on if on in _COSTLY else f"{item.path.name} {on}"
        item.add_marker(pytest.mark.xdist_group(group))
