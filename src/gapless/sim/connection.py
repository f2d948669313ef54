"""One WebSocket connection on the server's side: frames out, and everything that can go wrong with it."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from contextlib import suppress

from gapless.sim.events import PING, close_frame, frame

BACKLOG = 64 * 1024 * 1024  # what may pile up for a client that does not read
HELD_S = 2.0  # a frame held back for reordering leaves after this at the latest
RECENT = 50


class Connection:
    """Writes frames to one client, joined into one write a tick."""

    def __init__(
        self, transport: asyncio.Transport, *, combined: bool, route: str, number: int, buffer_bytes: int = BACKLOG
    ) -> None:
        """Takes the transport after the handshake; writes never wait, and who lets too much pile up is cut."""
        self.transport = transport
        self.combined = combined
        self.route = route
        self.number = number
        self.buffer_bytes = buffer_bytes
        self.too_slow = False
        self.opened = self.written = time.monotonic()  # `written`: when the last frame left
        self.pinged = self.opened
        self.ping_waits_since = 0.0  # 0: every ping was answered
        self.streams: dict[str, None] = {}
        self.silent: set[str] = set()
        self.muted: set[str] = set()  # silent for as long as this connection stands
        self.dead = False  # half open: nothing is sent or answered any more
        self.closed = False
        self.hold_until = 0.0
        self.close_at = 0.0
        self.reset_at = 0.0
        self.incoming: deque[float] = deque()
        self.recent: deque[bytes] = deque(maxlen=RECENT)
        self._out: list[bytes] = []
        self._held: list[tuple[int, float, bytes]] = []

    @property
    def address(self) -> str:
        """Returns the address at the other end."""
        peer = self.transport.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    def hears(self, stream: str) -> bool:
        """Tells whether events of a stream it subscribed reach the client."""
        return not (self.dead or self.closed or stream in self.silent or stream in self.muted)

    def send(self, data: bytes) -> None:
        """Queues one frame; frames held back leave when enough have passed them."""
        self._out.append(data)
        self.recent.append(data)
        if self._held:
            kept = []
            for places, deadline, held in self._held:
                if places <= 1:
                    self._out.append(held)
                else:
                    kept.append((places - 1, deadline, held))
            self._held = kept

    def hold(self, data: bytes, places: int) -> None:
        """Holds a frame back until `places` others have passed it."""
        self._held.append((places, time.monotonic() + HELD_S, data))

    def flush(self, now: float, *, everything: bool = False) -> None:
        """Writes what is queued; `now` is monotonic."""
        if self._held and (everything or self._held[0][1] < now):
            late = [held for _, deadline, held in self._held if everything or deadline < now]
            self._held = [] if everything else [item for item in self._held if item[1] >= now]
            self._out.extend(late)
        if everything:
            self.hold_until = 0.0
        if not self._out or now < self.hold_until:
            return
        data = b"".join(self._out)
        self._out.clear()
        self.write(data)

    def write(self, data: bytes) -> None:
        """Writes bytes at once, unless the connection is dead or closed."""
        if self.dead or self.closed:
            return
        if self.transport.is_closing():
            self.closed = True
            return
        self.transport.write(data)
        self.written = time.monotonic()
        if self.transport.get_write_buffer_size() > self.buffer_bytes:
            self.closed = self.too_slow = True
            self.transport.abort()  # what piled up is thrown away with it

    def ping(self, now: float) -> None:
        """Sends a ping; the time as text is the payload that has to come back."""
        self.pinged = now
        self.ping_waits_since = self.ping_waits_since or now
        self.write(frame(str(int(time.time() * 1000)).encode(), PING))

    def close(self, code: int, reason: str) -> None:
        """Sends a close frame and hangs up."""
        self.write(close_frame(code, reason))
        self.closed = True
        self.transport.close()

    def abort(self) -> None:
        """Hangs up without a close frame."""
        self.closed = True
        self.transport.close()

    def reset(self) -> None:
        """Hangs up with a TCP reset."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError, ValueError):  # the client has left meanwhile, and its descriptor with it
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.closed = True
        self.transport.abort()

    def too_many(self, now: float, limit: int, within_s: float = 1.0) -> bool:
        """Counts an incoming message and tells whether there were more than `limit` within so many seconds."""
        self.incoming.append(now)
        while self.incoming[0] <= now - within_s:
            self.incoming.popleft()
        return len(self.incoming) > limit
