"""Storage in trouble: full, of another version, forged, or cleared while a page is open."""

from typing import Any, Final

import pytest
from playwright.sync_api import CDPSession, Page, expect

from e2e.cluster import Cluster, list_with
from e2e.conftest import NewViewer
from e2e.steering import open_at, reload_at
from e2e.viewer import Viewer

# Replaces the database by one of this version with these stores and entries.
_MAKE: Final = """async ({version, stores}) => {
  const ended = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  await ended(indexedDB.deleteDatabase('ratchet'));
  const opening = indexedDB.open('ratchet', version);
  opening.onupgradeneeded = () => {
    for (const [name, entries] of Object.entries(stores)) {
      const store = opening.result.createObjectStore(name);
      for (const [key, value] of Object.entries(entries)) store.put(value, key);
    }
  };
  (await ended(opening)).close();
}"""
_VERSION: Final = """async () => {
  const found = (await indexedDB.databases()).find(({name}) => name === 'ratchet');
  return found?.version;
}"""
# What another tab, or a person with the developer tools, may do.
_WRITE: Final = "([key, value]) => localStorage.setItem(key, value)"


# Another script of the site leaves no room at all.
_FILL: Final = """() => {
  let text = '';
  for (let size = 2 ** 23; size >= 1; size /= 2) {
    try {
      localStorage.setItem('filled', text + 'x'.repeat(size));
      text += 'x'.repeat(size);
    } catch {} // then half of it
  }
}"""


def away(page: Page, cluster: Cluster, *, balanced: bool = False) -> None:
    """Go to a page of the same site that merges nothing: then the test can change the storage."""
    page.goto(f"{cluster.url if balanced else cluster.a.url}/healthz")


def devtools(viewer: Viewer) -> CDPSession:
    return viewer.page.context.new_cdp_session(viewer.page)


def quota(viewer: Viewer, site: str, size: int | None) -> None:
    """Limit the site's storage to this many bytes. None: to the browser's usual limit."""
    limit: dict[str, Any] = {} if size is None else {"quotaSize": size}
    devtools(viewer).send("Storage.overrideQuotaForOrigin", {"origin": site, **limit})


def test_a_full_disk_is_reported_and_survived(cluster: Cluster, video: str, viewer: Viewer) -> None:
    viewer.page.goto(f"{cluster.a.url}/healthz")
    quota(viewer, cluster.a.url, 1)
    cluster.a.view(video)
    viewer.open(cluster.a.url, video)
    viewer.panel_says("log", "Quota")
    viewer.panel_says("storage", "localstorage")
    cluster.a.view(video)
    viewer.merged(2)
    viewer.sees(2)

    # The replacement survives a reload. The page uses IndexedDB again when there is room.
    quota(viewer, cluster.a.url, None)
    viewer.reload()
    viewer.merged(2)
    viewer.panel_says("storage", "indexeddb")
    assert viewer.shown == [2]
    assert not viewer.complaints


def test_local_storage_that_others_have_filled_does_not_make_the_first_paint_show_less(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    away(viewer.page, cluster, balanced=True)
    viewer.page.evaluate(_FILL)
    cluster.cut_off("c")
    for _ in range(3):
        cluster.a.view(video)
    open_at(cluster, viewer, video, "ab")
    viewer.merged(3)
    viewer.panel_says("storage", "indexeddb")

    assert set(reload_at(cluster, viewer, "c")) == {3}
    another = Viewer(viewer.page.context)
    cluster.turn_to("c")
    another.open(cluster.url, video)
    assert another.page_node == "c"
    another.merged(3)
    assert another.shown == [3]
    cluster.turn_to("c")
    another.page.goto(list_with(cluster.url, video))
    assert another.page_node == "c"
    shown = another.page.locator(f'[data-video="{video}"]')
    expect(shown).to_have_text("3")

    # There is room again, and the page needs IndexedDB no more.
    another.page.evaluate("localStorage.removeItem('filled')")
    another.open(cluster.url, video)
    another.page.wait_for_function("() => localStorage.getItem('ratchet:whole')")
    mark = another.page.evaluate("key => localStorage.getItem(key)", f"ratchet:high:{video}")
    assert mark == "3"
    assert not viewer.complaints + another.complaints


@pytest.mark.parametrize(
    "stores",
    [
        {},
        {"counters": {}},
        {"counters": {"VIDEO": '{"base":0,"slots":{"z@1":5}}'}},
        {"counters": {"VIDEO": {"an": "object"}}, "folded": {"all": 7}},
    ],
    ids=["no stores", "half of them", "counters without folded", "other things in them"],
)
def test_data_of_an_older_version_is_upgraded_or_left_out(
    cluster: Cluster, video: str, viewer: Viewer, stores: dict[str, dict[str, object]]
) -> None:
    cluster.a.view(video)
    away(viewer.page, cluster)
    named = {
        store: {key.replace("VIDEO", video): value for key, value in entries.items()}
        for store, entries in stores.items()
    }
    viewer.page.evaluate(_MAKE, {"version": 1, "stores": named})

    viewer.open(cluster.a.url, video)

    viewer.merged(1)
    viewer.panel_says("storage", "indexeddb")
    viewer.sees(1)
    assert viewer.shown == [1]
    assert viewer.page.evaluate(_VERSION) == 2
    assert not viewer.complaints


def test_a_state_of_the_version_before_is_kept(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.a.view(video)
    away(viewer.page, cluster)
    counters = {video: '{"base":0,"slots":{"z@1763800000000000":5}}'}
    stores = {"counters": counters, "folded": {"all": "{}"}}
    viewer.page.evaluate(_MAKE, {"version": 1, "stores": stores})
    viewer.open(cluster.a.url, video)
    viewer.merged(6)


def test_data_of_a_newer_version_is_not_touched(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.a.view(video)
    away(viewer.page, cluster)
    viewer.page.evaluate(_MAKE, {"version": 99, "stores": {"other": {"key": "theirs"}}})
    viewer.open(cluster.a.url, video)
    viewer.merged(1)
    viewer.panel_says("storage", "localstorage")
    assert viewer.page.evaluate(_VERSION) == 99
    viewer.reload()
    viewer.merged(1)
    assert not viewer.complaints


def test_a_state_higher_than_any_server_s_is_shown_and_stays(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    """A browser can't tell a forged state from the state of a cluster that is cut off just now."""
    cluster.a.view(video)
    away(viewer.page, cluster)
    counters = {video: '{"base":0,"slots":{"z@1763800000000000":1000}}'}
    stores = {"counters": counters, "folded": {"all": "{}"}}
    viewer.page.evaluate(_MAKE, {"version": 2, "stores": stores})
    viewer.open(cluster.a.url, video)
    viewer.sees(1001)
    viewer.reload()
    viewer.merged(1001)
    assert viewer.shown == [1001]
    # It stays in this browser: no node receives it.
    assert cluster.a.views(video) == 1


def test_a_mark_that_is_no_number_of_views_is_left_out(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.a.view(video)
    away(viewer.page, cluster)
    viewer.page.evaluate(_WRITE, [f"ratchet:high:{video}", "9007199254740992"])
    viewer.open(cluster.a.url, video, debug=False)
    viewer.sees(1)
    cluster.a.view(video)
    viewer.sees(2)
    assert viewer.shown == [1, 2]
    # The mark is mended, so the next page begins with this number at least.
    assert viewer.page.evaluate("key => localStorage.getItem(key)", f"ratchet:high:{video}") == "2"


def test_storage_that_is_cleared_while_the_page_is_open_is_filled_again(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.cut_off("c")
    for _ in range(3):
        cluster.a.view(video)
    # A page that c sends shows 0 at first.
    cluster.turn_to("a")
    open_at(cluster, viewer, video, "ab")
    viewer.merged(3)

    devtools(viewer).send(
        "Storage.clearDataForOrigin", {"origin": cluster.url, "storageTypes": "all"}
    )
    cluster.a.view(video)
    viewer.merged(4)
    viewer.sees(4)
    assert viewer.shown == [3, 4]

    assert set(reload_at(cluster, viewer, "c")) == {4}
    viewer.merged(4)
    assert not viewer.complaints


@pytest.mark.parametrize("kind", ["indexeddb", "localstorage"])
def test_two_tabs_that_write_at_once_lose_nothing(
    cluster: Cluster, video: str, new_viewer: NewViewer, kind: str
) -> None:
    one = new_viewer()
    other = Viewer(one.page.context)
    cluster.cut_off("c")
    open_at(cluster, one, video, "ab")
    one.use_storage(kind)
    one.panel_says("storage", kind)
    open_at(cluster, other, video, "c")
    other.panel_says("storage", kind)
    for _ in range(10):
        cluster.a.view(video)
        cluster.c.view(video)
    one.sees(20)
    other.sees(20)
    one.merged(20)
    other.merged(20)
    one.reload()
    one.merged(20)
    assert one.shown == [20]
    assert not other.complaints


def test_clearing_it_while_a_merge_is_being_written_leaves_nothing_of_it(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    cluster.a.view(video)
    viewer.open(cluster.a.url, video)
    viewer.use_storage("localstorage")
    viewer.merged(1)
    # The worker has read the old state, and is about to write the new one.
    viewer.page.evaluate(
        """() => {
            const write = Storage.prototype.setItem;
            Storage.prototype.setItem = function (key, text) {
                if (key.startsWith('ratchet:state:')) {
                    Storage.prototype.setItem = write;
                    document.querySelector('[data-testid="storage-clear"]').click();
                }
                write.call(this, key, text);
            };
        }"""
    )
    cluster.a.view(video)
    viewer.merged(0)
    viewer.sees(2)
    assert not viewer.complaints


def test_clearing_it_keeps_a_view_that_no_node_has_taken_yet(
    cluster: Cluster, video: str, viewer: Viewer
) -> None:
    viewer.open(cluster.a.url, video)
    viewer.merged(0)
    viewer.load_the_clip()
    cluster.a.kill9()
    viewer.play()
    viewer.has_sent(1)
    viewer.page.get_by_test_id("storage-clear").click()
    viewer.panel_says("storage-said", "views on their way")
    cluster.a.start()
    viewer.sees(1)
    assert cluster.a.views(video) == 1
