"""Runs the application inside somebody else's loop, who owns the signals."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator, Sequence

import uvicorn
from litestar import Litestar

from gapless.errors import BadInput, CouldNot, PortInUse
from gapless.serve.faces import Faces
from gapless.serve.pushing import Pushing
from gapless.serve.settings import address

SEND_BUFFER = 262_144  # of a client in the kernel: what is behind is in the ring, not on its way
DEAD_MS = 60_000  # a peer that takes nothing for so long is dropped by the kernel
GRACE_S = 3
_TICK_S = 0.05


async def serve(
    app: Litestar, listen: Sequence[str], *, ready: Callable[[list[str]], None] = lambda urls: None
) -> None:
    """Serve until cancelled; `ready` is given the base addresses once they are listened on (port 0: a free one).

    Raises `PortInUse` for an address that is taken and `BadInput` for one that is none.
    """
    faces: Faces = app.state.faces
    pushing: Pushing = app.state.pushing
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_listening(text)) for text in listen]
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_max_size=1_000_000,
            ws_ping_interval=faces.settings.ping_every_s,
            ws_ping_timeout=faces.settings.ping_limit_s,
            timeout_graceful_shutdown=GRACE_S,
            server_header=False,
        )
        server = _Server(config)
        await faces.ring.begin()
        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(each) for each in (faces.ring.follow(), pushing.run())]
            serving = asyncio.ensure_future(server.serve(sockets))
            try:
                ready([_url(each) for each in sockets])
                await asyncio.shield(serving)
            finally:
                server.should_exit = True
                for each in following:
                    each.cancel()
                while not serving.done():
                    pushing.release()  # who polls is answered, and may have come again before nobody is let in
                    await asyncio.wait({serving}, timeout=_TICK_S)
                await pushing.close()
                await serving


@contextlib.contextmanager
def _listening(text: str) -> Iterator[socket.socket]:
    """Listen on an address until the end of the block."""
    host, port = address(text)
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise BadInput(f"serve.listen: {host!r} is no host of this machine; allowed is host:port") from None
    with socket.socket(family, kind, protocol) as listener:
        _prepare(listener)
        try:
            listener.bind(target)
            listener.listen(512)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(f"{text} is in use by another program; set serve.listen to a free port") from None
            if error.errno == errno.EADDRNOTAVAIL:
                raise BadInput(f"serve.listen: {host!r} is no address of this machine") from None
            raise CouldNot(f"{text} cannot be listened on: {error.strerror}") from None
        listener.setblocking(False)
        yield listener


def _prepare(listener: socket.socket) -> None:
    """Set what accepted sockets inherit: a bounded send buffer, and an end for peers that take nothing any more."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_MS)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """A server that leaves the signals to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
