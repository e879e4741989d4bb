"""JSON with exactly one meaning: whole numbers only, no key twice, bounded in length and depth."""

import json
from typing import Final, NoReturn

from ratchet.names import Invalid

# The deepest frame has three levels.
MAX_DEPTH: Final = 8

_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def loads(text: str, limit: int) -> object:
    """The value in `text`, of at most `limit` characters. Raises `Invalid`, and nothing else."""
    if len(text) > limit:
        raise Invalid(f"{len(text)} characters are more than the limit of {limit}")
    # Check the depth before parsing: in a browser deep nesting exhausts the JavaScript stack. That
    # ends Pyodide for good, and no `except` here could catch it.
    if not _is_shallow(text):
        raise Invalid(f"not JSON of at most {MAX_DEPTH} levels")
    try:
        value: object = json.loads(
            text, parse_float=_no_float, parse_constant=_no_float, object_pairs_hook=_no_key_twice
        )
    except Invalid:
        raise
    except (ValueError, RecursionError) as error:
        raise Invalid(f"not JSON: {error}") from None
    return value


def dumps(value: object, *, in_order: bool = False) -> str:
    """`value` as text, without needless spaces. `in_order`: keys stand in the order of their
    characters' codes."""
    return json.dumps(value, separators=(",", ":"), sort_keys=in_order)


def record(value: object, *keys: str, optional: tuple[str, ...] = ()) -> dict[str, object]:
    """`value` as an object with exactly these keys. Raises `Invalid`."""
    if not isinstance(value, dict):
        raise Invalid(f"an object was expected, not a {type(value).__name__}")
    missing = [key for key in keys if key not in value]
    unknown = [key for key in value if key not in keys and key not in optional]
    if missing or unknown:
        # ascii(): the keys may hold half a surrogate pair, which no log can write.
        given = ascii(", ".join(value)[:200])[1:-1]
        raise Invalid(f"an object with {', '.join(keys)} was expected, not {given}")
    return value


def array(value: object) -> list[object]:
    """`value` as an array. Raises `Invalid`."""
    if isinstance(value, list):
        return value
    raise Invalid(f"an array was expected, not a {type(value).__name__}")


def mapping(value: object) -> dict[str, object]:
    """`value` as an object of any keys. Raises `Invalid`."""
    if isinstance(value, dict):
        return value
    raise Invalid(f"an object was expected, not a {type(value).__name__}")


def _is_shallow(text: str) -> bool:
    """Whether all brackets of `text` have a partner, with a few levels between them at most."""
    # Every second part between quotes is outside a string.
    outside = text.replace("\\\\", "").replace('\\"', "").split('"')[::2]
    brackets = "".join(outside).encode("ascii", "replace").translate(None, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return not brackets


def _no_float(text: str) -> NoReturn:
    raise Invalid(f"whole numbers only, not {text[:40]}")


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Invalid("a key stands twice in one object")
    return value
