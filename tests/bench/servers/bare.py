"""uvicorn and Starlette with nothing in between: `bare.py PORT`. Accepts, answers one frame."""

from __future__ import annotations

import sys

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


async def answer(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.receive_text()
            await socket.send_text('{"type":"reply","id":1,"ok":true,"data":{"recovered":false}}')
    except WebSocketDisconnect:
        return


if __name__ == "__main__":
    app = Starlette(routes=[WebSocketRoute("/v1/ws", answer)])
    config = uvicorn.Config(
        app, port=int(sys.argv[1]), log_level="error", backlog=4_096, ws="websockets-sansio",
        http="h11", lifespan="off",
    )  # fmt: skip
    uvloop.run(uvicorn.Server(config).serve())
