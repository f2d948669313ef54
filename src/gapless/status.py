"""What a running gapless says of itself: health, status, budgets, connections, metrics."""

import time
from typing import TYPE_CHECKING, Any

import psutil
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, Counter, Gauge

from gapless.budget.circuit import phase
from gapless.budget.host import used_now
from gapless.budget.learn import learned
from gapless.changing import priority
from gapless.connected import ConnectionFigures, row_of
from gapless.derive.judge import candle_of
from gapless.derive.settle import Settled
from gapless.derived import DerivedFigures
from gapless.model import Candle, Instrument, Origin, Proof, State
from gapless.model.times import iso

if TYPE_CHECKING:
    from gapless.engine import Engine


class Status:
    """Answers about an engine; it changes nothing."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._size = engine.store.size()
        self.candles = 0
        self.revisions = 0
        self.repaired = 0
        self.registry = CollectorRegistry()
        self._candles = Counter("gapless_candles_closed", "Closed 1m candles.", registry=self.registry)
        self._revisions = Counter("gapless_candles_revised", "Revised 1m candles.", registry=self.registry)
        self._repairs = Counter("gapless_gaps_repaired", "Named gaps that were filled.", registry=self.registry)
        gauges = {
            "gapless_messages": lambda: sum(c.pipeline.messages for c in engine.collectors),
            "gapless_gaps_open": lambda: sum(len(c.holes()) for c in engine.collectors),
            "gapless_rest_requests": lambda: sum(c.rest.spent.requests for c in engine.collectors),
            "gapless_rest_weight": lambda: sum(c.rest.spent.weight for c in engine.collectors),
            "gapless_backlog_rows": lambda: engine.writer.backlog,
            "gapless_connections_up": lambda: sum(x.up for c in engine.collectors for x in c.connections),
        }
        for name, read in gauges.items():
            Gauge(name, name.replace("_", " "), registry=self.registry).set_function(read)
        self.derived = DerivedFigures(engine.hot, self.registry)
        ConnectionFigures(engine.collectors, engine.clock, self.registry)
        engine.sourcing.measured(self.registry)

    def settled(self, settled: Settled) -> None:
        """Count what a commit did."""
        for change in settled.changes:
            if change.candle.revision:
                self.revisions += 1
                self._revisions.inc()
            else:
                self.candles += 1
                self._candles.inc()
        lost = sum(gap.cause != "history" for gap in settled.repaired)
        self.repaired += lost
        self._repairs.inc(lost)
        self.derived.settled(settled, self._engine.clock.monotonic())

    def tail(self, instrument: Instrument) -> Candle | None:
        """Give the forming minute from memory, where it is in the digits that an instrument has."""
        for collector in self._engine.collectors:
            line = collector.pipeline.lines.get(instrument.id)
            forming = line.minutes.forming(line.forming) if line else None
            if (
                line
                and forming
                and line.instrument.price_digits == instrument.price_digits
                and (line.instrument.size_digits == instrument.size_digits)
            ):
                return replace(candle_of(forming.snapshot(), Origin.TAPE, Proof.PARTIAL), state=State.OPEN)
        return None

    def connections(self) -> list[dict[str, Any]]:
        """List the connections."""
        now = time.monotonic_ns()
        return [row_of(c.venue.name, x, now) for c in self._engine.collectors for x in c.connections]

    def budgets(self) -> list[dict[str, Any]]:
        """List what was spent at each host and what forbids more."""
        rows = []
        for collector in self._engine.collectors:
            rest, spent = collector.rest, collector.rest.spent
            now = rest.now()
            for host, state in rest.states().items():
                if host not in collector.hosts.rest:
                    continue
                limit, used, blocked = rest.limit(state), used_now(state, now), state.blocked_until > now
                rows.append(
                    {
                        "venue": collector.venue.name,
                        "host": host,
                        "limit": limit,
                        "learned": learned(state, now) or None,
                        "used": used,
                        "share": round(used / limit, 3),
                        "state": phase(state, now),
                        "blocked_until": iso(state.blocked_until) if blocked else None,
                        "reason": state.reason or None,
                        "requests": spent.requests,
                        "weight": spent.weight,
                        "throttled": spent.throttled,
                        "banned": spent.banned,
                        "failed": spent.failed,
                    }
                )
        return rows

    def health(self) -> dict[str, Any]:
        """Say in short whether data comes."""
        connections = [x for c in self._engine.collectors for x in c.connections]
        up = sum(x.up for x in connections)
        wanted = sum(len(c.pipeline.lines) for c in self._engine.collectors)
        now = time.monotonic_ns()
        covered = len({instrument for x in connections if x.up for instrument in x.session.in_time(now)})
        began = any(
            track.newest is not None
            for c in self._engine.collectors
            for line in c.pipeline.lines.values()
            for track in line.tracks
        )
        degraded = [c.degrading.state for c in self._engine.collectors if c.degrading.state]
        open_gaps = sum(len(c.holes()) for c in self._engine.collectors)
        whole = not degraded and up == len(connections) and covered == wanted and not open_gaps
        status = "ready" if whole else "degraded" if began else "starting"
        return {
            "status": status,
            "websocket_handler": up > 0,
            "active_tickers": sum(len(c.pipeline.tickers) for c in self._engine.collectors),
            "connections": f"{up}/{len(connections)} connected",
            "coverage": f"{100 * covered / wanted if wanted else 0:.1f}%",
            "gaps_open": open_gaps,
            "degraded": [{"venue": one.venue, "since": iso(one.since), "why": one.why} for one in degraded],
        }

    def report(self) -> dict[str, Any]:
        """Say everything."""
        engine = self._engine
        uptime = time.monotonic() - engine.started
        messages = sum(c.pipeline.messages for c in engine.collectors)
        size, measured = engine.store.size(), engine.storage.told or {}
        daily = [rate or 0 for rate in measured.get("bytes_per_day_of", {}).values()]
        with self._process.oneshot():
            process = {
                "cpu": self._process.cpu_percent(),
                "rss_mb": round(self._process.memory_info().rss / 1e6, 1),
            }
        return {
            **self.health(),
            "uptime_s": round(uptime, 1),
            "connections": self.connections(),
            "rates": {"messages": round(messages / uptime, 1), "candles": round(self.candles / uptime, 4)},
            **self.derived.report(),
            "judging_failed": engine.writer.judging_failed,
            "gaps": {
                "open": sum(len(c.holes()) for c in engine.collectors),
                "repaired": self.repaired,
                "permanent": sum(
                    len(track.permanent)
                    for c in engine.collectors
                    for line in c.pipeline.lines.values()
                    for track in line.tracks
                ),
                "ids": sum(c.repair.done.ids for c in engine.collectors),
                "rejected": sum(c.repair.done.rejected for c in engine.collectors),
            },
            "rotations": {
                "done": sum(c.rotations for c in engine.collectors),
                "failed": sum(c.rotations_failed for c in engine.collectors),
            },
            "silence": {
                "asked": sum(c.watchdog.asked for c in engine.collectors),
                "found": sum(c.watchdog.found for c in engine.collectors),
            },
            "consolidated": engine.sourcing.rows(),
            "budgets": self.budgets(),
            "jobs": engine.schedule.rows(),
            "priority": priority(engine),
            "deliveries": engine.deliveries.rows(),
            "callbacks": engine.hub.rows(),
            "store": {
                "rows": engine.writer.rows,
                "held_up": engine.writer.held_up,
                "bytes": size,
                # Until it has been measured, what the file has grown.
                "bytes_per_day": sum(daily) or int((size - self._size) / uptime * 86_400),
                **measured,
            },
            "process": process,
            "revisions": self.revisions,
        }
