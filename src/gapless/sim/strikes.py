"""Carrying out faults on frames and connections."""

from __future__ import annotations

import time
from collections import Counter

from gapless.sim.connection import Connection
from gapless.sim.events import Event, joined
from gapless.sim.faults.engine import FIRST_EVENTS, Faults
from gapless.sim.faults.script import Entry
from gapless.sim.venue import SimVenue

RESET_AFTER_S = 0.05
NOTICES = ("server_shutdown", "notice")
TIMED_FRAMES = ("malformed", "drop", "reorder", "delay")


class Strikes:
    """Applies what the fault script decides; no stream is touched before it delivered its first 100 events."""

    def __init__(
        self,
        venue: SimVenue,
        faults: Faults,
        delivered: Counter[str],
        subscribers: dict[str, dict[int, Connection]],
        connections: dict[int, Connection],
    ) -> None:
        """Shares the hub's tables."""
        self._streams = venue.streams
        self._sockets = venue.sockets
        self._encoded = venue.streams.encoded
        self._faults = faults
        self._delivered = delivered
        self._subscribers = subscribers
        self._connections = connections
        self._late: list[tuple[float, Event]] = []
        self._silent_since = 0.0
        self._bursts: dict[str, tuple[Entry, int]] = {}
        self._now = 0

    def acknowledged(self, connection: Connection, texts: list[str], now: int) -> None:
        """Makes one of the streams just acknowledged silent when such a fault is due."""
        ripe = [text for text in texts if self._ripe(text) and connection.number in self._subscribers.get(text, {})]
        if ripe and (entry := self._faults.take("silent")) is not None:
            self._silence(connection, self._pick(ripe, entry), now)

    def _ripe(self, text: str) -> bool:
        return self._delivered[text] >= FIRST_EVENTS

    def _pick(self, texts: list[str], entry: Entry) -> str:
        wanted = [text for text in texts if self._concerns(entry, text)] or texts
        tapes = [text for text in wanted if self._streams.parse(text).tape is not None] or wanted
        return tapes[self._faults.choose(len(tapes))]

    def _silence(self, connection: Connection, text: str, now: int) -> None:
        connection.silent.add(text)
        self._faults.happened("silent", now, f"{text} on connection {connection.number}")

    def refuses(self, texts: list[str]) -> str | None:
        """Returns the stream because of which a subscription is refused, if such a fault is due."""
        for entry in self._faults.pending if self._faults.active else ():
            if entry.kind == "refuse_stream":
                for text in texts:
                    if self._concerns(entry, text) and self._ripe(text):
                        self._faults.spend(entry)
                        self._faults.happened("refuse_stream", self._now, text)
                        return text
        return None

    def withheld(self, event: Event, bar: bool) -> bool:
        """Takes a closing candle away, for a while or for good."""
        if not (event.closing and bar and self._faults.active and self._ripe(event.stream)):
            return False
        for kind in ("missing_close", "late_close"):
            if (entry := self._faults.take(kind)) is not None:
                self._faults.happened(kind, event.push, event.stream)
                if kind == "late_close":
                    self._late.append((time.monotonic() + entry.seconds, event))
                return True
        return False

    def flush_late(self, moment: float, *, everything: bool = False) -> None:
        """Sends candles whose delay is over."""
        if not self._late:
            return
        due = [event for at, event in self._late if everything or at <= moment]
        self._late = [item for item in self._late if not (everything or item[0] <= moment)]
        for event in due:
            for connection in list(self._subscribers.get(event.stream, {}).values()):
                if connection.hears(event.stream):
                    connection.send(self._encoded(event, connection))

    def hand_out(self, event: Event, listening: list[Connection]) -> None:
        """Sends an event to its subscribers, each with its own faults."""
        touchable = self._faults.active and self._ripe(event.stream)
        self._delivered[event.stream] += event.count
        for connection in listening:
            self._send(connection, event, touchable)

    def hand_out_joined(self, sharing: list[tuple[Event, list[Connection]]]) -> None:
        """Sends events of one instant, those that a connection listens to in one frame, those of young tapes apart."""
        frames: dict[tuple[bool, Connection], list[Event]] = {}
        for event, listening in sharing:
            touchable = self._faults.active and self._ripe(event.stream)
            self._delivered[event.stream] += event.count
            for connection in listening:
                frames.setdefault((touchable, connection), []).append(event)
        for (touchable, connection), events in frames.items():
            self._send(connection, joined(events), touchable)

    def _send(self, connection: Connection, event: Event, touchable: bool) -> None:
        data = self._encoded(event, connection)
        if touchable:
            self._send_or_strike(connection, event, data)
        else:
            connection.send(data)

    def _send_or_strike(self, connection: Connection, event: Event, data: bytes) -> None:
        entry = self._burst(event) if self._faults.pending or self._bursts else None
        entry = entry or self._faults.roll()
        if entry is None or not self._strikes(entry, event):
            connection.send(data)
            return
        if entry.kind == "drop":
            pass
        elif entry.kind == "double":
            connection.send(data)
            connection.send(data)
        elif entry.kind == "reorder":
            connection.hold(data, 1 + self._faults.choose(max(int(entry.places), 1)))
        elif entry.kind == "malformed":
            connection.send(self._streams.malformed(event, connection))
        else:
            connection.send(data)
            connection.hold_until = time.monotonic() + entry.seconds
        self._faults.happened(entry.kind, event.push, f"{event.stream} on connection {connection.number}")

    def _burst(self, event: Event) -> Entry | None:
        for kind in TIMED_FRAMES:
            entry, left = self._bursts.get(kind, (None, 0))
            if entry is None and self._faults.waiting(kind):
                entry = next(item for item in self._faults.pending if item.kind == kind)
                if not self._strikes(entry, event):
                    continue
                self._faults.take(kind)
                left = max(int(entry.count), 1)
            if entry is not None and self._strikes(entry, event):
                if left > 1:
                    self._bursts[kind] = (entry, left - 1)
                else:
                    self._bursts.pop(kind, None)
                return entry
        return None

    def connections_due(self, now: int) -> None:
        """Carries out faults of whole connections that are due."""
        self._now = now
        for kind in ("disconnect", "reset", "half_open", *NOTICES, "double"):
            if self._faults.waiting(kind) and (ripe := self._ripe_connections()):
                entry = self._faults.take(kind)
                if entry is not None:
                    self._strike(entry, ripe[self._faults.choose(len(ripe))], now)
        if self._faults.waiting("close_24h") and self._ripe_connections():
            self._faults.take("close_24h")
            for connection in list(self._connections.values()):
                connection.close(1001, "")
            self._faults.happened("close_24h", now, "all connections")
        self._silence_live(now)
        if self._faults.waiting("mute"):
            self._mute(now)

    def _mute(self, now: int) -> None:
        """Silences the busiest stream that the fault may mean on one connection, for as long as that stands."""
        entry = next(item for item in self._faults.pending if item.kind == "mute")
        heard = [
            (self._delivered[text], text, connection)
            for connection in self._ripe_connections()
            for text in connection.streams
            if self._concerns(entry, text) and self._ripe(text) and connection.number in self._subscribers.get(text, {})
        ]
        if heard and self._faults.take("mute") is not None:
            _, text, connection = max(heard, key=lambda item: (item[0], item[1]))
            connection.muted.add(text)
            self._faults.happened("mute", now, f"{text} on connection {connection.number}")

    def _ripe_connections(self) -> list[Connection]:
        alive = [c for c in self._connections.values() if not c.dead and not c.closed]
        return [
            c
            for c in alive
            if any(self._ripe(text) and c.number in self._subscribers.get(text, {}) for text in c.streams)
        ]

    def _strike(self, entry: Entry, connection: Connection, now: int) -> None:
        connection.hold_until = 0.0
        connection.flush(time.monotonic())
        if entry.kind == "disconnect":
            abrupt = entry.abrupt if entry.abrupt is not None else self._faults.choose(2) == 1
            if abrupt:
                connection.abort()
            else:
                connection.close(1001, "")
        elif entry.kind == "reset":
            # a reset throws away what is still on its way, and young streams must not lose their first events by it
            connection.dead = True
            connection.reset_at = time.monotonic() + RESET_AFTER_S
        elif entry.kind == "half_open":
            connection.dead = True
        elif entry.kind in NOTICES:
            self._sockets.notice(connection, now)
            connection.close_at = time.monotonic() + entry.seconds
        else:
            self._double(connection, entry, now)
            return
        self._faults.happened(entry.kind, now, f"connection {connection.number}")

    def _double(self, connection: Connection, entry: Entry, now: int) -> None:
        again = list(connection.recent)[-max(int(entry.count), 1) :]
        for data in again:
            connection.send(data)
        for _ in again:
            self._faults.counts["double"] += 1
        self._faults.journal.write(
            "fault", kind="double", market_ms=now, detail=f"{len(again)} frames on connection {connection.number}"
        )

    def _silence_live(self, now: int) -> None:
        """Turns a live stream silent when no acknowledgement came while the fault was due."""
        if not self._faults.waiting("silent"):
            self._silent_since = 0.0
            return
        self._silent_since = self._silent_since or self._faults.clock_s
        entry = next(item for item in self._faults.pending if item.kind == "silent")
        ripe = self._ripe_connections()
        if self._faults.clock_s - self._silent_since < entry.lasts or not ripe:
            return
        self._faults.take("silent")
        connection = ripe[self._faults.choose(len(ripe))]
        texts = [t for t in connection.streams if self._ripe(t) and connection.number in self._subscribers.get(t, {})]
        self._silence(connection, self._pick(texts, entry), now)

    def lift(self) -> None:
        """Ends every standing fault: silent streams speak, half-open sockets are closed, delays are over."""
        self._bursts.clear()
        for connection in list(self._connections.values()):
            connection.silent.clear()
            connection.muted.clear()
            if connection.dead:
                connection.abort()
            connection.hold_until = 0.0

    def _concerns(self, entry: Entry, text: str) -> bool:
        if entry.symbol is None and entry.stream is None:
            return True
        name = self._streams.parse(text)
        if entry.symbol is not None and entry.symbol.upper() != name.symbol:
            return False
        return entry.stream is None or entry.stream == name.label

    def _strikes(self, entry: Entry, event: Event) -> bool:
        """Tells whether a fault concerns a frame, or one of the events in it."""
        return any(self._concerns(entry, part.stream) for part in event.parts or (event,))
