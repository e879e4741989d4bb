"""Messages of a websocket that nobody will read, once its connection is lost."""

import asyncio

from sanic import Websocket


async def drop_unread(socket: Websocket) -> None:
    """Drop the messages that have come and that nobody has read.

    Sanic keeps each in a task that waits for a reader. If the reader ends first, these tasks wait
    for ever, until the garbage collector finds them, and asyncio logs an error for each. So this
    does what a reader does: it takes one message after the other.
    """
    waiting = socket.assembler
    # These tasks take turns. Once it is our turn, all of them have ended.
    our_turn = asyncio.ensure_future(socket.process_event_mutex.acquire())
    while not our_turn.done():
        if waiting.message_complete.is_set():
            waiting.message_complete.clear()
            waiting.message_fetched.set()
        await asyncio.sleep(0)
    socket.process_event_mutex.release()
