"""The clips that a node shows: a folder of <id>.webm, posters beside them, and a list of titles.

tide.webm  tide.webp  catalogue.toml:  [tide]  title = "…"  description = "…"
"""

import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ratchet import names

from ratchet_server.settings import SettingError

_log = logging.getLogger(__name__)

_POSTERS = (".webp", ".jpg", ".png")


@dataclass(frozen=True)
class Video:
    """A video with a clip. Not every clip has a poster."""

    id: str
    title: str
    description: str
    clip: Path
    poster: Path | None


def read(folder: Path | None) -> Mapping[str, Video]:
    """The videos of `folder`, in the order of their ids. Raises `SettingError`."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise SettingError(f"--media {folder}: there is no such folder; name the folder of clips")
    texts = _texts(folder / "catalogue.toml")
    videos = {}
    for clip in sorted(folder.glob("*.webm"), key=lambda clip: clip.stem):
        try:
            video = names.video(clip.stem)
        except names.Invalid as error:
            _log.warning("%s is not in the catalogue; rename it: %s", clip, error)
            continue
        posters = (clip.with_suffix(ending) for ending in _POSTERS)
        entry = texts.get(video, {})
        videos[video] = Video(
            video,
            str(entry.get("title", video)),
            str(entry.get("description", "")),
            clip,
            next((poster for poster in posters if poster.is_file()), None),
        )
    if not videos:
        _log.warning("--media %s holds no <id>.webm, so the catalogue is empty", folder)
    return videos


def _texts(file: Path) -> Mapping[str, Mapping[str, object]]:
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise SettingError(f"{file}: {error}") from None
    return {video: entry for video, entry in entries.items() if isinstance(entry, dict)}
