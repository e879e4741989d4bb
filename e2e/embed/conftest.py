"""A site that the nodes let show their counts, and its readers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import BrowserContext, Playwright

from e2e.cluster import Cluster, running_cluster
from e2e.embed.reader import NewReader, Reader
from e2e.other_site import OtherSite, other_site
from testing.browsers import FLAGS

# Whether Chromium lets a frame of another site store something: the default differs between builds.
STORES: Final = {"cookie_controls_mode": 0, "block_third_party_cookies": False}
STORES_NOT: Final = {"cookie_controls_mode": 1, "block_third_party_cookies": True}


@pytest.fixture(scope="module")
def blog() -> Iterator[OtherSite]:
    """A site that the nodes list in RATCHET_EMBED_ORIGINS."""
    with other_site() as site:
        yield site


@pytest.fixture(scope="module")
def _listing(blog: OtherSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    environ = {"RATCHET_EMBED_ORIGINS": f"https://blog.example, {blog.origin}"}
    with running_cluster(tmp_path_factory.mktemp("embed"), environ=environ) as running:
        yield running


@pytest.fixture
def cluster(_listing: Cluster) -> Iterator[Cluster]:
    """Three nodes behind a balancer that let the blog embed their counts."""
    yield _listing
    _listing.mend()


@pytest.fixture
def new_reader(
    playwright: Playwright, program: str, tmp_path: Path, kept: list[BrowserContext]
) -> NewReader:
    """Opens readers, each with an ordinary profile and these `preferences` of Chromium.

    (By default Playwright opens a private window, where frames of other sites may store nothing.)
    """

    def arrive(preferences: Mapping[str, object] = STORES, **options: Any) -> Reader:
        folder = tmp_path / f"profile-{len(kept)}" / "Default"
        folder.mkdir(parents=True)
        (folder / "Preferences").write_text(json.dumps({"profile": preferences}))
        opened = playwright.chromium.launch_persistent_context(
            folder.parent,
            executable_path=program,
            args=list(FLAGS),
            **{"locale": "en-US", **options},
        )
        kept.append(opened)
        return Reader(opened)

    return arrive


@pytest.fixture
def ten_videos(_videos: Iterator[str]) -> Sequence[str]:
    """Ten videos of the catalogue that nobody has viewed."""
    return [next(_videos) for _ in range(10)]


@pytest.fixture
def reader(new_reader: NewReader) -> Reader:
    return new_reader()
