"""The clips in this node's own folder: <id>.webm, posters beside them, and a list of titles.

tide.webm  tide.webp  catalogue.toml:  [tide]  title = "…"  description = "…"

The node reads the folder again and again, so a clip needs no restart.
"""

import logging
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from ratchet import names

from ratchet_server.log_throttle import LogThrottle
from ratchet_server.settings import SettingError

CLIP: Final = ".webm"
# What people may take for clips.
_OTHER_CLIPS: Final = {".mp4", ".m4v", ".mov", ".mkv", ".avi", ".ogv", ".mpg", ".m3u8", ".mpd"}
POSTERS: Final = (".webp", ".jpg", ".png")
_TEXTS: Final = "catalogue.toml"

# How often the node reads the folder in any case: some file systems give a folder no new time.
READ_S: Final = 60.0
# How many names one log line has.
_NAMED: Final = 10

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Video:
    """A video with a clip. Not every clip has a poster."""

    id: str
    title: str
    description: str
    # The endings of the files' names.
    clip: str
    poster: str | None

    @property
    def files(self) -> Iterator[str]:
        """The names of its files, below /media/."""
        return (self.id + ending for ending in (self.clip, self.poster) if ending)


class _Seen(NamedTuple):
    """A file at a look. It differs at the next look if somebody is writing the file."""

    size: int
    modified_ns: int
    inode: int


class Catalogue:
    """The videos of `folder`. None: no videos, ever."""

    def __init__(self, folder: Path | None) -> None:
        """Raises `SettingError`."""
        self._folder = folder
        # The state of the folder at the last look, and when the node last read it.
        self._mark: object = None
        self._read_at = 0.0
        # New clips that may not be complete yet.
        self._unsettled: dict[str, _Seen] = {}
        # Clips whose names are no ids, and files that are no clips.
        self._misnamed: Set[str] = frozenset()
        self._passed_over: Set[str] = frozenset()
        self._complaints = LogThrottle()
        # By id, in the order of the ids.
        self.videos: Mapping[str, Video] = {}
        if folder is not None:
            try:
                self.videos = self._read(folder, wait=False)
            except OSError as error:
                raise SettingError(f"--media {folder} can't be read: {error}") from None
            if not self.videos:
                _log.warning("--media %s holds no <id>.webm, so the catalogue is empty", folder)

    def path(self, file: str) -> Path | None:
        """Where the clip or the poster with this name is; None if it is not in the catalogue."""
        video = self.videos.get(file.rpartition(".")[0])
        if video is None or self._folder is None or file not in video.files:
            return None
        return self._folder / file

    def look(self, *, ordered: bool) -> None:
        """Look at the folder once: see `looks.Source`."""
        if self._folder is None:
            return
        try:
            videos = self._look(self._folder, ordered=ordered)
        except (OSError, SettingError) as error:
            self._warn(f"the catalogue stays as it is: {error}")
            return
        if videos != self.videos:
            _report(self.videos, videos)
            self.videos = videos
        elif ordered:
            _log.info("the catalogue has %d videos, as before", len(videos))

    def _look(self, folder: Path, *, ordered: bool) -> Mapping[str, Video]:
        mark = _mark(folder)
        is_due = time.monotonic() - self._read_at > READ_S
        if mark == self._mark and not (self._unsettled or is_due or ordered):
            return self.videos
        videos = self._read(folder, wait=not ordered)
        if not videos and self.videos and not ordered:
            raise SettingError(
                f"--media {folder} has no clips any more. Is its disk mounted? If the node is to "
                "have no clips, send it SIGHUP"
            )
        return videos

    def _read(self, folder: Path, *, wait: bool) -> Mapping[str, Video]:
        """The videos in the folder. `wait`: leave out each new clip until two looks in a row see it
        unchanged, because it may be half copied. Raises `SettingError` and `OSError`."""
        if not folder.is_dir():
            raise SettingError(
                f"--media {folder}: there is no such folder; name the folder of clips"
            )
        # Before the files, so that a change during this read is noticed at the next look.
        mark = _mark(folder)
        texts = _texts(folder / _TEXTS)
        present = {path.name: path for path in folder.iterdir() if path.is_file()}
        unsettled: dict[str, _Seen] = {}
        misnamed: dict[str, str] = {}
        videos = {}
        for clip in sorted(present.values(), key=lambda path: path.stem):
            if clip.suffix != CLIP:
                continue
            try:
                video = names.video(clip.stem)
            except names.Invalid as error:
                misnamed[clip.name] = str(error)
                continue
            if wait and video not in self.videos:
                stat = clip.stat()
                unsettled[video] = _Seen(stat.st_size, stat.st_mtime_ns, stat.st_ino)
                if self._unsettled.get(video) != unsettled[video]:
                    continue
                del unsettled[video]
            entry = texts.get(video, {})
            poster = next((ending for ending in POSTERS if video + ending in present), None)
            title, description = str(entry.get("title", video)), str(entry.get("description", ""))
            videos[video] = Video(video, title, description, CLIP, poster)
        for name in misnamed.keys() - self._misnamed:
            _log.warning("%s is not in the catalogue; rename it: %s", folder / name, misnamed[name])
        others = {name for name, path in present.items() if path.suffix.lower() in _OTHER_CLIPS}
        if new := sorted(others - self._passed_over):
            _log.warning(
                "clips are <id>%s; not in the catalogue: %s. To count videos that other servers "
                "send, list their ids in a file for --videos",
                CLIP,
                _first(new),
            )
        self._passed_over = others
        self._mark, self._read_at = mark, time.monotonic()
        self._unsettled, self._misnamed = unsettled, misnamed.keys()
        return videos

    def _warn(self, message: str) -> None:
        # The same fault comes back with each look.
        if self._complaints.due(message):
            _log.warning("%s", message)


def _mark(folder: Path) -> object:
    """It changes when a file is added, removed or renamed, and when the titles change."""
    stat = folder.stat()
    try:
        texts = (folder / _TEXTS).stat()
    except FileNotFoundError:
        return stat.st_mtime_ns, stat.st_ino, None
    return stat.st_mtime_ns, stat.st_ino, (texts.st_mtime_ns, texts.st_size, texts.st_ino)


def _texts(file: Path) -> Mapping[str, Mapping[str, object]]:
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise SettingError(f"{file}: {error}") from None
    return {video: entry for video, entry in entries.items() if isinstance(entry, dict)}


def _report(before: Mapping[str, Video], now: Mapping[str, Video]) -> None:
    changed = [video for video in now if video in before and now[video] != before[video]]
    parts = [
        f"{what} {len(ids)} ({_first(ids)})"
        for what, ids in (
            ("added", sorted(now.keys() - before.keys())),
            ("removed", sorted(before.keys() - now.keys())),
            ("changed", changed),
        )
        if ids
    ]
    _log.info("the catalogue has %d videos now: %s", len(now), ", ".join(parts))


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
