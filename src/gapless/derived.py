"""What a running gapless derives, in figures: how many bars and signals, how soon after the close, and how exact."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gapless.derive.bars import ClosedBar
from gapless.derive.candles import bar_of_minutes, with_missing
from gapless.derive.settle import Settled
from gapless.model import MINUTE_1, MS, SECOND, SIDE_NAMES, VALUES, Candle, Timeframe, iso
from gapless.ports import TapeReader
from gapless.query.hot import Hot

_KEPT = 1_000  # newest latencies
_SAMPLE = 500  # bars that are folded again at once
_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)  # s


_SAID = (*VALUES, "start", "state", "short", "proof", "revision")


def _said(bar: Candle) -> tuple[object, ...]:
    return tuple(getattr(bar, name) for name in _SAID)


class _Minute(Struct):
    """What closed, was revised and was derived while a minute was the newest to close."""

    start: int
    closed: int = 0
    revised: int = 0
    derived: int = 0

    def count(self, bar: ClosedBar) -> None:
        """Count a bar."""
        if bar.timeframe != MINUTE_1:
            self.derived += 1
        elif bar.late:
            self.revised += 1
        else:
            self.closed += 1

    def fields(self) -> dict[str, int]:
        """Give what is told of it."""
        return {"closed": self.closed, "revised": self.revised, "bars_derived": self.derived}


class DerivedFigures:
    """Counts what commits derived. Latency runs from the receipt of the first thing that a commit brought until the
    signal is published."""

    def __init__(self, hot: Hot, registry: CollectorRegistry) -> None:
        self.bars = self.signals = 0
        self.accuracy: float | None = None
        self._hot = hot
        self._latencies: deque[float] = deque(maxlen=_KEPT)
        self._minute = _Minute(0)
        self._bars = Counter("gapless_bars_emitted", "Bars closed or revised, of every timeframe.", registry=registry)
        self._signals = Counter("gapless_signals", "Judgements of signals.", ["state"], registry=registry)
        self._latency = Histogram(
            "gapless_signal_latency_seconds", "From the receipt of a close to the signal.", buckets=_BUCKETS,
            registry=registry,
        )  # fmt: skip
        gauges = {
            "gapless_hot_minutes": lambda: hot.minutes,
            "gapless_hot_ladder_bytes": lambda: hot.bytes,
            "gapless_hot_hits": lambda: hot.hits,
            "gapless_hot_misses": lambda: hot.misses,
        }
        for name, read in gauges.items():
            Gauge(name, name.replace("_", " "), registry=registry).set_function(read)

    def settled(self, settled: Settled, mono: int) -> None:
        """Count what a commit derived, published at `mono` (monotonic ns)."""
        self.bars += len(settled.bars)
        self._bars.inc(len(settled.bars))
        for judged in settled.judged:
            self.signals += 1
            self._signals.labels(judged.state).inc()
            if judged.state == "found" and settled.began:
                self._latencies.append((mono - settled.began) / MS)
                self._latency.observe((mono - settled.began) / SECOND)

    def lines(self, settled: Settled) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Give what the log says of a commit as (event, subject, fields): signals, and each minute once it is over."""
        for bar in settled.bars:
            if bar.timeframe == MINUTE_1 and bar.candle.start > self._minute.start:
                if self._minute.start:
                    yield "candles_closed", iso(self._minute.start), self._minute.fields()
                self._minute = _Minute(bar.candle.start)
            self._minute.count(bar)
        for judged in settled.judged:
            signal, frame = judged.signal, Timeframe(judged.minutes)
            yield (
                f"signal_{judged.state}", f"{judged.instrument} {frame} {signal.kind}",
                {"start": iso(judged.start), "side": SIDE_NAMES[signal.side] if signal.side else None,
                 "price": signal.price, "score": signal.score, "proof": judged.proof.text},
            )  # fmt: skip

    def latency_ms(self) -> dict[str, float | None]:
        """Give the median and the 99th percentile of the newest latencies, ms."""
        known = sorted(self._latencies)
        if not known:
            return {"p50": None, "p99": None}
        return {name: round(known[len(known) * share // 100], 1) for name, share in (("p50", 50), ("p99", 99))}

    def check(self, reader: TapeReader) -> list[tuple[str, Timeframe, Candle, Candle]]:
        """Fold the newest bars again from the store, a sample of them; list those that differ from what was emitted.

        Marks do not count: who serves a minute may change without a revision.
        """
        newest = list(self._hot.newest().items())
        sample = newest[:: len(newest) // _SAMPLE + 1]
        differing = []
        for (instrument, frame), bar in sample:
            end = frame.end_of(bar.start)
            folded = bar_of_minutes(with_missing(reader.candles(instrument, bar.start, end), bar.start, end), frame)
            # What was revised meanwhile is emitted anew.
            if _said(folded) != _said(bar) and self._hot.newest().get((instrument, frame)) is bar:
                differing.append((instrument, frame, bar, folded))
        self.accuracy = 1 - len(differing) / len(sample) if sample else None
        return differing

    def report(self) -> dict[str, Any]:
        """Say everything."""
        asked = self._hot.hits + self._hot.misses
        return {
            "derived_accuracy": self.accuracy,
            "signal_latency_ms": self.latency_ms(),
            "derived": {"bars": self.bars, "signals": self.signals},
            "hot": {
                "minutes": self._hot.minutes,
                "ladder_bytes": self._hot.bytes,
                "hit_rate": round(self._hot.hits / asked, 4) if asked else None,
            },
        }
