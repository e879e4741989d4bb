"""Fingerprints: one number that two maps of video -> views share exactly when they are equal.

The sum of a hash of each entry, so that a change costs one entry and not all of them, and order
doesn't matter (an incremental multiset hash: Bellare and Micciancio, 1997).
"""

from hashlib import blake2b
from typing import Final

WORD: Final = 2**64


def entry(video: str, views: int) -> int:
    """What one entry adds, modulo `WORD`."""
    return int.from_bytes(blake2b(f"{video} {views}".encode(), digest_size=8).digest(), "big")
