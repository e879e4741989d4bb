"""What runs in one process when tests run side by side."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of one file share a process. If they run on several buses or registries, those on
    one of them do: each process starts its servers once, and the file doesn't take minutes."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        on = parameters.params.get("on", "") if parameters else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path.name} {on}"))
