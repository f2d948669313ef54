"""Composition of consolidation, and what is told of sources: in the shapes of the wire, in ours, and in figures."""

from collections import Counter
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace
from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client import Counter as Counted

from gapless.collect.consolidating import Consolidation, Market
from gapless.consolidate.price import Offer, Price, priced
from gapless.consolidate.settings import Resolution
from gapless.consolidate.timeline import Turn
from gapless.consolidate.unified import venue_of
from gapless.derive.tickers import ONE, turnover
from gapless.errors import BadNumber, UnknownName
from gapless.hub.events import SourceSwitch
from gapless.model import MS, SECOND, Ticker
from gapless.model.number import plain
from gapless.model.times import iso
from gapless.ports import Transaction
from gapless.query.consolidated import turns_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from gapless.collect.collector import Collector
    from gapless.engine import Engine

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
_BEYOND_TAPES = 2**49  # and beyond the receivers of signals
_FINER = 2  # digits of an average beyond those of the market


class Sourcing:
    """The sources of a running gapless: who is healthy and active, and one price of them."""

    def __init__(self, engine: "Engine", environment: str) -> None:
        self._engine = engine
        self._settings = engine.settings.consolidate
        self._histograms: tuple[Histogram, Histogram, Counted] | None = None
        self.consolidation = Consolidation(
            engine.collectors, self._settings, engine.clock, kept=lambda: turns_of(engine.store),
            environment=environment, commit=self._commit, note=engine.note, switched=self._switched, hold=self._hold,
        )  # fmt: skip

    def _hold(self, symbol: str) -> None:
        """Keep other processes from recording turns of an instrument in the same store, as with tapes."""
        number = int.from_bytes(sha256(symbol.encode()).digest()[:4], "big")
        self._engine.locks.hold({_BEYOND_TAPES + number: symbol})

    async def _commit(self, work: "Callable[[Transaction], list[Turn]]") -> list[Turn]:
        return await self._engine.writer.after(work)

    def _switched(self, turn: Turn, detecting: int, switching: int) -> None:
        """Tell of a turn that was recorded."""
        if not turn.switches or turn.former is None:
            return
        event = SourceSwitch(
            since=venue_of(turn.former), to=venue_of(turn.source), reason=turn.reason, timestamp=turn.known_at // MS,
            instrument=turn.unified,
        )  # fmt: skip
        self._engine.hub.publish("sourceSwitch", event)
        if self._histograms:
            detect, switch, counted = self._histograms
            detect.observe(detecting / SECOND)
            switch.observe(switching / SECOND)
            counted.labels(turn.unified).inc()

    def measured(self, registry: CollectorRegistry) -> None:
        """Put the figures into a registry; by venue, once it is known which there are."""
        self._histograms = (
            Histogram(
                "gapless_source_detect_seconds", "From the first sign of an unhealthy source to the decision.",
                buckets=_SECONDS, registry=registry,
            ),
            Histogram(
                "gapless_source_switch_seconds", "From the decision to a recorded switch.", buckets=_SECONDS,
                registry=registry,
            ),
            Counted("gapless_source_switches", "Switches to another source.", ["instrument"], registry=registry),
        )  # fmt: skip
        up = Gauge("gapless_source_up", "Whether a source is connected.", ["venue"], registry=registry)
        latency = Gauge("gapless_source_latency_seconds", "Round trip of a heartbeat.", ["venue"], registry=registry)
        errors = Gauge("gapless_source_errors", "Breaks, refusals, malformed frames.", ["venue"], registry=registry)
        active = Gauge("gapless_source_active", "Consolidated instruments that follow it.", ["venue"],
                       registry=registry)  # fmt: skip
        for one in self._engine.collectors:
            name = one.venue.name
            up.labels(name).set_function(partial(_is_up, one))
            latency.labels(name).set_function(partial(_latency_s, one))
            errors.labels(name).set_function(partial(self.consolidation.carriers.errors, one))
            active.labels(name).set_function(partial(self._followed, name))

    def _followed(self, venue: str) -> int:
        return self._following()[venue]

    # The shapes of the wire

    def sources(self) -> list[dict[str, Any]]:
        """List the venues as sources."""
        following, now, wall = self._following(), self._engine.clock.monotonic(), self._engine.clock.wall()
        rows = []
        for one in self._engine.collectors:
            latency = _latency(one)
            last = max((one.pipeline.spoke.get(name, 0) for name in one.pipeline.lines), default=0)
            verdicts = [
                health.verdict
                for market in self.consolidation.markets.values()
                for source, health in market.healths.items()
                if venue_of(source) == one.venue.name
            ]
            rows.append(
                {
                    "exchange": one.venue.name,
                    "connected": _is_up(one),
                    "latency": None if latency is None else round(latency / MS, 3),
                    "lastUpdate": (wall - (now - last)) // MS if last else None,
                    "messagesReceived": sum(x.tally.frames for x in one.connections),
                    "errors": self.consolidation.carriers.errors(one),
                    "instruments": len(one.pipeline.lines),
                    "consolidated": len(verdicts),
                    "healthy": sum(verdict.healthy for verdict in verdicts),
                    "active": following[one.venue.name],
                }
            )
        return rows

    def health(self) -> dict[str, Any]:
        """Say in short whether what is followed is healthy."""
        markets = self.consolidation.markets.values()
        connected = sum(map(_is_up, self._engine.collectors))
        return {
            "healthy": all(_is_healthy(one) for one in markets) if markets else connected > 0,
            "activeSource": self._venue(),
            "connectedSources": connected,
            "totalSources": len(self._engine.collectors),
            "unhealthy": [one.unified.symbol for one in markets if not _is_healthy(one)],
        }

    def active_source(self, symbol: str | None = None) -> dict[str, Any]:
        """Say which venue is followed, and since when: by most instruments, or by one."""
        markets = list(self.consolidation.markets.values()) if symbol is None else [self._market(symbol)]
        venue = self._venue(markets)
        since = max((one.since for one in markets if venue_of(one.choice.active) == venue), default=0)
        primary = Counter(venue_of(one.unified.primary) for one in markets).most_common(1)
        return {
            "activeSource": venue,
            "primary": primary[0][0] if primary else venue,
            "since": (since or self._engine.clock.wall() - self._uptime()) // MS,
            "instruments": [
                {"instrument": one.unified.symbol, "activeSource": one.choice.active, "primary": one.unified.primary,
                 "since": one.since // MS, "healthy": _is_healthy(one)}
                for one in markets
            ],
        }  # fmt: skip

    def _venue(self, markets: list[Market] | None = None) -> str:
        """Give the venue that most instruments follow; the primary where that is no other, or nothing is shared."""
        collected = [one.venue.name for one in self._engine.collectors]
        following = self._following(markets)
        order = sorted(collected, key=lambda name: name != self._settings.primary)
        return max(order, key=lambda name: following[name])

    def _following(self, markets: list[Market] | None = None) -> Counter[str]:
        chosen = self.consolidation.markets.values() if markets is None else markets
        return Counter(venue_of(market.choice.active) for market in chosen)

    def _uptime(self) -> int:
        return self._engine.clock.monotonic() - self.consolidation.began

    # Ours

    def rows(self) -> list[dict[str, Any]]:
        """List what is consolidated: who is active since when, and how every source does."""
        now = self._engine.clock.monotonic()
        return [
            {
                "instrument": market.unified.symbol,
                "active": market.choice.active,
                "primary": market.unified.primary,
                "since": iso(market.since) if market.since else None,
                "healthy": _is_healthy(market),
                "switches": market.switches,
                "sources": [self._source(source, market, now) for source in market.unified.sources],
            }
            for market in self.consolidation.markets.values()
        ]

    def _source(self, source: str, market: Market, now: int) -> dict[str, Any]:
        health = market.healths[source]
        last = self._collector(source).pipeline.spoke.get(source, 0)
        return {
            "source": source,
            "healthy": health.verdict.healthy,
            "cause": health.verdict.cause or None,
            "reason": health.verdict.reason or None,
            "silent_ms": (now - last) // MS if last else None,
            "stale_after_ms": health.patience // MS,
        }

    def price(self, symbol: str, resolution: str | None = None) -> dict[str, Any]:
        """Give one price of a consolidated instrument by a rule, that of the settings by default."""
        market = self._market(symbol)
        rule = cast(Resolution, resolution or self._settings.resolution)
        known = [self._collector(source).pipeline.lines.get(source) for source in market.unified.sources]
        described = [line.instrument for line in known if line]
        digits = max((one.price_digits for one in described), default=0)
        tick = max((one.tick * 10 ** (digits - one.price_digits) for one in described), default=1)
        offers = [offer for source in market.unified.sources if (offer := self._offer(source, market, digits))]
        active, mads = market.choice.active, self._settings.outlier_mads
        found = priced(offers, rule, active=active, mads=mads, tick=tick)
        return self._told(found, market, digits)

    def _offer(self, source: str, market: Market, digits: int) -> Offer | None:
        """Give the newest price of a source: of its last trade, else of its ticker."""
        pipeline, verdict = self._collector(source).pipeline, market.healths[source].verdict
        line, ticker = pipeline.lines.get(source), pipeline.tickers.get(source)
        trade = pipeline.latest.get(source)
        offer = Offer(
            source=source, price=0, time=0, received=0, weight=_weight(ticker) if ticker else None,
            unfit="" if verdict.healthy else f"{verdict.cause}: {verdict.reason}",
        )  # fmt: skip
        if trade is not None and line is not None and line.trades is not None:
            price = trade.price * 10 ** (digits - line.trades.tape.price_digits)
            return replace(offer, price=price, time=trade.time, received=pipeline.flowed(source))
        if ticker is not None and (last := _decimal(ticker.last)) is not None:
            price = round(last.scaleb(digits))
            return replace(offer, price=price, time=ticker.time, received=pipeline.spoke.get(source, 0))
        return None

    def _told(self, found: Price, market: Market, digits: int) -> dict[str, Any]:
        now, finer = self._engine.clock.monotonic(), _FINER if found.resolution == "average" else 0
        price = None if found.price is None else plain(round(found.price * 10**finer), digits + finer)
        heard = {offer.source for offer, _ in found.parts} | {one.source for one in found.left_out}
        silent = [source for source in market.unified.sources if source not in heard]
        return {
            "instrument": market.unified.symbol,
            "resolution": found.resolution,
            "price": price,
            "time": iso(max(offer.time for offer, _ in found.parts)) if found.parts else None,
            "active": market.choice.active,
            "healthy": _is_healthy(market),
            "parts": [
                {"source": offer.source, "price": plain(offer.price, digits), "share": round(float(share), 6),
                 "time": iso(offer.time), "age_ms": (now - offer.received) // MS}
                for offer, share in found.parts
            ],
            "left_out": [
                *({"source": one.source, "reason": one.reason} for one in found.left_out),
                *({"source": source, "reason": "no price yet"} for source in silent if found.resolution == "average"),
            ],
        }  # fmt: skip

    def _market(self, symbol: str) -> Market:
        market = self.consolidation.markets.get(symbol)
        if market is None:
            known = ", ".join(list(self.consolidation.markets)[:5]) or "none"
            raise UnknownName(f"{symbol!r} is not consolidated by this run; what is: {known}")
        return market

    def _collector(self, source: str) -> "Collector":
        return next(one for one in self._engine.collectors if one.venue.name == venue_of(source))


def _is_healthy(market: Market) -> bool:
    return market.healths[market.choice.active].verdict.healthy


def _is_up(collector: "Collector") -> bool:
    return any(one.up for one in collector.connections)


def _latency_s(collector: "Collector") -> float:
    return (_latency(collector) or 0) / SECOND


def _latency(collector: "Collector") -> int | None:
    """Give the longest round trip of a venue's connections, ns; None where none is known."""
    return max((one.latency for one in collector.connections if one.latency is not None), default=None)


def _weight(ticker: Ticker) -> Fraction | None:
    """Give what was traded in 24 h, in quote currency; None where nothing tells."""
    try:
        return Fraction(turnover(ticker), ONE)
    except BadNumber:
        return None


def _decimal(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
