"""The browser's storage may hold anything. It must never make a number too large."""

from typing import Final

import pytest

from e2e.cluster import Cluster
from e2e.viewer import Viewer

_OPEN: Final = """
const database = await new Promise((resolve, reject) => {
  const request = indexedDB.open('ratchet');
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
"""
# Replaces the stored value by this text.
_SPOIL: Final = (
    f"async ([store, key, text]) => {{ {_OPEN}"
    """
  const transaction = database.transaction(store, 'readwrite');
  transaction.objectStore(store).put(text, key);
  await new Promise((resolve) => (transaction.oncomplete = resolve));
  database.close();
}"""
)
_STORED: Final = (
    f"async () => {{ {_OPEN}"
    """
  const request = database.transaction('counters').objectStore('counters').getAllKeys();
  await new Promise((resolve) => (request.onsuccess = resolve));
  database.close();
  return request.result;
}"""
)


def test_counters_whose_folded_is_garbage_are_forgotten_all_of_them(
    cluster: Cluster, video: str, other_video: str, viewer: Viewer
) -> None:
    for each in (video, other_video):
        cluster.a.view(each)
        viewer.open(cluster.a.url, each)
        viewer.merged(1)
    assert sorted(viewer.page.evaluate(_STORED)) == sorted([video, other_video])
    viewer.page.evaluate(_SPOIL, ["folded", "all", '{"a": -1}'])

    viewer.open(cluster.a.url, video)

    # The page merges and stores a node's state anew. Nothing stays that depended on the lost folds.
    viewer.merged(1)
    assert viewer.page.evaluate(_STORED) == [video]


@pytest.mark.parametrize("nested", ["[", '{"base":'], ids=["arrays", "objects"])
def test_a_value_nested_too_deep_for_any_stack_counts_as_nothing(
    cluster: Cluster, video: str, viewer: Viewer, nested: str
) -> None:
    cluster.a.view(video)
    viewer.open(cluster.a.url, video)
    viewer.merged(1)
    viewer.page.evaluate(_SPOIL, ["counters", video, nested * 100_000])

    viewer.reload()

    viewer.merged(1)
    viewer.panel_says("log", "discarded")
    cluster.a.view(video)
    viewer.merged(2)
    assert not viewer.complaints
