"""The keys of views that count once: which there are, on disk and in memory.

A key is a random UUID. In a table in the order of keys, each new key changes a page of its own, and
a commit writes all these pages. So a commit writes its keys as one *group*, a row at the end of
another table. The groups are in the order of expiry: the table is dropped from its beginning, whole
groups at a time. 400,000 keys, 256 in a commit, cost 2.4 us each, and 30 us in the order of keys.

An index in memory finds the group of a key. It has 8 bytes of a hash of the key, and the id of the
group. The group then says whether the key is in it. A key that the index doesn't have is in no
group, so a new key costs no read.

The index has room for `MOST_IN_MEMORY` keys. If there are more, the groups that expire first move
into the table in the order of keys, where a read finds them. That is as slow as it sounds, and a
node counts on. Earlier releases had all keys there, and their keys stay until they expire.

A key may be *promised*: it has no video, and its view must not count here.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import islice
from typing import Final, NamedTuple, cast

from ratchet_server.counting import schema

# How many keys the index has at most: some 20 bytes each. That is 15 minutes of 2,300 a second.
MOST_IN_MEMORY: Final = 2**21
# How many keys are in one group at most: a key that comes again costs a read of its group.
GROUP: Final = 256
# How many groups, and how many keys in order, are dropped at once at most, so that no
# commit waits for a long clean-up.
DROPPED_AT_ONCE: Final = 256

# The id of a group is the second at which it expires, and its number in that second.
_SECOND: Final = 20
# Above all of them: the largest number in SQLite.
_NO_GROUP: Final = 2**63 - 1
_KEY: Final = 16
# The index is cut into this many parts, by hash; a part is a sequence of entries.
_PARTS: Final = 2**14
_MASK: Final = _PARTS - 1
_HASH: Final = 8
_ENTRY: Final = 16
# After how many new keys a part of the index loses what is not in a group any more.
_SWEEP_EVERY: Final = 32


class Held(NamedTuple):
    """A key that is on disk."""

    # None: it is promised.
    video: str | None
    expires_s: int


class Group(NamedTuple):
    """Keys that expire at one time, each with its video, or None if it is promised."""

    keys: dict[str, str | None]
    expires_s: int


class _State(NamedTuple):
    """What a rollback brings back."""

    in_groups: int
    in_order: int
    first: int
    last: int


class Keys:
    """The keys in one database. Only the thread of the database calls it, except for `may_hold` and
    `len`."""

    def __init__(self, database: sqlite3.Connection, *, most: int = MOST_IN_MEMORY) -> None:
        """`most`: how many keys the index has at most."""
        self._database = database
        self._most = most
        self._index = [b""] * _PARTS
        self._loaded = False
        # How many keys are in groups, and how many in order.
        self._in_groups = 0
        self._in_order = 0
        # No group has an id below this one.
        self._first = 0
        # The last id of a group that was put, 0 if the next one has to look.
        self._last = 0
        # The last part of the index that was swept, and how many keys came since.
        self._swept = 0
        self._since_sweep = 0
        self._before: _State | None = None

    def __len__(self) -> int:
        """How many keys are held, with those that have expired and are not dropped yet."""
        return self._in_groups + self._in_order

    def last_expiry_s(self) -> int | None:
        """When the key expires that expires last; None if there is none. Raises `sqlite3.Error`."""
        [(expires_s,)] = self._database.execute(schema.LAST_EXPIRY, (_SECOND,))
        return cast("int | None", expires_s)

    def may_hold(self, keys: Iterable[str]) -> bool:
        """Whether any of `keys` may be held; False is certain. It reads no disk.

        Any thread may ask, if no transaction that puts keys runs meanwhile.
        """
        if self._in_order or not self._loaded:
            return True
        index = self._index
        for key in keys:
            hashed = hash(_raw(key))
            if hashed.to_bytes(_HASH, "little", signed=True) in index[hashed & _MASK]:
                return True
        return False

    def load(self) -> None:
        """Read all keys into the index. Raises `sqlite3.Error`."""
        self._index = [b""] * _PARTS
        self._in_groups = self._first = self._last = 0
        [(self._in_order,)] = self._database.execute(schema.COUNT_KEYS)
        for group, keys in self._database.execute(schema.ALL_GROUPS):
            self._first = self._first or group
            self._in_groups += len(keys) // _KEY
            self._enter(group, _parts(keys))
        self._loaded = True

    def find(self, keys: Iterable[str], after_s: int = 0) -> dict[str, Held]:
        """Those of `keys` that are held and expire after `after_s`. With 0, these are also those
        that have expired and are not dropped yet. So are promises always: the node to which they
        were given may still wait for others.

        If a key was put more than once, a video counts more than a promise, and then the later
        expiry.
        """
        self._load_once()
        asked = {_raw(key): key for key in keys}
        found = dict[str, Held]()
        by_group = dict[int, list[bytes]]()
        for raw in asked:
            for group in self._groups_of(raw):
                by_group.setdefault(group, []).append(raw)
        for group, there in by_group.items():
            for raw, video in self._in_group(group, there):
                _take(found, asked[raw], Held(video, group >> _SECOND))
        if self._in_order:
            for key in asked.values():
                for video, expires_s in self._database.execute(schema.KNOWN_KEY, (key,)):
                    _take(found, key, Held(video or None, expires_s))
        return {
            key: held
            for key, held in found.items()
            if held.video is None or held.expires_s > after_s
        }

    def put(self, keys: Mapping[str, str | None], expires_s: int) -> None:
        """Hold `keys`, each with its video, or None for a promise, until `expires_s`."""
        self._load_once()
        entries = iter(keys.items())
        while part := list(islice(entries, GROUP)):
            group = self._new_id(expires_s)
            raws = [_raw(key) for key, _ in part]
            videos = "\n".join(video or "" for _, video in part)
            self._database.execute(schema.PUT_GROUP, (group, b"".join(raws), videos.encode()))
            self._enter(group, raws)
            self._first = min(self._first or group, group)
            self._in_groups += len(part)
        self._since_sweep += len(keys)
        self._move(len(keys))

    def drop(self, until_s: int) -> None:
        """Drop keys that expire at `until_s` or before: some at a time, so call it again and again.
        Until then `find` finds them."""
        self._load_once()
        bound = (until_s + 1) << _SECOND
        if self._in_groups and self._first < bound:
            dropped = self._database.execute(schema.DROP_GROUPS, (bound, DROPPED_AT_ONCE))
            self._in_groups -= sum(size // _KEY for (size,) in dropped.fetchall())
            self._look_for_the_first()
        if self._in_order:
            cursor = self._database.execute(schema.DROP_KEYS, (until_s, DROPPED_AT_ONCE))
            self._in_order -= cursor.rowcount

    def begin(self) -> None:
        """A transaction begins. The one before it, if any, is on disk."""
        self._sweep()
        self._before = None
        if self._loaded:
            self._before = _State(self._in_groups, self._in_order, self._first, self._last)

    def rolled_back(self) -> None:
        """The transaction was rolled back. What the index has too much, its group denies."""
        if self._before:
            self._in_groups, self._in_order, self._first, self._last = self._before
        else:
            self._loaded = False

    def _load_once(self) -> None:
        if not self._loaded:
            self.load()

    def _new_id(self, expires_s: int) -> int:
        """The id of the next group that expires at `expires_s`."""
        if self._last >> _SECOND != expires_s:
            second = expires_s << _SECOND
            bounds = (second, second + (1 << _SECOND))
            [(last,)] = self._database.execute(schema.LAST_GROUP, bounds)
            self._last = second if last is None else last
        self._last += 1
        return self._last

    def _look_for_the_first(self) -> None:
        [(first,)] = self._database.execute(schema.FIRST_GROUP)
        self._first = first or 0

    def _enter(self, group: int, raws: Iterable[bytes]) -> None:
        """Enter the keys of a group into the index."""
        index, id_bytes = self._index, group.to_bytes(_ENTRY - _HASH, "little")
        for raw in raws:
            hashed = hash(raw)
            index[hashed & _MASK] += hashed.to_bytes(_HASH, "little", signed=True) + id_bytes

    def _groups_of(self, raw: bytes) -> Iterator[int]:
        """The groups in which a key may be."""
        hashed = hash(raw)
        entries, wanted = self._index[hashed & _MASK], hashed.to_bytes(_HASH, "little", signed=True)
        at = entries.find(wanted)
        while at >= 0:
            if at % _ENTRY == 0:
                yield int.from_bytes(entries[at + _HASH : at + _ENTRY], "little")
            at = entries.find(wanted, at + 1)

    def _in_group(self, group: int, raws: Sequence[bytes]) -> Iterator[tuple[bytes, str | None]]:
        """Those of `raws` that are in a group, each with its video."""
        for keys, videos in self._database.execute(schema.GROUP, (group,)):
            places = {raw: place for place, raw in enumerate(_parts(keys))}
            named = videos.decode(errors="replace").split("\n")
            for raw in raws:
                # If a bit was flipped, there may be fewer.
                with suppress(KeyError, IndexError):
                    yield raw, named[places[raw]] or None

    def _sweep(self) -> None:
        """Take from some parts of the index what is before all groups. So it never has many more
        entries than there are keys in groups. (Not amid a transaction: a rollback brings groups
        back.)"""
        while self._since_sweep >= _SWEEP_EVERY:
            self._since_sweep -= _SWEEP_EVERY
            self._swept = (self._swept + 1) & _MASK
            entries, first = self._index[self._swept], self._first
            oldest = int.from_bytes(entries[_HASH:_ENTRY], "little")
            if entries and oldest < first:
                self._index[self._swept] = b"".join(
                    entry
                    for entry in _parts(entries)
                    if int.from_bytes(entry[_HASH:], "little") >= first
                )

    def _move(self, added: int) -> None:
        """If there is no room in the index, move the groups that expire first into the
        other table: a few more keys than were `added`, so that no commit waits for long."""
        moved = 0
        while self._in_groups > self._most and moved < added + GROUP:
            [(group, keys, videos)] = self._database.execute(schema.OLDEST_GROUP)
            named = videos.decode(errors="replace").split("\n")
            rows = [
                (_text(raw), video, group >> _SECOND)
                for raw, video in zip(_parts(keys), named, strict=False)
            ]
            self._database.executemany(schema.PUT_KEY, rows)
            self._database.execute(schema.DROP_GROUP, (group,))
            self._in_order += len(rows)
            self._in_groups -= len(keys) // _KEY
            moved += len(rows)
            self._look_for_the_first()


def all_groups(database: sqlite3.Connection, *, is_old: bool) -> Iterator[Group]:
    """All keys in `database`. `is_old`: it has version 1, and so no groups. Raises `sqlite3.Error`
    where keys can't be read."""
    for key, video, expires_s in database.execute(schema.ALL_KEYS):
        with suppress(ValueError):
            yield Group({_text(_raw(key)): video or None}, expires_s)
    if is_old:
        return
    for group, keys, videos in database.execute(schema.ALL_OF_GROUPS):
        named = videos.decode(errors="replace").split("\n")
        part = zip(map(_text, _parts(keys)), (video or None for video in named), strict=False)
        yield Group(dict(part), group >> _SECOND)


def all_counted(database: sqlite3.Connection, most: int) -> Iterator[dict[str, str]]:
    """All keys that have counted, each with its video: those first that came last, some more than
    `most` at a time at most. Between two parts, others may put and drop keys. Raises
    `sqlite3.Error`."""
    below = _NO_GROUP
    while below:
        part, below = _counted_below(database, below, most)
        yield part
    above = ""
    while rows := database.execute(schema.COUNTED_KEYS_ABOVE, (above, most)).fetchall():
        above = rows[-1][0]
        yield dict(rows)


def _counted_below(
    database: sqlite3.Connection, below: int, most: int
) -> tuple[dict[str, str], int]:
    """Those in groups with ids below `below`, and the last id that was read; 0 if there is none."""
    part = dict[str, str]()
    with closing(database.execute(schema.GROUPS_BELOW, (below,))) as groups:
        for group, keys, videos in groups:
            named = videos.decode(errors="replace").split("\n")
            pairs = zip(_parts(keys), named, strict=False)
            part |= {_text(raw): video for raw, video in pairs if video}
            if len(part) >= most:
                return part, group
    return part, 0


def _take(found: dict[str, Held], key: str, held: Held) -> None:
    """Take the better of two that are held for one key."""
    other = found.get(key)
    if other is None or (held.video is not None, held.expires_s) > (
        other.video is not None,
        other.expires_s,
    ):
        found[key] = held


def _raw(key: str) -> bytes:
    return bytes.fromhex(key.replace("-", ""))


def _text(raw: bytes) -> str:
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _parts(raw: bytes) -> list[bytes]:
    """`raw` in pieces of 16 bytes, without a rest."""
    return [raw[at : at + _KEY] for at in range(0, len(raw) - _KEY + 1, _KEY)]
