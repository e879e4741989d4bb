"""Which tests share a process when tests run side by side."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

# A test that runs on several buses or registries has their names among its parameters.
_SERVERS: Final = {"nats", "redis", "rabbitmq", "kafka", "etcd", "consul", "zookeeper"}
# These take seconds of the processor to start, so each is started once.
_COSTLY: Final = {"rabbitmq", "kafka"}


# pytest knows this hook only where xdist is installed. In Pyodide it is not.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """The tests of one file share a process, and those on one server of it do where a file runs on
    several: fixtures are made once, and no file takes minutes.

    (xdist 3.8 has marks for that, `xdist_group`. With pytest 9.2 they do nothing.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByServer(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

        def remove_node(self, node: Any) -> str | None:
            """A process has ended. If a test ended it, that one has failed, and the others of its
            group run elsewhere. (xdist 3.8 would run it again and again.)"""
            for tests in self.assigned_work[node].values():
                for test, is_done in tests.items():
                    if not is_done:
                        tests[test] = True
                        super().remove_node(node)
                        return test
            return super().remove_node(node)

    return ByServer(config, log)


def group(test: str) -> str:
    """The name of the group to which the test with this id belongs."""
    file, _, parameters = test.partition("::")
    on = _SERVERS.intersection(re.split(r"[\[\]-]", parameters.lower()))
    return next(iter(on & _COSTLY), " ".join([file, *on]))
