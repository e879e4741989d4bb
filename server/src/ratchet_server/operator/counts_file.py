"""A file of counts: `video,views` in its first line, then a video and its views in each line."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from ratchet import names

from ratchet_server.operator.humanize import counted

HEAD: Final = ("video", "views")
# Room for some ten million videos.
MAX_BYTES: Final = 2**30


class FileError(Exception):
    """The file is not as it should be. The message says where, and why."""


@dataclass(frozen=True)
class Counts:
    """What a file has."""

    file: Path
    views_of: Mapping[str, int]
    # The line of each video, in the order of `views_of`.
    lines: tuple[int, ...]
    # How many lines have no views.
    without: int

    @property
    def views(self) -> int:
        """The views of all videos together."""
        return sum(self.views_of.values())


def read(file: Path) -> Counts:
    """Read all of `file`. Raises `FileError`."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise FileError(f"{file} has more than {MAX_BYTES >> 20} MiB; split it")
        # Spreadsheets begin a file with a byte order mark.
        with file.open(encoding="utf-8-sig", newline="") as opened:
            return _counts(file, opened)
    except OSError as error:
        raise FileError(f"can't read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FileError(f"{file} is not UTF-8; save it as UTF-8") from None


def _counts(file: Path, opened: TextIO) -> Counts:
    reader = csv.reader(opened, strict=True)
    views_of: dict[str, int] = {}
    lines: dict[str, int] = {}
    without = 0
    try:
        for video, views in _rows(reader):
            if video in lines:
                raise FileError(f"{video} is in line {lines[video]}, too; add up its views")
            lines[names.video(video)] = reader.line_num
            if number := _number(views):
                views_of[video] = number
            else:
                without += 1
    except (FileError, names.Invalid, csv.Error) as error:
        raise FileError(f"{file}, line {max(1, reader.line_num)}: {error}") from None
    if not views_of:
        raise FileError(f"{file} has no views")
    return Counts(file, views_of, tuple(lines[video] for video in views_of), without)


def _rows(reader: Iterator[list[str]]) -> Iterator[tuple[str, str]]:
    head = tuple(name.strip().lower() for name in next(reader, []))
    if head != HEAD:
        given = names.shown(",".join(head))
        more = "; it has semicolons: export it with commas" if ";" in given else ""
        raise FileError(f"the first line must be {','.join(HEAD)}, not {given}{more}")
    for row in reader:
        if len(row) == len(HEAD):
            yield row[0].strip(), row[1].strip()
        elif row:
            raise FileError(f"it has {counted(len(row), 'column')}, and not 2")


def _number(text: str) -> int:
    # Python also takes "1_000" and other digits than these.
    if text.isascii() and text.isdecimal():
        digits = text.lstrip("0") or "0"
        # Beyond some thousand digits, Python refuses to make a number of them.
        if len(digits) <= len(str(names.MAX_COUNT)) and int(digits) <= names.MAX_COUNT:
            return int(digits)
    raise FileError(f"views are a whole number from 0 to 2^53-1, not {names.shown(text)}")
