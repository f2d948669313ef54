"""Real WebSocket connections: frames of one wake-up go up as one batch."""

import socket
import time
from contextlib import suppress

from picows import WSAutoPingStrategy, WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from gapless.errors import Unavailable
from gapless.ports import SocketEvents

BATCH = 1_000
_RECEIVE_BUFFER = 256 * 1024  # picows drains the whole backlog in one callback: this bounds it
_TEXT, _CONTINUATION, _CLOSE = WSMsgType.TEXT, WSMsgType.CONTINUATION, WSMsgType.CLOSE
_PING_EVERY = 5.0
_PONG = b"pong"
_LARGEST = 128 * 1024 * 1024  # whole books come in one frame
_PONG_WITHIN = 5.0


class _Listener(WSListener):
    """Gathers text frames until the buffer is drained."""

    def __init__(self, events: SocketEvents, ping: str | None) -> None:
        super().__init__()
        self._ping = ping.encode() if ping is not None else None
        self._events = events
        self._frames: list[bytes] = []
        self._part = b""
        self._code = 1006
        self._reason = "the connection broke"

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        frames = self._frames
        kind = frame.msg_type
        if kind is _TEXT and frame.fin:
            frames.append(frame.get_payload_as_bytes())
        elif kind is _TEXT or kind is _CONTINUATION:
            self._part += frame.get_payload_as_bytes()
            if frame.fin:
                frames.append(self._part)
                self._part = b""
        elif kind is _CLOSE:
            self._closed(transport, frame)
        if frame.last_in_buffer or len(frames) >= BATCH:
            self._flush()

    def send_user_specific_ping(self, transport: WSTransport) -> None:
        """Ping as the venue wants it; the answer tells the latency."""
        if self._ping is None:
            transport.send_ping()
        else:
            transport.send(_TEXT, self._ping)
        self._events.pinged()

    def is_user_specific_pong(self, frame: WSFrame) -> bool:
        """Say whether a frame answers a ping."""
        if self._ping is None:
            answered = frame.msg_type is WSMsgType.PONG
        else:
            answered = frame.msg_type is _TEXT and frame.get_payload_as_memoryview() == _PONG
        if answered:
            self._events.ponged()
        return answered

    def _closed(self, transport: WSTransport, frame: WSFrame) -> None:
        self._code = frame.get_close_code().value
        message = frame.get_close_message() or b""
        self._reason = message if isinstance(message, str) else message.decode(errors="replace")
        transport.send_close(frame.get_close_code())
        transport.disconnect()

    def _flush(self) -> None:
        frames, self._frames = self._frames, []
        if frames:
            self._events.batch(frames, time.time_ns())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._flush()
        self._events.closed(self._code, self._reason)


class PicowsSocket:
    """One open connection."""

    def __init__(self, transport: WSTransport) -> None:
        self._transport = transport

    def send(self, text: str) -> None:
        """Queue a text frame."""
        self._transport.send(WSMsgType.TEXT, text.encode())

    def pause(self) -> None:
        """Stop reading; the peer's frames wait in the kernel."""
        with suppress(RuntimeError):  # it may be closing, and tell that next
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        with suppress(RuntimeError):
            self._transport.underlying_transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """Close in good order; whatever is still under way is not waited for."""
        self._transport.send_close(WSCloseCode(code), reason.encode())
        self._transport.disconnect()


class PicowsSockets:
    """Opens connections with picows."""

    async def connect(self, url: str, events: SocketEvents, ping: str | None = None) -> PicowsSocket:
        """Open a connection, or raise `Unavailable`.

        It is pinged all the time, and closed when no pong comes: half-open sockets are found, and latency is known.
        """
        try:
            transport, _ = await ws_connect(
                lambda: _Listener(events, ping),
                url,
                websocket_handshake_timeout=10,
                enable_auto_ping=True,
                auto_ping_idle_timeout=_PING_EVERY,
                auto_ping_reply_timeout=_PONG_WITHIN,
                max_frame_size=_LARGEST,
                auto_ping_strategy=WSAutoPingStrategy.PING_PERIODICALLY,
            )
        except (WSError, OSError, TimeoutError) as error:
            raise Unavailable(f"{url} does not take a connection: {error or type(error).__name__}") from error
        raw = transport.underlying_transport.get_extra_info("socket")
        if raw is not None:
            with suppress(OSError, ValueError):  # it may have been closed again by now, and tell that next
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        return PicowsSocket(transport)
