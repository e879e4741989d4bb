"""The simpler servers to compare a node with. Each is one Sanic process with the same call."""

import argparse
import socket
import sqlite3
from typing import Any

from redis import asyncio as redis
from sanic import HTTPResponse, Request, Sanic
from sanic.response import json
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import create_async_engine

App = Sanic[Any, Any]

PATH = "/api/videos/<video:str>/views"


def bare(app: App, _where: str) -> None:
    """Counts nothing: it shows the cost of Sanic itself."""

    @app.post(PATH)
    async def count(_request: Request, video: str) -> HTTPResponse:
        return json({"video": video, "views": 1, "counted": True})


def redis_incr(app: App, where: str) -> None:
    """One INCR a view, at the Redis socket `where`. That server keeps its counts in memory only."""
    client = redis.Redis(unix_socket_path=where, max_connections=1000)

    @app.post(PATH)
    async def count(_request: Request, video: str) -> HTTPResponse:
        return json({"video": video, "views": await client.incr(video), "counted": True})


def sqlite(app: App, where: str) -> None:
    """One transaction a view, as durable as a node's: WAL, synchronous=FULL."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{where}", pool_size=1, max_overflow=0)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    @app.before_server_start
    async def create(_app: App) -> None:
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE v (video TEXT PRIMARY KEY, n INTEGER)"))

    put = text(
        "INSERT INTO v VALUES (:video, 1) ON CONFLICT (video) DO UPDATE SET n = n + 1 RETURNING n"
    )

    @app.post(PATH)
    async def count(_request: Request, video: str) -> HTTPResponse:
        async with engine.begin() as connection:
            views = await connection.scalar(put, {"video": video})
        return json({"video": video, "views": views, "counted": True})


KINDS = {"bare": bare, "redis": redis_incr, "sqlite": sqlite}


def main() -> None:
    """Serve as one of them until killed. Print the address once it serves."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("where", nargs="?", default="", help="a Redis socket or a SQLite file")
    options = parser.parse_args()
    app = Sanic("peer")
    KINDS[options.kind](app, options.where)
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"ready at http://127.0.0.1:{sock.getsockname()[1]}", flush=True)
    app.run(sock=sock, single_process=True, access_log=False, motd=False)


if __name__ == "__main__":
    main()
