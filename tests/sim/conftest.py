"""A simulator in the test's own loop, and the folder of real data."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gapless.sim.options import SimOptions
from gapless.sim.server import serve

ROOT = Path(__file__).parents[2]


@contextlib.asynccontextmanager
async def running_sim(**options: Any) -> AsyncIterator[str]:
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(SimOptions(**options), ready.set_result, stop))
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield ready.result()["url"]
    finally:
        stop.set()
        await task


@pytest.fixture
def running() -> Callable[..., AbstractAsyncContextManager[str]]:
    return running_sim


@pytest.fixture(scope="session")
def data() -> Path:
    folder = Path(os.environ.get("GAPLESS_TEST_DATA", ROOT / ".." / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"real data are absent ({folder}); set GAPLESS_TEST_DATA")
    return folder


class Probe:
    """A client of the test's own: REST as JSON, streams as dicts."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def get(self, path: str, **headers: str) -> tuple[int, Any, Any]:
        async with self.session.get(self.url + path, headers=headers) as reply:
            text = await reply.text()
            body: Any = None
            with contextlib.suppress(ValueError):
                body = await reply.json(content_type=None)
            return reply.status, body if body is not None else text, reply.headers

    async def post(self, path: str, body: Any = None) -> Any:
        async with self.session.post(self.url + path, json=body or {}) as reply:
            return await reply.json()

    def socket(self, path: str) -> Any:
        return self.session.ws_connect(self.url + path, autoping=False)


@pytest.fixture
def probing() -> Callable[[str], AbstractAsyncContextManager[Probe]]:
    @contextlib.asynccontextmanager
    async def probe(url: str) -> AsyncIterator[Probe]:
        async with aiohttp.ClientSession() as session:
            yield Probe(session, url)

    return probe
