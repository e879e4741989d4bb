"""All tabs of a site share one Python, in whichever way the browser allows."""

from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

from e2e.cluster import Cluster
from e2e.viewer import Viewer
from testing.nodes import wait_until

_NO_SHARED_WORKERS = "delete window.SharedWorker;"
_NO_LOCKS_EITHER = f"{_NO_SHARED_WORKERS} delete Navigator.prototype.locks;"


def shared_workers(session: CDPSession, context: BrowserContext) -> list[str]:
    """The workers of this profile, by the browser's ids."""
    targets = session.send("Target.getTargets")["targetInfos"]
    profile = context.new_cdp_session(context.pages[0])
    mine = profile.send("Target.getTargetInfo")["targetInfo"]["browserContextId"]
    profile.detach()
    return [
        target["targetId"]
        for target in targets
        if target["type"] == "shared_worker" and target.get("browserContextId") == mine
    ]


def workers(browser: Browser, context: BrowserContext) -> list[str]:
    """The kinds of the workers that run in this profile."""
    session = browser.new_browser_cdp_session()
    shared = ["shared" for _ in shared_workers(session, context)]
    session.detach()
    return shared + ["own" for page in context.pages for _ in page.workers]


def three_tabs(
    cluster: Cluster, video: str, profile: BrowserContext, *, script: str = ""
) -> list[Viewer]:
    """Three tabs of one profile on one video, which all merge. `script` runs first in each."""
    cluster.a.view(video)
    viewers = []
    for _ in range(3):
        viewers.append(Viewer(profile))
        viewers[-1].page.add_init_script(script)
        viewers[-1].open(cluster.a.url, video)
        viewers[-1].merged(1)
    return viewers


def all_see(viewers: list[Viewer], views: int) -> None:
    """Every tab comes to this number by its own merge."""
    for viewer in viewers:
        viewer.merged(views)
        viewer.sees(views)
        assert not viewer.complaints


def test_three_tabs_share_one_worker(
    cluster: Cluster, video: str, profile: BrowserContext, browser: Browser
) -> None:
    tabs = three_tabs(cluster, video, profile)
    assert workers(browser, profile) == ["shared"]
    for tab in tabs:
        tab.panel_says("merged-by", "one worker for all tabs")

    tabs.pop(0).page.close()
    cluster.b.view(video)
    all_see(tabs, 2)


def test_a_worker_that_is_gone_is_noticed_and_another_one_takes_its_place(
    cluster: Cluster, video: str, profile: BrowserContext, browser: Browser
) -> None:
    tabs = three_tabs(cluster, video, profile)
    session = browser.new_browser_cdp_session()
    [target] = shared_workers(session, profile)
    # This happens when the tab crashes whose process the worker runs in. No tab gets a message.
    session.send("Target.closeTarget", {"targetId": target})
    wait_until(lambda: target not in shared_workers(session, profile), "the worker is gone")
    cluster.b.view(video)
    all_see(tabs, 2)
    session.detach()


def test_where_there_are_no_shared_workers_one_tab_leads_and_another_takes_over(
    cluster: Cluster, video: str, profile: BrowserContext, browser: Browser
) -> None:
    profile.add_init_script(_NO_SHARED_WORKERS)
    tabs = three_tabs(cluster, video, profile)
    assert workers(browser, profile) == ["own"]
    for tab in tabs:
        tab.panel_says("merged-by", "a worker of the tab that leads")
    leads, *follow = tabs
    assert len(leads.page.workers) == 1
    cluster.b.view(video)
    all_see(tabs, 2)

    leads.page.close()

    wait_until(lambda: workers(browser, profile) == ["own"], "another tab leads")
    cluster.b.view(video)
    all_see(follow, 3)

    # A reload of the new leader passes the lead on, too.
    leader = next(tab for tab in follow if tab.page.workers)
    leader.reload()
    cluster.c.view(video)
    all_see(follow, 4)
    assert workers(browser, profile) == ["own"]


def test_without_locks_each_tab_has_its_own_worker_and_tabs_share_what_they_know(
    cluster: Cluster, video: str, profile: BrowserContext, browser: Browser
) -> None:
    profile.add_init_script(_NO_LOCKS_EITHER)
    tabs = three_tabs(cluster, video, profile)
    assert workers(browser, profile) == ["own"] * 3
    cluster.b.view(video)
    all_see(tabs, 2)


def test_a_tab_that_vanishes_without_a_word_is_forgotten(
    cluster: Cluster, video: str, profile: BrowserContext
) -> None:
    # This also happens when a tab crashes, or when the browser frees its memory.
    silent = "addEventListener('pagehide', (event) => event.stopImmediatePropagation());"
    tabs = three_tabs(cluster, video, profile, script=silent)
    wait_until(lambda: waits_for_lives(tabs[0].page) == 6, "each side waits for the other's end")
    tabs.pop().page.close()
    wait_until(lambda: waits_for_lives(tabs[0].page) == 4, "nobody waits for the third any more")
    cluster.b.view(video)
    all_see(tabs, 2)


def waits_for_lives(page: Page) -> int:
    """How many locks are awaited: each tab awaits the worker's end, the worker each tab's."""
    return int(
        page.evaluate(
            """async () => (await navigator.locks.query()).pending
                .filter(({name}) => name.startsWith('ratchet-life')).length"""
        )
    )


def _back_from_the_cache(page: Page, event: Literal["pagehide", "pageshow"]) -> None:
    """Send the page the event of entering or leaving the back-forward cache, which Playwright
    switches off."""
    page.evaluate("name => dispatchEvent(new PageTransitionEvent(name, {persisted: true}))", event)


@pytest.mark.parametrize("script", ["", _NO_SHARED_WORKERS], ids=["shared", "leading"])
def test_a_page_that_comes_back_by_the_back_button_merges_again(
    cluster: Cluster, video: str, profile: BrowserContext, script: str
) -> None:
    if script:
        profile.add_init_script(script)
    tabs = three_tabs(cluster, video, profile)
    _back_from_the_cache(tabs[0].page, "pagehide")
    cluster.b.view(video)
    all_see(tabs[1:], 2)
    tabs[0].sees(2)
    tabs[0].merged(1)
    _back_from_the_cache(tabs[0].page, "pageshow")
    all_see(tabs, 2)
