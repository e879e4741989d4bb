"""Failures: what a bus's library raises becomes a `BusError`, and a swallowed cancellation an end.

A library may raise anything: a server that is no broker answers what its authors didn't expect. And
a cancellation may get lost in it, or come out of it although nobody has cancelled us.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator

from ratchet_server.peering.bus.port import BusError


def words(error: Exception) -> str:
    """What the error says."""
    return (str(error) or type(error).__name__)[:200]


@contextlib.contextmanager
def failures(say: Callable[[Exception], str] = words) -> Iterator[None]:
    """Inside, each error becomes a `BusError`. `say`: what to say about it, without a password."""
    try:
        yield
    except BusError:
        raise
    except Exception as error:
        if why := _distrust(error):
            raise BusError(f"has a certificate that this node does not trust: {why}") from None
        raise BusError(f"fails: {say(error)}") from None
    except asyncio.CancelledError:
        raise_swallowed()
        raise BusError("fails: its library broke off") from None


def raise_swallowed() -> None:
    """Raise `CancelledError` if this task was cancelled, and a library has gone on all the same."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


def _distrust(error: BaseException | None) -> str:
    """Why a certificate is not trusted, if that is below this error. Some libraries hide it."""
    while error:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return ""
