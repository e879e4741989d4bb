"""Fingerprints: one number that is equal for two maps of video -> views exactly when the maps are.

A fingerprint is the sum of a hash of each entry. So a change costs one entry instead of all of
them, and the order of entries does not matter (an incremental multiset hash: Bellare and
Micciancio, 1997).
"""

from hashlib import blake2b
from typing import Final

WORD: Final = 2**64

# A copy of it takes a third of the time of a new one.
_EMPTY: Final = blake2b(digest_size=8)


def entry(video: str, views: int) -> int:
    """The number that one entry adds to a fingerprint, modulo `WORD`."""
    digest = _EMPTY.copy()
    digest.update(f"{video} {views}".encode())
    return int.from_bytes(digest.digest(), "big")
