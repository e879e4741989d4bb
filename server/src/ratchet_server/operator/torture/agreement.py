"""Agreement: waits until all addresses show the same numbers, and those no longer change."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from ratchet_server.client import CallError
from ratchet_server.operator.torture.history import Attempt, End, History
from ratchet_server.operator.torture.load import Target

_LOOK_S: Final = 0.3
# So often in a row the numbers must be the same: one address may stand for several nodes.
_LOOKS: Final = 4
_IDS: Final = 100


def agreed(
    targets: Sequence[Target],
    videos: Sequence[str],
    patience_s: float,
    least: Mapping[str, int] | None = None,
) -> list[End]:
    """What each address shows once all agree, and show at least `least`. After `patience_s`: what
    they show then. Raises the `CallError` of an address that does not answer."""
    late = time.monotonic() + patience_s
    before, same = None, 0
    while True:
        try:
            now = [End(target.name, _numbers(target, videos)) for target in targets]
        except CallError:
            if time.monotonic() > late:
                raise
            time.sleep(_LOOK_S)
            continue
        numbers = now[0].views
        whole = all(end.views == numbers for end in now) and all(
            numbers.get(video, 0) >= views for video, views in (least or {}).items()
        )
        same = same + 1 if whole and numbers == before else int(whole)
        before = numbers
        if same >= _LOOKS or time.monotonic() > late:
            return now
        time.sleep(_LOOK_S)


def answered(history: History) -> Counter[str]:
    """How many views of each video were answered."""
    ok = {
        event.key: event.video
        for event in history.events
        if isinstance(event, Attempt) and event.fate == "ok"
    }
    return Counter(ok.values())


def _numbers(target: Target, videos: Sequence[str]) -> dict[str, int]:
    parts = (videos[at : at + _IDS] for at in range(0, len(videos), _IDS))
    return {one.video: one.views for part in parts for one in target.client.videos(part)}
