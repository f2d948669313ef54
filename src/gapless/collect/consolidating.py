"""Keeps every consolidated instrument on a healthy source: facts in, a choice, and each switch recorded."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from gapless.collect.carriers import NOBODY, Carriers
from gapless.collect.collector import Collector
from gapless.collect.pipeline import Pipeline
from gapless.consolidate.choice import Choice, Failed, Switch
from gapless.consolidate.health import Facts, Health, Limits
from gapless.consolidate.record import record
from gapless.consolidate.settings import ConsolidateSettings
from gapless.consolidate.timeline import Turn
from gapless.consolidate.unified import Unified, limits_of, unified_of, venue_of
from gapless.errors import StoreBusy
from gapless.model import SECOND
from gapless.ports import Clock, Transaction

_TICK = SECOND // 20
_LOOK = SECOND // 10  # how often everything is looked at; what a connection tells, at the next tick
_STALL = SECOND  # this process stood still for longer: the silence was ours
_MANY = 50  # instruments beyond which that is as much less often as there are more


class Market(Struct):
    """One consolidated instrument while it runs: its choice, the health of its sources, and its newest turn.

    `since` is when its source became active, ns UTC of the machine, 0 before that is recorded; `switches` counts those
    of this run.
    """

    unified: Unified
    choice: Choice
    healths: dict[str, Health]
    turn: Turn | None = None
    since: int = 0
    switches: int = 0


class Decided(Struct, frozen=True):
    """What is to be recorded of an instrument: `since` is when it showed first, `at` when it was decided (mono ns)."""

    market: Market
    source: str
    former: str | None
    reason: str
    since: int
    at: int


Commit = Callable[[Callable[[Transaction], list[Turn]]], Awaitable[list[Turn]]]
"""Does something in a transaction of its own, after everything that is pending."""


class Consolidation:
    """Watches the sources of everything that is consolidated, for as long as it runs.

    `switched` hears of each turn that was recorded, with how long it took to notice what was wrong and to act on it
    (ns); `note` is told what people want to know. `kept` gives the turns of earlier runs. `hold` takes an instrument
    for this process, or raises `StoreBusy`: whose turns another one records is left to that.
    """

    def __init__(
        self, collectors: Sequence[Collector], settings: ConsolidateSettings, clock: Clock, *, environment: str,
        kept: Callable[[], list[Turn]], commit: Commit, note: Callable[..., None],
        switched: Callable[[Turn, int, int], None], hold: Callable[[str], None] = lambda symbol: None,
    ) -> None:  # fmt: skip
        self.markets: dict[str, Market] = {}
        self.began = clock.monotonic()
        self.carriers = Carriers(collectors, clock)
        self._collectors = collectors
        self._settings = settings
        self._kept = kept
        self._clock = clock
        self._environment = environment
        self._commit = commit
        self._note = note
        self._switched = switched
        self._hold = hold
        self._held: dict[str, bool] = {}
        self._woken = True
        self._stalled = False
        self._collected: tuple[str, ...] | None = None
        self._turns: dict[str, Turn] = {}
        self._since: dict[str, int] = {}

    async def run(self) -> None:
        """Watch for ever."""
        looked = 0
        for turn in self._kept():
            self._remember(turn)
        while True:
            now = self._clock.monotonic()
            if self._woken or now - looked >= _LOOK * max(len(self.markets) / _MANY, 1):
                self._woken, looked = False, now
                await self._record(self.look(now))
            slept = self._clock.monotonic()
            await self._clock.sleep(_TICK)
            self._stalled = self._stalled or self._clock.monotonic() - slept > _TICK + _STALL

    def heard(self, name: str, subject: str) -> None:
        """Learn what the log is told of a connection."""
        self._woken |= self.carriers.heard(name, subject)

    def look(self, now: int) -> list[Decided]:
        """Judge every source, and give what is decided by that."""
        decided = self._refreshed(now)
        self.carriers.look()
        stalled, self._stalled = self._stalled, False
        pipelines = {collector.venue.name: collector.pipeline for collector in self._collectors}
        for market in self.markets.values():
            verdicts = {}
            for source, health in market.healths.items():
                pipeline = pipelines[venue_of(source)]
                paused = stalled or pipeline.pressed
                verdicts[source] = health.look(self._facts(pipeline, source), now, paused=paused)
            outcome = market.choice.look(verdicts, now)
            if isinstance(outcome, Failed):
                self._note("failover_failed", market.unified.symbol, reason=outcome.reason)
            elif isinstance(outcome, Switch):
                decided.append(
                    Decided(market, outcome.source, outcome.former, outcome.reason, min(outcome.since, now), now)
                )
        return decided

    def _refreshed(self, now: int) -> list[Decided]:
        """Follow what is collected: instruments that are consolidated from now on, or of other sources."""
        collected = tuple(name for collector in self._collectors for name in collector.pipeline.lines)
        if collected == self._collected:
            return []
        self._collected = collected
        instruments = [line.instrument for one in self._collectors for line in one.pipeline.lines.values()]
        known, self.markets = self.markets, {}
        decided = []
        for symbol, unified in unified_of(instruments, self._settings, kept=known).items():
            if not self._is_ours(symbol):
                continue
            former = known.get(symbol)
            market = self.markets[symbol] = self._market(unified, former, now)
            switch = market.choice.changed(unified.sources, now) if former else None
            source, turn = market.choice.active, market.turn
            if turn is None:
                decided.append(Decided(market, source, None, "it is the primary", now, now))
            elif turn.source != source or turn.sources != unified.sources:
                reason = switch.reason if switch else _why(turn, source, unified)
                decided.append(Decided(market, source, turn.source, reason, now, now))
        return decided

    def _is_ours(self, symbol: str) -> bool:
        if symbol not in self._held:
            try:
                self._hold(symbol)
                self._held[symbol] = True
            except StoreBusy as busy:
                self._held[symbol] = False
                self._note("consolidated_elsewhere", symbol, reason=str(busy))
        return self._held[symbol]

    def _market(self, unified: Unified, former: Market | None, now: int) -> Market:
        limits = Limits(**limits_of(unified, self._settings))
        known = former.healths if former else {}
        healths = {source: known.get(source) or self._health(source, limits, now) for source in unified.sources}
        if former is not None:
            former.unified, former.healths = unified, healths
            return former
        turn = self._turns.get(unified.symbol)
        settings = self._settings
        choice = Choice(
            unified.sources, failover=settings.failover, dwell=settings.dwell_s * SECOND, began=now,
            active=turn.source if turn else None,
        )  # fmt: skip
        return Market(unified, choice, healths, turn, self._since.get(unified.symbol, 0))

    def _health(self, source: str, limits: Limits, now: int) -> Health:
        """Judge a source from now on; what befell it before does not count."""
        before = self.carriers.carried.get(source, NOBODY)
        return Health(limits, now, breaks=before.breaks, errors=before.errors)

    def _facts(self, pipeline: Pipeline, source: str) -> Facts:
        carried, line = self.carriers.carried.get(source, NOBODY), pipeline.lines.get(source)
        return Facts(
            connected=carried.connected,
            breaks=carried.breaks,
            broke_at=carried.broke_at,
            errors=carried.errors,
            latency=carried.latency,
            last=pipeline.spoke.get(source, 0),
            traded=pipeline.flowed(source),
            agreed=pipeline.agreed(source),
            behind=pipeline.told(source),
            ended=line is None or line.ended,
        )

    async def _record(self, decided: list[Decided]) -> None:
        """Record everything that was decided at once, in one transaction."""
        if not decided:
            return
        known = {name: turn.instant for name, turn in self._turns.items()}
        asked = [(one, one.market.unified) for one in decided]

        def work(tx: Transaction) -> list[Turn]:
            # What was pending may have waited long for the store, and trades went on: it is as late as it is now.
            at, mono = self._clock.wall(), self._clock.monotonic()
            times = {one.venue.name: one.pipeline.clock.now(mono) for one in self._collectors}
            after, turns = dict(known), []
            for one, unified in asked:
                now = [times.get(venue_of(source), 0) for source in (one.former, one.source) if source]
                turn = record(
                    tx, unified=unified.symbol, source=one.source, former=one.former, reason=one.reason,
                    sources=unified.sources, known_at=at, now=max(now), after=after.get(unified.symbol, -1),
                    environment=self._environment,
                )  # fmt: skip
                after[unified.symbol] = turn.instant
                turns.append(turn)
            return turns

        turns = await self._commit(work)
        for one, turn in zip(decided, turns, strict=True):
            self._remember(turn)
            one.market.turn, one.market.since = turn, self._since[turn.unified]
            one.market.switches += turn.switches
            self._switched(turn, one.at - one.since, self._clock.monotonic() - one.at)
        self._tell([turn for turn in turns if turn.switches])

    def _tell(self, turns: Sequence[Turn]) -> None:
        """Tell of switches, in one line those that have the same venues in common."""
        together: dict[tuple[str, str], list[Turn]] = {}
        for turn in turns:
            together.setdefault((venue_of(turn.former or ""), venue_of(turn.source)), []).append(turn)
        for some in together.values():
            first = some[0]
            more = {"instruments": len(some)} if len(some) > 1 else {}
            fields = {"from": first.former, "to": first.source, "reason": first.reason, **more}
            self._note("source_switch", first.unified, **fields)

    def _remember(self, turn: Turn) -> None:
        former = self._turns.get(turn.unified)
        if former is None or former.source != turn.source:
            self._since[turn.unified] = turn.known_at
        self._turns[turn.unified] = turn


def _why(turn: Turn, source: str, unified: Unified) -> str:
    """Say why something else is recorded than an earlier run left."""
    if turn.source == source:
        return "its sources changed"
    return "failover is off" if turn.source in unified.sources else f"{turn.source} is no source any more"
