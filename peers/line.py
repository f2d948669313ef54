"""A line to the simulator that is as long as a real one: loopback makes a new connection in no time at all."""

import asyncio
import contextlib
import socket
import threading
import time
from typing import Self

CHUNK = 1 << 16
SETUP_TRIPS = 2  # there and back: for TCP, and for TLS 1.3; the upgrade's own is made of its bytes
_END = b""


class Line:
    """Forwards connections to a port of the loopback; every byte takes `delay_s`, a new connection its round trips."""

    def __init__(self, port: int, delay_s: float) -> None:
        self._port = port
        self._delay = delay_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, sock=listening), self._loop).result()
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _leave(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * SETUP_TRIPS * self._delay)
        try:
            far, to_far = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            to_near.close()
            return
        with contextlib.suppress(asyncio.CancelledError):  # streams of Python 3.11 take it for an error
            await asyncio.gather(self._carry(near, to_far), self._carry(far, to_near))
        for writer in (to_near, to_far):
            writer.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry one direction; its end arrives as late as its bytes."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def read() -> None:
            data = b"?"
            while data != _END:
                try:
                    data = await source.read(CHUNK)
                except OSError:
                    data = _END
                under_way.put_nowait((time.monotonic() + self._delay, data))

        reading = asyncio.ensure_future(read())
        with contextlib.suppress(OSError):
            while (item := await under_way.get())[1] != _END:
                await asyncio.sleep(item[0] - time.monotonic())
                sink.write(item[1])
                await sink.drain()
            await asyncio.sleep(item[0] - time.monotonic())
            sink.write_eof()
        await reading
