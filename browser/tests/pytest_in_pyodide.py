"""Runs pytest, and reports about every test: core_in_pyodide.mjs calls this inside Pyodide."""

import json
from collections.abc import Sequence

import pytest


class Report:
    """A pytest plugin. It leaves some tests out, and notes how all others ended."""

    def __init__(self, leave_out: Sequence[str]) -> None:
        self._leave_out = leave_out
        self.left_out: set[str] = set()
        self.passed: set[str] = set()
        # Everything that has not passed, a test or a whole file, with pytest's explanation.
        self.not_passed: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Pytest has found these tests."""
        names = {item: item.nodeid.split("[")[0] for item in items}
        self.left_out = {name for name in names.values() if name in self._leave_out}
        items[:] = [item for item in items if names[item] not in self.left_out]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Pytest has looked for tests in a file. It may be impossible to import, or skipped."""
        self._note(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of a test has ended: its set-up, its call, or its tear-down."""
        self._note(report)
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)

    def _note(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        if not report.passed:
            self.not_passed[report.nodeid] = f"{report.outcome}: {report.longreprtext}"


def run(arguments: Sequence[str], leave_out: Sequence[str]) -> str:
    """Runs pytest, and returns the report as JSON. `leave_out` names tests, as `file::test`."""
    report = Report(leave_out)
    pytest.main([*arguments], plugins=[report])
    return json.dumps(
        {
            "passed": sorted(report.passed),
            "not_passed": report.not_passed,
            "left_out": sorted(report.left_out),
        }
    )
