"""Frames as text and back: strict and bounded. PROTOCOL.md says the same in prose.

A frame is one JSON object whose `"is"` names its kind. Whatever comes in is either exactly a
frame or `Invalid`, with the reason; nothing half-read ever reaches a replica.
"""

import re
from collections.abc import Callable
from typing import Final

from ratchet import names, strict_json
from ratchet.column import Row
from ratchet.frames import (
    MAX_ROWS,
    VERSION,
    Alive,
    BaseRows,
    Digest,
    Extent,
    Frame,
    Have,
    Hello,
    Rows,
    Want,
    WantBase,
)
from ratchet.names import Invalid
from ratchet.slot import Slot
from ratchet.snapshot import decode_generations
from ratchet.strict_json import array, mapping, record

# In characters, all of them ASCII. A digest of 10,000 slots of ordinary names is half of this.
MAX_TEXT: Final = 2**20

_PROCESS: Final = re.compile(r"[0-9a-f]{16}")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}")
_URL: Final = re.compile(r"(https?://[!-~]{1,200})?")


def encode(frame: Frame) -> str:
    """`frame` as text."""
    said: dict[str, object]
    match frame:
        case Hello(node, process, url):
            said = {"is": "hello", "version": VERSION, "node": node, "process": process, "url": url}
        case Digest():
            said = {
                "is": "digest",
                "slot": None if frame.slot is None else str(frame.slot),
                "slots": {
                    str(slot): [upto, _hex(content)]
                    for slot, (upto, content) in frame.slots.items()
                },
                "heard": dict(frame.heard),
                "closed": dict(frame.closed),
                "folded": dict(frame.folded),
                "lifted": dict(frame.lifted),
                "base": _hex(frame.base),
                "alive": dict(frame.alive),
            }
        case Want(slot, above, number):
            said = {"is": "want", "slot": str(slot), "above": above, "number": number}
        case Rows(slot, start, upto, more, rows, tell, answers):
            said = {"is": "rows", "slot": str(slot), "start": start, "upto": upto, "more": more}
            said |= {"rows": rows, "tell": tell, "answers": answers}
        case Have(slot, upto):
            said = {"is": "have", "slot": str(slot), "upto": upto}
        case WantBase(start):
            said = {"is": "want-base", "start": start}
        case BaseRows(folded, start, total, entries):
            said = {"is": "base", "folded": dict(folded), "start": start, "total": total}
            said["rows"] = entries
    return strict_json.dumps(said)


def decode(text: str) -> Frame:
    """The frame in `text`. Raises `Invalid`."""
    said = mapping(strict_json.loads(text, MAX_TEXT))
    read = _READERS.get(str(said.get("is")))
    if read is None:
        raise Invalid(f"no frame is called {names.shown(said.get('is'))}")
    return read(said)


def _hello(said: object) -> Hello:
    # The version is looked at before anything else: a later version may say more than we know.
    version = mapping(said).get("version")
    if version != VERSION or isinstance(version, bool):
        raise Invalid(f"this node speaks version {VERSION}, not {names.shown(version)}")
    said = record(said, "is", "version", "node", "process", "url")
    return Hello(names.node(said["node"]), _process(said["process"]), _url(said["url"]))


def _digest(said: object) -> Digest:
    said = record(
        said, "is", "slot", "slots", "heard", "closed", "folded", "lifted", "base", "alive"
    )
    heard, closed, folded = (decode_generations(said[key]) for key in ("heard", "closed", "folded"))
    for lesser, greater, rule in (
        (folded, closed, "only closed slots are folded"),
        (closed, heard, "only what has been heard of is closed"),
    ):
        for node, generation in lesser.items():
            if generation > greater.get(node, -1):
                raise Invalid(f"{rule}, not {node}@{generation}")
    return Digest(
        None if said["slot"] is None else Slot.parse(said["slot"]),
        {Slot.parse(slot): _extent(extent) for slot, extent in mapping(said["slots"]).items()},
        heard,
        closed,
        folded,
        {names.node(node): names.count(n) for node, n in mapping(said["lifted"]).items()},
        _content(said["base"]),
        {_process(process): _alive(known) for process, known in mapping(said["alive"]).items()},
    )


def _alive(value: object) -> Alive:
    parts = array(value)
    if len(parts) != 3:
        raise Invalid("a process that is alive has 3 parts")
    node, generation, url = parts
    return Alive(
        names.node(node), None if generation is None else names.generation(generation), _url(url)
    )


def _extent(value: object) -> Extent:
    parts = array(value)
    if len(parts) != 2:
        raise Invalid("an extent has 2 parts")
    upto, content = parts
    return Extent(names.count(upto), _content(content))


def _want(said: object) -> Want:
    said = record(said, "is", "slot", "above", "number")
    slot, above = Slot.parse(said["slot"]), names.count(said["above"])
    return Want(slot, above, names.count(said["number"]))


def _rows(said: object) -> Rows:
    said = record(said, "is", "slot", "start", "upto", "more", "rows", "tell", "answers")
    start = last = names.count(said["start"])
    rows = []
    for video, views, seq in _tuples(said["rows"], 3):
        row = Row(names.video(video), names.count(views), names.count(seq))
        if row.seq <= last:
            raise Invalid(f"row {row.seq} is out of order after {last}")
        last = row.seq
        rows.append(row)
    more, tell = _switch(said["more"]), _switch(said["tell"])
    if more and not rows:
        raise Invalid("more rows can't be asked for after none")
    slot, upto = Slot.parse(said["slot"]), names.count(said["upto"])
    return Rows(slot, start, upto, more, tuple(rows), tell, names.count(said["answers"]))


def _have(said: object) -> Have:
    said = record(said, "is", "slot", "upto")
    return Have(Slot.parse(said["slot"]), names.count(said["upto"]))


def _want_base(said: object) -> WantBase:
    return WantBase(names.count(record(said, "is", "start")["start"]))


def _base(said: object) -> BaseRows:
    said = record(said, "is", "folded", "start", "total", "rows")
    rows = tuple((names.video(video), names.count(n)) for video, n in _tuples(said["rows"], 2))
    folded = decode_generations(said["folded"])
    return BaseRows(folded, names.count(said["start"]), names.count(said["total"]), rows)


_READERS: Final[dict[str, Callable[[object], Frame]]] = {
    "hello": _hello,
    "digest": _digest,
    "want": _want,
    "rows": _rows,
    "have": _have,
    "want-base": _want_base,
    "base": _base,
}


def _hex(content: int | None) -> str | None:
    return None if content is None else f"{content:016x}"


def _content(value: object) -> int | None:
    if value is None:
        return None
    return int(_text(value, _FINGERPRINT, "a fingerprint is 16 hex digits"), 16)


def _process(value: object) -> str:
    return _text(value, _PROCESS, "a process is 16 hex digits")


def _url(value: object) -> str:
    return _text(value, _URL, "a url is http(s)://…")


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise Invalid(f"true or false is expected, not {names.shown(value)}")


def _tuples(value: object, width: int) -> list[list[object]]:
    rows = [array(row) for row in array(value)]
    if len(rows) > MAX_ROWS:
        raise Invalid(f"{len(rows)} rows in one frame are more than {MAX_ROWS}")
    if any(len(row) != width for row in rows):
        raise Invalid(f"a row has {width} parts")
    return rows


def _text(value: object, form: re.Pattern[str], rule: str) -> str:
    if isinstance(value, str) and form.fullmatch(value):
        return value
    raise Invalid(f"{rule}, not {names.shown(value)}")
