"""The route of the stream: a socket in, a session until it closes.

    > {"op":"subscribe","id":1,"streams":["trades:binance:BTCUSDT"],"after":{"trades:binance:BTCUSDT":"1f.0"}}
    < {"id":1,"ok":true,"streams":{"trades:binance:BTCUSDT":"1f.0"}}              or {"id":1,"error":"..."}
    < {"stream":"trades:binance:BTCUSDT","cursor":"1f.1","type":"trade","late":false,"data":{...}}
    < {"stream":"trades:binance:BTCUSDT","type":"lagged","from":"1f.1","to":"4c.0"}    resume with `after` = `from`
    < {"stream":"trades:binance:BTCUSDT","type":"expired","from":"1b.0"}               it goes on there

Streams with cursors are `trades:ID`, `candles:ID:TIMEFRAME`, `footprints:ID:TIMEFRAME`, `signals` (of one instrument
with `:ID`, of one timeframe with `:ID:TIMEFRAME`), `gaps:ID` and `gaps`; they come in commit order, each
event once. `tickers`, `quotes` (of one instrument with `:ID`) and `book:ID` give newest values, `"cursor":null`.
"""

import asyncio
import logging
from typing import Any

from litestar import WebSocket, websocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect

from gapless.serve.faces import Faces
from gapless.serve.session import Session

AnySocket = WebSocket[Any, Any, Any]
log = logging.getLogger("gapless.serve")


@websocket("/api/v1/stream")
async def stream(socket: AnySocket, state: State) -> None:
    """Push trades, candles, gaps and newest values, resumable by cursor."""
    faces: Faces = state.faces
    await socket.accept()
    faces.metrics.clients.inc()
    try:
        await _serve(socket, faces)
    except* (WebSocketDisconnect, OSError):  # the client is gone
        pass
    except* Exception as errors:
        for error in errors.exceptions:
            log.error("stream failed", exc_info=error)
        await socket.close(1011, "gapless failed; its log says why")
    finally:
        faces.metrics.clients.dec()


async def _serve(socket: AnySocket, faces: Faces) -> None:
    async def send(line: str) -> None:
        await socket.send({"type": "websocket.send", "text": line, "bytes": None})

    async with asyncio.TaskGroup() as tasks:
        session = Session(faces, send, tasks)
        faces.ring.clients.add(session.woken)
        try:
            tasks.create_task(session.run())
            while True:
                await session.asked(await socket.receive_text())
        finally:
            faces.ring.clients.discard(session.woken)
