"""A node as a balancer sees one: a real HTTP and websocket server with a switch for readiness.

Run it as `stub_node.py NAME PORT`. Tests control it through calls under /stub, which no balancer
passes on.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from typing import Any

from sanic import HTTPResponse, Request, Sanic, Websocket, json

# More than the systems and a balancer take for a client that doesn't read.
CLIP_BYTES = 2**24


def make_app(name: str) -> Sanic[Any, Any]:
    app: Sanic[Any, Any] = Sanic(f"stub-{name}", configure_logging=False)
    app.ctx.ready = True
    app.ctx.seen = []

    async def mark(_: Request, response: Any) -> None:
        response.headers["X-Ratchet-Node"] = name

    app.register_middleware(mark, "response")

    @app.get("/readyz")
    async def readyz(_: Request) -> HTTPResponse:
        return json({}, status=200 if app.ctx.ready else 503)

    @app.post("/stub/ready/<answer:int>")
    async def set_ready(_: Request, answer: int) -> HTTPResponse:
        app.ctx.ready = bool(answer)
        return json({})

    @app.get("/stub/seen")
    async def seen(_: Request) -> HTTPResponse:
        return json(app.ctx.seen)

    async def live(_: Request, opened: Websocket, video: str) -> None:
        await opened.send(f"{name} {video}")
        async for message in opened:
            await opened.send(message)

    app.add_websocket_route(live, "/api/videos/<video:str>/live")

    @app.get("/api/videos/<video:str>/events")
    async def events(request: Request, video: str) -> None:
        response = await request.respond(content_type="text/event-stream")
        await response.send(f"data: {video}\n\n")
        await asyncio.Event().wait()  # an event stream doesn't end

    @app.get("/media/<name:str>")
    async def clip(request: Request, name: str) -> None:
        transport: Any = request.transport
        # Like a node: what waits, waits in the balancer.
        own = transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        response = await request.respond(content_type="video/webm")
        for _ in range(CLIP_BYTES // 2**16):
            await response.send(bytes(2**16))
            app.ctx.seen.append(f"sent 64 KiB of {name}")

    async def anything(request: Request, path: str = "") -> HTTPResponse:
        """Every other path. Node a aborts the connection if the path has `lost` in it. Nodes a and
        b answer 503 to `busy-ab`, and 404 to `lacks-ab`. No node ever answers `mute`."""
        app.ctx.seen.append(f"{request.method} /{path}")
        if "mute" in path:
            try:
                await asyncio.Event().wait()
            finally:
                app.ctx.seen.append(f"given up /{path}")
        if name == "a" and "lost" in path:
            transport: Any = request.transport
            transport.abort()
        lacks = re.search("lacks-([abc]+)", path)
        if lacks and name in lacks[1]:
            return json({"error": "not_found", "message": "Not of this build."}, status=404)
        busy = re.search("busy-([abc]+)", path)
        if busy and name in busy[1]:
            # A node that is about to stop does this before the balancer's checks have noticed.
            body = {"error": "draining", "message": "This node is stopping."}
            headers = {"Retry-After": "1", "Cache-Control": "no-store"}
            headers["X-Content-Type-Options"] = "nosniff"
            return json(body, status=503, headers=headers)
        return json({"node": name, "headers": dict(request.headers), "body": len(request.body)})

    methods = ["GET", "POST", "DELETE"]
    app.add_route(anything, "/", methods=methods, name="root")
    app.add_route(anything, "/<path:path>", methods=methods, name="rest")
    return app


if __name__ == "__main__":
    node, port = sys.argv[1:]
    make_app(node).run(
        host="127.0.0.1", port=int(port), single_process=True, motd=False, access_log=False
    )
