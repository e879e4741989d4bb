"""The codec: frames as text and back, strict and bounded. PROTOCOL.md says the same in prose.

A frame is one JSON object whose `"is"` names its kind. `_FORMS` below is the whole format: for
each kind its fields in order, each with its key and how its value is written and parsed. A text is
either exactly one frame or `Invalid`, with the reason. Nothing half-parsed ever reaches a replica.

Fields of later versions are ignored, but for those of `rows` and `base`. Views are merged by
maximum, for good: if an unknown field said how to understand them, no later frame could mend what
ignoring it has done.
"""

import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from ratchet import names, strict_json
from ratchet.column import Row
from ratchet.frames import (
    CLUSTERS_SINCE,
    DAYS_SINCE,
    PULSES_SINCE,
    VERSIONS,
    Alive,
    Ask,
    AskKeys,
    BaseRows,
    DaysExtent,
    Digest,
    Extent,
    Farewell,
    Frame,
    Have,
    Hello,
    Pulse,
    Rows,
    TellKeys,
    Versions,
    Want,
    WantBase,
)
from ratchet.names import Invalid
from ratchet.slot import Slot
from ratchet.snapshot import decode_generations
from ratchet.strict_json import array, mapping, record

# In characters, all of them ASCII. A digest of 10,000 slots of ordinary names is half of this.
MAX_TEXT: Final = 2**20

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def encode(frame: Frame, version: int = VERSIONS.newest, *, in_order: bool = False) -> str:
    """`frame` as text, for a receiver that speaks this version of the protocol. `in_order`: with
    the keys of each object in their order, so that equal frames are equal texts."""
    form = _BY_CLASS[type(frame)]
    text: dict[str, object] = {"is": form.kind}
    if isinstance(frame, Hello) and version < _HELLO_WITH_VERSIONS:
        text["version"] = version
    for field in form.fields:
        if field.since <= version:
            text[field.key] = field.value.write(getattr(frame, field.name))
    return strict_json.dumps(text, in_order=in_order)


def decode(text: str) -> Frame:
    """The frame in `text`. Raises `Invalid`."""
    value = mapping(strict_json.loads(text, MAX_TEXT))
    form = _BY_KIND.get(str(value.get("is")))
    if form is None:
        raise Invalid(f"no frame is called {names.shown(value.get('is'))}")
    if form.frame is Hello:
        # Before anything else is looked at: a later version may have other fields.
        value |= {"versions": [*_common_versions(value)]}
    required = [field.key for field in form.fields if field.since == VERSIONS.oldest]
    optional = [field.key for field in form.fields] if form.strict else [*value]
    value = record(value, "is", *required, optional=tuple(optional))
    given = [field for field in form.fields if field.key in value]
    return form.frame(**{field.name: field.value.parse(value[field.key]) for field in given})


# -- values: how each is written and parsed ----------------------------------------------------


class Value(NamedTuple, Generic[T]):
    """One type of value: to JSON, and from JSON or `Invalid`."""

    write: Callable[[T], object]
    parse: Callable[[object], T]


def _same(value: T) -> T:
    return value


def _matching(pattern: str, rule: str) -> Value[str]:
    """A text of one form."""
    form = re.compile(pattern)

    def parse(value: object) -> str:
        if isinstance(value, str) and form.fullmatch(value):
            return value
        raise Invalid(f"{rule}, not {names.shown(value)}")

    return Value(_same, parse)


def _optional(inner: Value[T]) -> Value[T | None]:
    """A value or null."""

    def write(value: T | None) -> object:
        return None if value is None else inner.write(value)

    def parse(value: object) -> T | None:
        return None if value is None else inner.parse(value)

    return Value(write, parse)


def _map(keys: Value[K], values: Value[T]) -> Value[Mapping[K, T]]:
    """An object, its keys as text."""

    def write(entries: Mapping[K, T]) -> object:
        return {keys.write(key): values.write(value) for key, value in entries.items()}

    def parse(value: object) -> Mapping[K, T]:
        return {keys.parse(key): values.parse(each) for key, each in mapping(value).items()}

    return Value(write, parse)


def _tuple(build: Callable[..., T], name: str, *parts: Value[Any]) -> Value[T]:
    """An array of fixed length, made into a tuple by `build`."""
    parsers = [part.parse for part in parts]

    def write(value: Any) -> object:
        return [part.write(each) for part, each in zip(parts, value, strict=True)]

    def parse(value: object) -> T:
        given = array(value)
        if len(given) != len(parts):
            raise Invalid(f"{name} has {len(parts)} parts")
        return build(*[parse(each) for parse, each in zip(parsers, given, strict=True)])

    # A tuple of plain values is an array in JSON as it is. A thousand rows need not be copied.
    plain = all(part.write is _same for part in parts)
    return Value(_same if plain else write, parse)


def _tuples(inner: Value[T], most: int | None = None) -> Value[tuple[T, ...]]:
    """An array of any length, or of `most` parts at most."""

    def write(values: tuple[T, ...]) -> object:
        return [inner.write(value) for value in values]

    def parse(value: object) -> tuple[T, ...]:
        given = array(value)
        if most is not None and len(given) > most:
            raise Invalid(f"{len(given)} parts are more than {most}")
        return tuple([inner.parse(each) for each in given])

    return Value(_same if inner.write is _same else write, parse)


def _parse_switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise Invalid(f"true or false is expected, not {names.shown(value)}")


def _parse_row(value: object) -> Row:
    """Like `_tuple(Row, …)`, in half the time: a replica that catches up parses a million rows."""
    given = array(value)
    if len(given) != 3:
        raise Invalid("a row has 3 parts")
    video, views, seq = given
    return Row(names.video(video), names.natural(views), names.natural(seq))


def _entry(video: str, views: int) -> tuple[str, int]:
    return video, views


_VIDEO: Final = Value[str](_same, names.video)
_NODE: Final = Value[str](_same, names.node)
_NATURAL: Final = Value[int](_same, names.natural)
_GENERATION: Final = Value[int](_same, names.generation)
_GENERATIONS: Final = Value[Any](dict, decode_generations)
_SLOT: Final = Value[Slot](str, Slot.parse)
_SWITCH: Final = Value[bool](_same, _parse_switch)
_PROCESS: Final = _matching("[0-9a-f]{16}", "a process is 16 hex digits")
_URL: Final = _matching("(https?://[!-~]{1,200})?", "a url is http(s)://…")
_HEX: Final = _matching("[0-9a-f]{16}", "a fingerprint is 16 hex digits")
_HASH: Final = _matching("[0-9a-f]{32}", "a hash is 32 hex digits")
_WORD: Final = Value[int](lambda number: f"{number:016x}", lambda text: int(_HEX.parse(text), 16))
_FINGERPRINT: Final = _optional(_WORD)
_EXTENT: Final = _tuple(Extent, "an extent", _NATURAL, _FINGERPRINT)
_KEY: Final = Value[str](_same, names.key)
_DAY: Final = Value[int](_same, names.day)
_DAYS: Final = _tuple(DaysExtent, "the days", _DAY, _FINGERPRINT)
_ALIVE: Final = _tuple(Alive, "a live process", _NODE, _optional(_GENERATION), _URL)
_ROW: Final = Value[Row](_same, _parse_row)
_BASE_ROW: Final = _tuple(_entry, "a row", _VIDEO, _NATURAL)
_VERSIONS: Final = _tuple(Versions, "a range of versions", _NATURAL, _NATURAL)
ID: Final = _matching("[0-9a-f]{16}", "an id of a cluster is 16 hex digits")
_IDS: Final = _tuples(ID, most=names.MAX_IDS)
# In version 1, a hello has the one `version` that its sender speaks.
_HELLO_WITH_VERSIONS: Final = 2


# -- the format --------------------------------------------------------------------------------


class Field(NamedTuple):
    """One field of a frame: its name in `frames`, its key in the text, its value."""

    name: str
    key: str
    value: Value[Any]
    # The version that has brought it. A frame may lack it if its sender speaks an older one.
    since: int = 1


class Form(NamedTuple):
    """One kind of frame."""

    frame: type[Frame]
    kind: str
    fields: tuple[Field, ...]
    # Whether it may have no other fields.
    strict: bool = False


_FORMS: Final = (
    Form(
        Hello,
        "hello",
        (
            Field("node", "node", _NODE),
            Field("process", "process", _PROCESS),
            Field("url", "url", _URL),
            Field("versions", "versions", _VERSIONS, since=_HELLO_WITH_VERSIONS),
            Field("cluster", "cluster", _IDS, CLUSTERS_SINCE),
            Field("settled", "settled", _SWITCH, CLUSTERS_SINCE),
            Field("joins", "joins", _SWITCH, CLUSTERS_SINCE),
        ),
    ),
    Form(
        Digest,
        "digest",
        (
            Field("slot", "slot", _optional(_SLOT)),
            Field("slots", "slots", _map(_SLOT, _EXTENT)),
            Field("newest", "heard", _GENERATIONS),
            Field("closed", "closed", _GENERATIONS),
            Field("folded", "folded", _GENERATIONS),
            Field("lifted_views", "lifted", _map(_NODE, _NATURAL)),
            Field("base_fingerprint", "base", _FINGERPRINT),
            Field("alive", "alive", _map(_PROCESS, _ALIVE)),
            Field("cluster", "cluster", _IDS, CLUSTERS_SINCE),
            Field("settled", "settled", _SWITCH, CLUSTERS_SINCE),
            Field("whole", "whole", _tuples(_NODE), CLUSTERS_SINCE),
            Field("number", "number", _NATURAL, PULSES_SINCE),
            Field("days", "days", _DAYS, DAYS_SINCE),
        ),
    ),
    Form(
        Pulse,
        "pulse",
        (
            Field("number", "number", _NATURAL),
            Field("slot", "slot", _optional(_SLOT)),
            Field("extent", "upto", _EXTENT),
            Field("lacks", "lacks", _NATURAL),
            Field("rest", "rest", _HASH),
            Field("days", "days", _DAYS, DAYS_SINCE),
        ),
    ),
    Form(Ask, "ask", ()),
    Form(
        Want,
        "want",
        (
            Field("slot", "slot", _SLOT),
            Field("above", "above", _NATURAL),
            Field("number", "number", _NATURAL),
        ),
    ),
    Form(
        Rows,
        "rows",
        (
            Field("slot", "slot", _SLOT),
            Field("start", "start", _NATURAL),
            Field("complete", "upto", _NATURAL),
            Field("more", "more", _SWITCH),
            Field("rows", "rows", _tuples(_ROW)),
            Field("confirm", "tell", _SWITCH),
            Field("answers", "answers", _NATURAL),
        ),
        strict=True,
    ),
    Form(Have, "have", (Field("slot", "slot", _SLOT), Field("durable", "upto", _NATURAL))),
    Form(
        WantBase,
        "want-base",
        (
            Field("start", "start", _NATURAL),
            Field("day", "day", _optional(_DAY), DAYS_SINCE),
        ),
    ),
    Form(
        BaseRows,
        "base",
        (
            Field("folded", "folded", _GENERATIONS),
            Field("start", "start", _NATURAL),
            Field("total", "total", _NATURAL),
            Field("entries", "rows", _tuples(_BASE_ROW)),
            Field("day", "day", _optional(_DAY), DAYS_SINCE),
            Field("following", "next", _optional(_DAY), DAYS_SINCE),
        ),
        strict=True,
    ),
    Form(
        AskKeys,
        "ask-keys",
        (
            Field("number", "number", _NATURAL),
            Field("names", "names", _WORD),
            Field("rival", "rival", _SWITCH),
            Field("keys", "keys", _tuples(_KEY)),
            Field("views", "views", _tuples(_BASE_ROW)),
        ),
    ),
    Form(
        TellKeys,
        "tell-keys",
        (
            Field("answers", "answers", _NATURAL),
            Field("counted", "counted", _tuples(_KEY)),
            Field("never", "never", _tuples(_KEY)),
            Field("pending", "pending", _map(_KEY, _PROCESS)),
        ),
    ),
    Form(Farewell, "farewell", (Field("slot", "slot", _SLOT),)),
)
_BY_KIND: Final = {form.kind: form for form in _FORMS}
_BY_CLASS: Final = {form.frame: form for form in _FORMS}


def _common_versions(hello: dict[str, object]) -> Versions:
    """The versions that the sender of `hello` speaks. Raises `Invalid` if we speak none of them."""
    if "versions" in hello:
        theirs = _VERSIONS.parse(hello["versions"])
    else:
        version = _NATURAL.parse(hello.get("version"))
        theirs = Versions(version, version)
    if VERSIONS.common(theirs) is None:
        # Short: both nodes log it, and a close frame has little room.
        older = "this node" if VERSIONS.newest < theirs.oldest else "the sender"
        raise Invalid(
            f"this node speaks {VERSIONS} of the protocol, the sender {theirs}: upgrade {older}"
        )
    return theirs
