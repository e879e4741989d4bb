"""The fixtures: one browser and one cluster for all tests, a fresh profile and video for each."""

import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright
from ratchet_server.demo import balancer

from e2e import cluster as clusters
from e2e import life
from e2e.cluster import Cluster
from e2e.setup import FLAGS, QUICK_BROWSER, browser_program
from e2e.viewer import Viewer

# Screenshots and logs of what failed; not in git.
ARTEFACTS: Final = Path(__file__).parent / "artefacts"
_FAILED: Final = pytest.StashKey[bool]()

# A new profile and a tab in it.
NewViewer = Callable[[], Viewer]


def pytest_report_header() -> str:
    """Says in front of what the nodes will be tested."""
    found = balancer.find_haproxy()
    return f"balancer: {found or 'the built-in stand-in, as HAProxy is not installed'}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remembers which test has failed, for `kept`."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def program(playwright: Playwright) -> str:
    """The browser with profiles, for tests of their settings."""
    return browser_program(playwright.chromium)


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    quick = browser_program(playwright.chromium, QUICK_BROWSER)
    opened = playwright.chromium.launch(executable_path=quick, args=list(FLAGS))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def cluster_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="session")
def _one_cluster(cluster_folder: Path) -> Iterator[Cluster]:
    with clusters.running_cluster(cluster_folder) as running:
        yield running


@pytest.fixture
def cluster(_one_cluster: Cluster) -> Iterator[Cluster]:
    """Three nodes that run, hear each other and count the same; do with them what you like."""
    yield _one_cluster
    _one_cluster.mend()


@pytest.fixture(scope="session")
def _one_life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("life")
    with clusters.running_cluster(
        folder, "abcd", flags=("--open",), environ=life.SOON, balanced=False
    ) as running:
        yield running


@pytest.fixture
def four(_one_life: Cluster) -> Iterator[Cluster]:
    """Four nodes that run and hear each other, without a balancer, and fold soon; do with them what
    you like. They count any video; what went on before may still be being folded."""
    yield _one_life
    _one_life.revive()


@pytest.fixture(scope="session")
def _videos() -> Iterator[str]:
    return clusters.videos()


@pytest.fixture
def other_video(_videos: Iterator[str]) -> str:
    """Another one."""
    return next(_videos)


@pytest.fixture
def video(_videos: Iterator[str]) -> str:
    """A video of the catalogue that nobody has viewed."""
    return next(_videos)


@pytest.fixture
def kept(request: pytest.FixtureRequest, cluster_folder: Path) -> Iterator[list[BrowserContext]]:
    """Profiles whose pages are photographed if the test fails; all closed afterwards."""
    with ExitStack() as stack:
        profiles: list[BrowserContext] = []
        yield profiles
        for profile in profiles:
            stack.callback(profile.close)
        if request.node.stash.get(_FAILED, False):
            _keep_evidence(ARTEFACTS / request.node.name, profiles, cluster_folder)


@pytest.fixture
def profile(browser: Browser, kept: list[BrowserContext]) -> BrowserContext:
    """A browser that was never here before: nothing stored, nothing cached."""
    opened = browser.new_context(locale="en-US")
    kept.append(opened)
    return opened


@pytest.fixture
def new_viewer(browser: Browser, kept: list[BrowserContext]) -> Iterator[NewViewer]:
    """Viewers with a browser of their own each. At the end none of them may have complained."""
    viewers: list[Viewer] = []

    def arrive() -> Viewer:
        opened = browser.new_context(locale="en-US")
        kept.append(opened)
        viewers.append(Viewer(opened))
        return viewers[-1]

    yield arrive
    assert not [complaint for viewer in viewers for complaint in viewer.complaints]


@pytest.fixture
def viewer(new_viewer: NewViewer) -> Viewer:
    """Somebody in front of a browser that was never here before."""
    return new_viewer()


def _keep_evidence(folder: Path, profiles: list[BrowserContext], logs: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for log in logs.glob("*.log"):
        shutil.copy(log, folder)
    pages = [page for profile in profiles for page in profile.pages]
    for number, page in enumerate(pages, start=1):
        page.screenshot(path=folder / f"page-{number}.png", full_page=True)
