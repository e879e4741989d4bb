"""The videos in the operator's list (`--videos FILE`), for a site that keeps its clips elsewhere.

The list has one id a line; or it is JSON:

    ["moss", {"video": "tide", "title": "The tide", "description": "It rises."}]

The node reads it again when it has changed. Nodes do not send it to each other: give all of them
the same list.
"""

import io
import json
import logging
import os
import stat
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from ratchet import names

from ratchet_server.log_throttle import LogThrottle
from ratchet_server.settings import SettingError

# A longer list is not read: room for some four million ids.
MAX_BYTES: Final = 128 * 2**20
# In how many parts it is sorted.
_PARTS: Final = 1000

_log = logging.getLogger(__name__)


class Text(NamedTuple):
    """What people read about a video."""

    title: str
    description: str


@dataclass(frozen=True)
class List:
    """A list that was read."""

    ids: Set[str] = frozenset()
    in_order: Sequence[str] = ()
    # Of the videos that have a title or a description.
    texts: Mapping[str, Text] = field(default_factory=dict)


class Listed:
    """The videos of `file`. None: no videos, ever."""

    def __init__(self, file: Path | None) -> None:
        """Raises `SettingError`."""
        self._file = file
        # The state of the file when it was read, and at the last look.
        self._read_at: object = None
        self._looked_at: object = None
        self._complaints = LogThrottle()
        self._list = List()
        if file is not None:
            try:
                self._read_at = _mark(file)
                self._list = _parsed(_text(file), file)
            except OSError as error:
                raise SettingError(f"--videos {file} can't be read: {error.strerror}") from None
            if not len(self):
                _log.warning("--videos %s names no videos", file)

    def __contains__(self, video: str) -> bool:
        return video in self._list.ids

    def __len__(self) -> int:
        return len(self._list.ids)

    @property
    def ids(self) -> Set[str]:
        """All ids: another set once the list has changed."""
        return self._list.ids

    def above(self, after: str) -> Iterator[str]:
        """The ids above `after`, in order."""
        in_order = self._list.in_order
        return islice(in_order, bisect_right(in_order, after), None)

    def text(self, video: str) -> Text | None:
        """What the list says of a video."""
        return self._list.texts.get(video)

    def look(self, *, ordered: bool) -> None:
        """Read the file if it has changed, and two looks have seen it unchanged since: it may be
        half written. See `looks.Source`."""
        if self._file is None:
            return
        try:
            before, self._looked_at = self._looked_at, _mark(self._file)
            is_new = self._looked_at != self._read_at and self._looked_at == before
            if is_new or ordered:
                text = _text(self._file)
                # Even if it can't be parsed: it is not read again until somebody has mended it.
                self._read_at = self._looked_at
                self._take(_parsed(text, self._file), self._file, ordered=ordered)
        except (OSError, SettingError) as error:
            # The same fault comes back with each look.
            if self._complaints.due(str(error)):
                _log.warning("the list of videos stays as it is: %s", error)

    def _take(self, new: List, file: Path, *, ordered: bool) -> None:
        if len(self) and not len(new.ids) and not ordered:
            raise SettingError(
                f"--videos {file} names no videos any more. If the node is to count none, send it "
                "SIGHUP"
            )
        self._list = new
        _log.info("--videos %s names %d videos now", file, len(new.ids))


def _mark(file: Path) -> object:
    """It changes when the file does."""
    now = file.stat()
    return now.st_size, now.st_mtime_ns, now.st_ino


def _text(file: Path) -> str:
    """Raises `SettingError` and `OSError`."""
    with open(file, "rb", opener=_at_once) as reading:
        if not stat.S_ISREG(os.fstat(reading.fileno()).st_mode):
            raise SettingError(f"--videos {file} is not a file")
        content = reading.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SettingError(f"--videos {file} has more than {MAX_BYTES} bytes")
    try:
        # Some programs put a byte order mark in front.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingError(f"--videos {file} is no UTF-8 text: {error.reason}") from None


def _at_once(path: str, flags: int) -> int:
    """Open a file. A pipe would otherwise wait for a program that writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _parsed(text: str, file: Path) -> List:
    """Raises `SettingError`.

    It works in small steps: one long step of this thread, such as to sort a million ids, would hold
    up all others for as long.
    """
    texts: dict[str, Text] = {}
    # No id begins with a bracket.
    is_json = text.lstrip()[:1] in {"[", "{"}
    ids = set(_of_json(text, file, texts) if is_json else _of_lines(text, file))
    return List(ids, _in_order(ids), texts)


def _in_order(ids: Set[str]) -> list[str]:
    # A set has no order, so its first ids are any. They divide the others into parts of about one
    # size.
    bounds = sorted(islice(ids, _PARTS))
    parts: list[list[str]] = [[] for _ in range(len(bounds) + 1)]
    for one in ids:
        parts[bisect_right(bounds, one)].append(one)
    in_order: list[str] = []
    for part in parts:
        part.sort()
        in_order += part
    return in_order


def _of_lines(text: str, file: Path) -> Iterator[str]:
    """The ids. Lines that begin with # are comments."""
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if (one := line.strip()) and one[0] != "#":
            yield _id(one, f"--videos {file}, line {number}")


def _of_json(text: str, file: Path, texts: dict[str, Text]) -> Iterable[str]:
    """The ids. What else the list says goes to `texts`."""
    try:
        # Not `strict_json`: a site's list may have fields of its own, also with fractions.
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingError(f"--videos {file}: not JSON: {error}") from None
    if not isinstance(entries, list):
        raise SettingError(f"--videos {file}: a list of videos is a JSON array")
    for number, entry in enumerate(entries, 1):
        where = f"--videos {file}, entry {number}"
        if not isinstance(entry, dict):
            yield _id(entry, where)
            continue
        video = _id(entry.get("video"), where)
        shown = (entry.get("title", video), entry.get("description", ""))
        if not all(map(_is_text, shown)):
            raise SettingError(f"{where}: a title and a description are texts")
        texts[video] = Text(*shown)
        yield video


def _is_text(value: object) -> bool:
    try:
        # Half a surrogate pair can't be sent on.
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _id(one: object, where: str) -> str:
    try:
        return names.video(one)
    except names.Invalid as error:
        raise SettingError(f"{where}: {error}") from None
