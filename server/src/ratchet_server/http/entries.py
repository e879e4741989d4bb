"""Lists of entries in a body: parsed at once, and refused with the index of the first bad one."""

import re
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec
from ratchet import names

from ratchet_server.http.errors import ApiError, bad_entry
from ratchet_server.http.videos import Videos

T = TypeVar("T")

# Where an entry is, at the end of an error of msgspec. (Before that, the error may have the name of
# an unknown field, and that name may have any form.)
_INDEX: Final = re.compile(r"at `\$\.\w+\[(\d+)\][^`]*`$")


def parsed(decoder: msgspec.json.Decoder[T], body: bytes, *, code: str, form: str) -> T:
    """What `body` has. Raises `ApiError`: `code` and `form` are for a body that is no such list."""
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        if place := _INDEX.search(str(error)):
            raise bad_entry(int(place[1]), "bad_entry", f"{error}.") from None
        why = str(error)
    except UnicodeDecodeError as error:
        why = f"it is no UTF-8: {error.reason}"
    raise ApiError(400, code, f"The body must be {form}: {why}.") from None


def check_forms(ids: Iterable[str]) -> None:
    """Raises `ApiError` if one of these is no id of a video."""
    for index, given in enumerate(ids):
        try:
            names.video(given)
        except names.Invalid as error:
            raise bad_entry(index, "bad_entry", f"{error}.") from None


def check_ids(ids: Iterable[str], videos: Videos) -> None:
    """Raises `ApiError` if this node does not count views of all these videos, which may repeat.
    Check their forms before."""
    known, new = set[str](), set[str]()
    for index, given in enumerate(ids):
        if given in known:
            continue
        try:
            video = videos.countable(given, new)
        except ApiError as error:
            raise bad_entry(index, error.code, str(error)) from None
        known.add(video)
        if videos.is_new(video):
            new.add(video)
