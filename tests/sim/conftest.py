"""A simulator in the test's own loop, and the folder of real data."""

import asyncio
import contextlib
import json
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gapless.sim.connection import Connection
from gapless.sim.events import CLOSE, TEXT
from gapless.sim.options import SimOptions
from gapless.sim.server import build, serve

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


class Line:
    """A client without a socket: `texts` are the frames it was sent, `closed` the code and words of the end."""

    def __init__(self, hub: Any, route: str, number: int) -> None:
        self.texts: list[str] = []
        self.closed: tuple[int, str] | None = None
        self._hub = hub
        self.connection = Connection(self, combined=False, route=route, number=number)  # type: ignore[arg-type]
        hub.connections[number] = self.connection

    def write(self, data: bytes) -> None:
        while data:
            size, head = data[1], 2
            if size > 125:
                head = 4 if size == 126 else 10
                size = int.from_bytes(data[2:head], "big")
            body, data, kind = data[head : head + size], data[head + size :], data[0]
            if kind == TEXT:
                self.texts.append(body.decode())
            elif kind == CLOSE:
                self.closed = int.from_bytes(body[:2], "big"), body[2:].decode()

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def say(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self._hub.venue.sockets.received(self._hub, self.connection, text)

    def told(self) -> list[Any]:
        """Gives what was sent since the last time, as JSON."""
        texts, self.texts = self.texts, []
        return [json.loads(text) for text in texts]


class Desk:
    """A simulator whose clock is turned by hand; nothing listens and nothing sleeps."""

    def __init__(self, **options: Any) -> None:
        self.service = build(SimOptions(**options))
        self.hub = self.service.hub
        self.hub.on_cold = None
        self.market_ms = self.hub.now
        self.hub.clock.now = lambda: self.market_ms  # type: ignore[method-assign]
        for symbol in self.hub.market.symbols.values():
            symbol.warm = True

    def connect(self, route: str) -> Line:
        return Line(self.hub, route, len(self.hub.connections) + 1)

    def play(self, *, until: int, step: int = 1_000) -> None:
        """Lets market time pass in steps, in ms."""
        while self.market_ms < until:
            self.market_ms = min(self.market_ms + step, until)
            self.hub.tick()


@pytest.fixture(scope="session")
def desk() -> Callable[..., Desk]:
    return Desk


def _certificate(path: Path) -> Path:
    """Writes a key and a certificate of `localhost` that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.now(UTC), timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + certificate.public_bytes(pem))
    return path


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.CancelledError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
def over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], AbstractAsyncContextManager[str]]:
    """Puts TLS before a simulator, for clients that speak nothing else; they trust it by SSL_CERT_FILE."""
    path = _certificate(tmp_path / "localhost.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    @contextlib.asynccontextmanager
    async def relay(url: str) -> AsyncIterator[str]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        host, _, port = url.removeprefix("http://").partition(":")

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner, outer = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_pass_on(reader, outer), _pass_on(inner, writer))

        server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
        try:
            yield f"localhost:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    return relay
