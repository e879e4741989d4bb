"""Waits until what a call has changed is on disk."""

from ratchet_server.counting.keeper import Keeper
from ratchet_server.counting.refusals import Refusal
from ratchet_server.http.errors import ApiError
from ratchet_server.http.refusals import error_of


async def written(keeper: Keeper, message: str) -> None:
    """Return once everything is on disk. Raises `ApiError` with `message` if it can't be written:
    503, and the code says why."""
    try:
        await keeper.written()
    except Refusal as refusal:
        raise ApiError(503, error_of(refusal).code, message, retry_after_s=1) from None
