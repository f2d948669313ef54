"""Events on their way to clients, and their WebSocket frames."""

from __future__ import annotations

import struct

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Encodes one unmasked, unfragmented WebSocket frame."""
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", opcode, 126, size) + payload
    return struct.pack("!BBQ", opcode, 127, size) + payload


def close_frame(code: int, reason: str) -> bytes:
    """Encodes a close frame."""
    return frame(struct.pack("!H", code) + reason.encode(), CLOSE)


class Event:
    """One stream event: market time of its push (ms), its payload, the id it carries on its tape (-1: none)."""

    __slots__ = ("_bare", "_wrapped", "closing", "key", "order", "payload", "push", "stream")

    def __init__(
        self, push: int, order: int, stream: str, payload: bytes, key: int = -1, *, closing: bool = False
    ) -> None:
        """Takes the parts; frames are made when first asked for."""
        self.push = push
        self.order = order
        self.stream = stream
        self.payload = payload
        self.key = key
        self.closing = closing
        self._bare: bytes | None = None
        self._wrapped: bytes | None = None

    def encoded(self, combined: bool) -> bytes:
        """Returns the frame, wrapped with the stream's name or bare; made once for all subscribers."""
        if combined:
            if self._wrapped is None:
                self._wrapped = frame(b'{"stream":"' + self.stream.encode() + b'","data":' + self.payload + b"}")
            return self._wrapped
        if self._bare is None:
            self._bare = frame(self.payload)
        return self._bare


def by_time(event: Event) -> tuple[int, int]:
    """Sorts events by push time; recorded ones of one instant keep the order of the file."""
    return event.push, event.order
