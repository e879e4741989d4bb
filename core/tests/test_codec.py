"""The codec is strict: it parses exactly one frame, or raises `Invalid` with the reason."""

import json
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ratchet import codec, strict_json
from ratchet.column import Row
from ratchet.frames import (
    MAX_ROWS,
    Alive,
    Ask,
    BaseRows,
    Digest,
    Extent,
    Frame,
    Have,
    Hello,
    Pulse,
    Rows,
    Versions,
    Want,
    WantBase,
)
from ratchet.generations import Generations
from ratchet.names import MAX_GENERATION, Invalid
from ratchet.slot import Slot
from strategies import frames, json_values

WANT: Final = '{"is": "want", "slot": "a@7", "above": %s, "number": 5}'
ROWS: Final = (
    '{"is": "rows", "slot": "a@7", "start": 3, "upto": 9, "more": false, "rows": %s, '
    '"tell": false, "answers": 0}'
)
BASE: Final = '{"is": "base", "folded": {}, "start": 0, "total": 1, "rows": %s}'
HELLO: Final = '{"is": "hello", "version": 1, "node": %s, "process": %s, "url": %s}'
SPEAKS: Final = (
    '{"is": "hello", "versions": %s, "node": "a", "process": "0123456789abcdef", "url": ""}'
)
DIGEST: Final = (
    '{"is": "digest", "slot": null, "slots": %s, "heard": %s, "closed": {}, "folded": {}, '
    '"lifted": {"a": 9}, "base": %s, "alive": {"0123456789abcdef": ["b", null, ""]}}'
)
MAPS: Final = (
    '{"is": "digest", "slot": "a@7", "slots": {}, "heard": %s, "closed": %s, "folded": %s, '
    '"lifted": {}, "base": null, "alive": %s}'
)
PULSE: Final = (
    '{"is": "pulse", "number": 7, "slot": "a@7", "upto": [42, null], "lacks": 3, "rest": %s}'
)
HASH: Final = f'"{"00ff" * 8}"'
PROCESS: Final = '"0123456789abcdef"'
FINGERPRINT: Final = '"00000000000000ff"'


@given(frames)
def test_decoding_an_encoded_frame_gives_the_same_frame(frame: Frame) -> None:
    text = codec.encode(frame)
    assert codec.decode(text) == frame
    assert text.isascii()


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (
            HELLO % ('"a"', PROCESS, '"http://127.0.0.1:1234"'),
            Hello("a", "0123456789abcdef", "http://127.0.0.1:1234", Versions(1, 1)),
        ),
        (SPEAKS % "[1, 7]", Hello("a", "0123456789abcdef", "", Versions(1, 7))),
        (
            DIGEST % (f'{{"a@7": [{2**53 - 1}, {FINGERPRINT}], "b@1": [3, null]}}', '{"a": 0}',
                      FINGERPRINT),
            Digest(None, {Slot("a", 7): Extent(2**53 - 1, 255), Slot("b", 1): Extent(3, None)},
                   Generations(a=0), Generations(), Generations(), {"a": 9}, 255,
                   {"0123456789abcdef": Alive("b", None, "")}),
        ),
        (
            MAPS % ('{"a": 7}', '{"a": 6}', '{"a": 5}', '{"0123456789abcdef": ["b", 3, ""]}'),
            Digest(Slot("a", 7), {}, Generations(a=7), Generations(a=6), Generations(a=5), {}, None,
                   {"0123456789abcdef": Alive("b", 3, "")}),
        ),
        (DIGEST.replace("}}", '}, "number": 7}') % ("{}", "{}", "null"),
         Digest(None, {}, Generations(), Generations(), Generations(), {"a": 9}, None,
                {"0123456789abcdef": Alive("b", None, "")}, number=7)),
        (PULSE % HASH, Pulse(7, Slot("a", 7), Extent(42, None), 3, "00ff" * 8)),
        ('{"is": "ask"}', Ask()),
        (WANT % 0, Want(Slot("a", 7), 0, 5)),
        (ROWS % '[["tide", 5, 4], ["moss", 0, 9]]',
         Rows(Slot("a", 7), 3, 9, False, (Row("tide", 5, 4), Row("moss", 0, 9)))),
        (ROWS.replace("false", "true", 1) % '[["tide", 5, 12]]',
         Rows(Slot("a", 7), 3, 9, True, (Row("tide", 5, 12),))),
        (ROWS % "[]", Rows(Slot("a", 7), 3, 9, False, ())),
        (ROWS.replace('tell": false', 'tell": true') % "[]",
         Rows(Slot("a", 7), 3, 9, False, (), confirm=True)),
        ('{"is": "have", "slot": "a@7", "upto": 9}', Have(Slot("a", 7), 9)),
        ('{"is": "want-base", "start": 1000}', WantBase(1000)),
        (BASE % '[["tide", 5]]', BaseRows(Generations(), 0, 1, (("tide", 5),))),
    ],
)  # fmt: skip
def test_a_text_of_each_kind_is_parsed(text: str, frame: Frame) -> None:
    assert codec.decode(text) == frame


HOSTILE: Final[dict[str, tuple[str, str]]] = {
    # name: (the text, a part of the message)
    "empty": ("", "not JSON"),
    "no JSON": ("views=1", "not JSON"),
    "two frames in one": (WANT % 1 + WANT % 2, "not JSON"),
    "cut short": ((WANT % 1)[:-1], "not JSON"),
    "a number": ("7", "an object was expected, not a int"),
    "null": ("null", "an object was expected"),
    "an array": ("[]", "an object was expected, not a list"),
    "an empty object": ("{}", "no frame is called None"),
    "an unknown kind": ('{"is": "increment"}', "no frame is called 'increment'"),
    "a kind that is no text": ('{"is": ["want"]}', "no frame is called a list"),
    "a kind that is null": ('{"is": null}', "no frame is called None"),
    "a kind in capitals": ('{"is": "WANT", "slot": "a@7", "above": 1}', "'WANT'"),
    # Numbers
    "negative": (WANT % "-1", "0 to 2**53-1, not -1"),
    "float": (WANT % "1.5", "whole numbers only, not 1.5"),
    "whole float": (WANT % "1.0", "whole numbers only, not 1.0"),
    "exponent": (WANT % "1e2", "whole numbers only, not 1e2"),
    "2**53": (WANT % 2**53, "beyond 2**53-1"),
    "2**64": (WANT % 2**64, "beyond 2**53-1"),
    "-2**64": (WANT % -(2**64), "beyond 2**53-1"),
    "infinite": (WANT % "1e400", "whole numbers only, not 1e400"),
    "NaN": (WANT % "NaN", "whole numbers only, not NaN"),
    "Infinity": (WANT % "Infinity", "whole numbers only, not Infinity"),
    "-Infinity": (WANT % "-Infinity", "whole numbers only, not -Infinity"),
    "true": (WANT % "true", "0 to 2**53-1, not True"),
    "null count": (WANT % "null", "0 to 2**53-1, not None"),
    "a number as text": (WANT % '"7"', "0 to 2**53-1, not '7'"),
    "a count in an array": (WANT % "[1]", "0 to 2**53-1, not a list"),
    "a leading zero": (WANT % "07", "not JSON"),
    "4,301 digits": (WANT % ("9" * 4301), "not JSON"),
    "100,000 digits": (WANT % ("9" * 100_000), "not JSON"),
    "4,300 digits": (WANT % ("9" * 4300), "beyond 2**53-1"),
    # Objects
    "a key twice": ('{"is": "want", "slot": "a@7", "above": 1, "above": 2}', "twice"),
    "a slot twice": (DIGEST % ('{"a@7": 1, "a@7": 2}', "{}", FINGERPRINT), "twice"),
    "a missing field": ('{"is": "want", "slot": "a@7"}', "is, slot, above, number was expected"),
    "rows with an unknown field": ((ROWS % "[]").replace("{", '{"x": 1, ', 1), "x, is, slot"),
    "a base with an unknown field": ((BASE % "[]").replace("{", '{"x": 1, ', 1), "x, is, folded"),
    # Hello
    "version 7": (HELLO.replace("1,", "7,", 1) % ('"a"', PROCESS, '""'),
                  "this node speaks versions 1 to 6 of the protocol, the sender version 7: "
                  "upgrade this node"),
    "version 0": (HELLO.replace("1,", "0,", 1) % ('"a"', PROCESS, '""'),
                  "the sender version 0: upgrade the sender"),
    "version true": (HELLO.replace("1,", "true,", 1) % ('"a"', PROCESS, '""'), "not True"),
    "version as text": (HELLO.replace("1,", '"1",', 1) % ('"a"', PROCESS, '""'), "not '1'"),
    "no version": ('{"is": "hello", "node": "a"}', "not None"),
    "a later version in another form": ('{"is": "hello", "versions": [9, 11], "zone": "eu"}',
                                        "the sender versions 9 to 11: upgrade this node"),
    "versions that are no range": (SPEAKS % "[2, 1]", "the sender versions 2 to 1"),
    "one of versions": (SPEAKS % "[1]", "a range of versions has 2 parts"),
    "versions as a number": (SPEAKS % "1", "an array was expected"),
    "versions that are null": (SPEAKS % "null", "an array was expected"),
    "a node in capitals": (HELLO % ('"A"', PROCESS, '""'), "a node name is"),
    "an empty node": (HELLO % ('""', PROCESS, '""'), "a node name is"),
    "a node of 64": (HELLO % (f'"{"a" * 64}"', PROCESS, '""'), "a node name is"),
    "a node with a newline": (HELLO % (r'"a\n"', PROCESS, '""'), "a node name is"),
    "a node that is null": (HELLO % ("null", PROCESS, '""'), "a node name is"),
    "a short process": (HELLO % ('"a"', '"0123"', '""'), "16 hex digits"),
    "a process in capitals": (HELLO % ('"a"', PROCESS.upper(), '""'), "16 hex digits"),
    "a url of another scheme": (HELLO % ('"a"', PROCESS, '"file:///etc"'), "a url is http"),
    "a url with a space": (HELLO % ('"a"', PROCESS, '"http://a b"'), "a url is http"),
    "a url of 1,000": (HELLO % ('"a"', PROCESS, f'"http://{"a" * 1000}"'), "a url is http"),
    # Digest
    "a slot with leading zeros": (DIGEST % ('{"a@007": 1}', "{}", FINGERPRINT), "'a@007'"),
    "a slot with a sign": (DIGEST % ('{"a@+7": 1}', "{}", FINGERPRINT), "node@generation"),
    "a slot with a space": (DIGEST % ('{"a@7 ": 1}', "{}", FINGERPRINT), "node@generation"),
    "a slot in other digits": (DIGEST % ('{"a@٧": 1}', "{}", FINGERPRINT), "node@generation"),
    "a slot with an underscore": (DIGEST % ('{"a@1_0": 1}', "{}", FINGERPRINT), "node@generation"),
    "a slot without a generation": (DIGEST % ('{"a@": 1}', "{}", FINGERPRINT), "node@generation"),
    "a slot without an at": (DIGEST % ('{"a": 1}', "{}", FINGERPRINT), "node@generation"),
    "a slot with two ats": (DIGEST % ('{"a@7@7": 1}', "{}", FINGERPRINT), "node@generation"),
    "a slot without a node": (DIGEST % ('{"@7": 1}', "{}", FINGERPRINT), "a node name is"),
    "a slot at 2**53": (DIGEST % (f'{{"a@{2**53}": 1}}', "{}", FINGERPRINT), "beyond 2**53-1"),
    "a slot of a million": (DIGEST % (f'{{"a@{"7" * 10**5}": 1}}', "{}", FINGERPRINT), "a slot is"),
    "a negative seq": (DIGEST % ('{"a@7": [-1, null]}', "{}", FINGERPRINT), "not -1"),
    "an extent that is a number": (DIGEST % ('{"a@7": 1}', "{}", FINGERPRINT), "an array was"),
    "an extent of one": (DIGEST % ('{"a@7": [1]}', "{}", FINGERPRINT), "an extent has 2 parts"),
    "an extent of three": (DIGEST % ('{"a@7": [1, null, 0]}', "{}", FINGERPRINT), "2 parts"),
    "an extent with a number": (DIGEST % ('{"a@7": [1, 255]}', "{}", FINGERPRINT), "not 255"),
    "an extent with signs": (DIGEST % ('{"a@7": [1, "+0000000000000ff"]}', "{}", FINGERPRINT),
                             "16 hex digits"),
    "slots as an array": (DIGEST % ('["a@7"]', "{}", FINGERPRINT), "an object was expected"),
    "heard with a slot": (DIGEST % ("{}", '{"a@7": 1}', FINGERPRINT), "a node name is"),
    "heard with a text": (DIGEST % ("{}", '{"a": "7"}', FINGERPRINT), "not '7'"),
    "a fingerprint as number": (DIGEST % ("{}", "{}", "255"), "16 hex digits, not 255"),
    "a short fingerprint": (DIGEST % ("{}", "{}", '"ff"'), "16 hex digits"),
    "folded and not closed": (MAPS % ('{"a": 7}', "{}", '{"a": 5}', "{}"),
                              "only closed slots are folded, not a@5"),
    "folded beyond closed": (MAPS % ('{"a": 7}', '{"a": 4}', '{"a": 5}', "{}"), "not a@5"),
    "closed and not heard of": (MAPS % ("{}", '{"a": 4}', "{}", "{}"),
                                "only known slots are closed, not a@4"),
    "closed beyond heard": (MAPS % ('{"a": 3}', '{"a": 4}', "{}", "{}"), "not a@4"),
    "a process that is alive by a number": (MAPS % ("{}", "{}", "{}", '{"7": ["b", 3, ""]}'),
                                            "16 hex digits"),
    "a process that is alive with two parts": (
        MAPS % ("{}", "{}", "{}", '{"0123456789abcdef": ["b", 3]}'), "3 parts"
    ),
    "a process that is alive at no url": (
        MAPS % ("{}", "{}", "{}", '{"0123456789abcdef": ["b", 3, "b:1234"]}'), "a url is http"
    ),
    # Pulse
    "a pulse without its number": (PULSE.replace('"number": 7, ', "") % HASH, "number, slot, upto"),
    "a pulse without an extent": (PULSE.replace("[42, null]", "null") % HASH, "an array was"),
    "a short hash": (PULSE % '"00ff"', "a hash is 32 hex digits"),
    "a hash as a number": (PULSE % "255", "a hash is 32 hex digits, not 255"),
    # Rows
    "rows out of order": (ROWS % '[["tide", 1, 5], ["moss", 1, 4]]', "row 4 is out of order"),
    "a row at start": (ROWS % '[["tide", 1, 3]]', "row 3 is out of order after 3"),
    "more after none": ((ROWS % "[]").replace("false", "true", 1), "can't say that more follow"),
    "more as a number": ((ROWS % "[]").replace("false", "0", 1), "true or false is expected"),
    "more as text": ((ROWS % "[]").replace("false", '"yes"'), "is expected, not 'yes'"),
    "more as null": ((ROWS % "[]").replace("false", "null"), "is expected, not None"),
    "a negative upto": ((ROWS % "[]").replace("9", "-9"), "not -9"),
    "a row of two parts": (ROWS % '[["tide", 1]]', "a row has 3 parts"),
    "a row of four parts": (ROWS % '[["tide", 1, 4, 0]]', "a row has 3 parts"),
    "a row that is an object": (ROWS % '[{"video": "tide"}]', "an array was expected"),
    "rows that are an object": (ROWS % '{"tide": 1}', "an array was expected, not a dict"),
    "a generation of another age": (
        DIGEST % ("{}", f'{{"a": {2**53 - 1}}}', '"00000000000000ff"'), "a generation is"
    ),
    "negative views": (ROWS % '[["tide", -1, 4]]', "not -1"),
    "views of 2**53": (ROWS % f'[["tide", {2**53}, 4]]', "beyond 2**53-1"),
    "an empty video": (ROWS % '[["", 1, 4]]', "a video id is"),
    "a video of 65": (ROWS % f'[["{"v" * 65}", 1, 4]]', "a video id is"),
    "a video of another alphabet": (ROWS % '[["größe", 1, 4]]', "a video id is"),
    "a video with a path": (ROWS % '[["../tide", 1, 4]]', "'../tide'"),
    "a video that is a number": (ROWS % "[[7, 1, 4]]", "a video id is 1 to 64"),
    "a lone surrogate": (ROWS % r'[["\ud800", 1, 4]]', "a video id is"),
    "a raw lone surrogate": (ROWS % '[["\ud800", 1, 4]]', "a video id is"),
    "a NUL": (ROWS % r'[["tide\u0000", 1, 4]]', "a video id is"),
    "1,001 rows": (
        ROWS % json.dumps([["tide", seq, seq] for seq in range(4, 1005)]),
        "1001 rows in one frame are more than 1000",
    ),
    # Base
    "a base row of three parts": (BASE % '[["tide", 1, 1]]', "a row has 2 parts"),
    "a negative base": (BASE % '[["tide", -1]]', "not -1"),
    "1,001 base rows": (BASE % json.dumps([["tide", 1]] * 1001), "1001 rows in one frame"),
    # Size and shape
    "10 MB": (WANT % 1 + " " * 10_000_000, "more than the limit of 1048576"),
    "10 MB of one text": (ROWS % f'[["{"v" * 10_000_000}", 1, 4]]', "than the limit of 1048576"),
    "100,000 arrays deep": ("[" * 100_000, "not JSON"),
    "100,000 arrays deep and closed": (ROWS % ("[" * 100_000 + "]" * 100_000), "not JSON"),
    "100,000 objects deep": ('{"is":' * 100_000 + "1" + "}" * 100_000, "not JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_refused_with_the_reason(name: str) -> None:
    text, reason = HOSTILE[name]
    with pytest.raises(Invalid) as refused:
        codec.decode(text)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        *(text for text, _ in HOSTILE.values()),
        '{"is": "want", "\\ud800": 1}',
        '{"is": "want", "two\\nlines": 1}',
        '{"is": "want", "\\u001b[2J": 1}',
        '{"is": "\\ud800"}',
        '{"is": "want", "%s": 1}' % ("k" * 100_000),
    ],
    ids=range(len(HOSTILE) + 5),
)
def test_the_message_is_one_short_line_that_a_log_can_take(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        codec.decode(text)
    message = str(refused.value)
    assert len(message) <= 500
    assert message.isprintable()
    message.encode()


@given(frames.filter(lambda frame: not isinstance(frame, Rows | BaseRows)), json_values)
def test_fields_of_a_later_version_are_ignored(frame: Frame, value: object) -> None:
    """But not in `rows` and `base`: see `HOSTILE`."""
    text = json.loads(codec.encode(frame)) | {"later": value}
    try:
        decoded = codec.decode(json.dumps(text))
    except Invalid as error:
        # No version's frame has numbers that this version can't hold. (Most frames are decoded, so
        # `raises` would not do.)
        assert "whole numbers" in str(error) or "not JSON" in str(error)  # noqa: PT017
    else:
        assert decoded == frame


def test_a_hello_for_version_1_has_the_fields_of_version_1() -> None:
    hello = Hello("a", "0123456789abcdef", "")
    fields = json.loads(codec.encode(hello, 1))
    assert [*fields] == ["is", "version", "node", "process", "url"]
    assert fields["version"] == 1


def test_a_digest_for_version_2_has_no_number() -> None:
    digest = codec.decode(DIGEST % ("{}", "{}", "null"))
    assert "number" in json.loads(codec.encode(digest))
    assert "number" not in json.loads(codec.encode(digest, 2))


@pytest.mark.parametrize(
    ("ours", "theirs", "common"),
    [
        (Versions(1, 1), Versions(1, 1), 1),
        (Versions(1, 3), Versions(2, 5), 3),
        (Versions(2, 5), Versions(1, 3), 3),
        (Versions(1, 2), Versions(3, 4), None),
        (Versions(3, 4), Versions(1, 2), None),
    ],
)
def test_two_nodes_speak_the_newest_version_that_both_know(
    ours: Versions, theirs: Versions, common: int | None
) -> None:
    assert ours.common(theirs) == common


def test_1000_rows_are_not_too_many() -> None:
    rows = tuple(Row("v" * 64, 2**53 - 1, 2**52 + seq) for seq in range(MAX_ROWS))
    frame = Rows(Slot("a" * 63, MAX_GENERATION), 0, 2**53 - 1, True, rows)
    assert codec.decode(codec.encode(frame)) == frame


@pytest.mark.parametrize("depth", range(20, 1100, 7))
def test_a_text_of_any_depth_is_refused_and_never_overflows_the_stack(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    for text in (f'{{"is": {nested}}}', ROWS % nested, HELLO.replace("1", nested, 1) % (1, 2, 3)):
        with pytest.raises(Invalid):
            codec.decode(text)


@pytest.mark.parametrize("brackets", ["]]]]]]]]]", "[[[[[[[[[", "}{", '\\"]', "\\\\"])
def test_brackets_in_strings_are_no_levels(brackets: str) -> None:
    text = json.dumps([brackets, {brackets: brackets}])
    assert strict_json.loads(text, 1000) == [brackets, {brackets: brackets}]


@pytest.mark.parametrize(
    "level", ["[", '{"a":', '["]",', '{"a]}":', '["\\"]",', '["\\\\","]",', "[[],", "[{},"]
)
@pytest.mark.parametrize("rest", ["", "]" * 100_000, "}" * 100_000, '"', '\\"' + "]" * 100_000])
def test_no_way_to_write_many_levels_gets_to_the_parser(level: str, rest: str) -> None:
    text = level * 100_000 + rest
    with pytest.raises(Invalid, match="levels"):
        strict_json.loads(text, len(text))


@given(st.text())
def test_no_text_raises_anything_but_invalid(text: str) -> None:
    with suppress(Invalid):
        codec.decode(text)


@given(json_values)
def test_no_json_raises_anything_but_invalid(value: object) -> None:
    with suppress(Invalid):
        codec.decode(json.dumps(value))


@given(frames, st.data())
def test_a_frame_with_any_field_replaced_raises_nothing_but_invalid(
    frame: Frame, data: st.DataObject
) -> None:
    fields = json.loads(codec.encode(frame))
    key = data.draw(st.sampled_from(sorted(fields)))
    fields[key] = data.draw(json_values)
    text = json.dumps(fields)
    try:
        decoded = codec.decode(text)
    except Invalid:
        return
    # It is a frame all the same. Then nothing of the text was left out.
    assert json.loads(codec.encode(decoded)) == fields
