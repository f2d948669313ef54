"""Events on their way to clients, and their WebSocket frames."""

from __future__ import annotations

import struct
from collections.abc import Sequence

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
    """One stream event: market time of its push (ms), its payload, the first id it carries on its tape (-1: none).

    `count` is how many events of the tape it stands for; `parts` are those that were joined to it for one frame.
    """

    __slots__ = ("_bare", "_wrapped", "closing", "count", "key", "order", "parts", "payload", "push", "stream")

    def __init__(
        self,
        push: int,
        order: int,
        stream: str,
        payload: bytes,
        key: int = -1,
        *,
        closing: bool = False,
        count: int = 1,
        parts: tuple[Event, ...] = (),
    ) -> None:
        """Takes the parts; frames are made when first asked for."""
        self.push = push
        self.order = order
        self.stream = stream
        self.payload = payload
        self.key = key
        self.closing = closing
        self.count = count
        self.parts = parts
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


def joined(events: Sequence[Event]) -> Event:
    """Joins events of one instant for one frame, their payloads separated by commas."""
    first = events[0]
    if len(events) == 1:
        return first
    payload = b",".join(event.payload for event in events)
    return Event(first.push, first.order, first.stream, payload, parts=tuple(events))


def by_time(event: Event) -> tuple[int, int]:
    """Sorts events by push time; recorded ones of one instant keep the order of the file."""
    return event.push, event.order
