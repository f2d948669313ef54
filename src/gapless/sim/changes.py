"""What changes in the market itself: symbols begin and stop trading, trades are forgotten, a limit is another."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from gapless.sim.bars import MINUTE
from gapless.sim.errors import SimError, nearest
from gapless.sim.faults.script import LASTING, Entry
from gapless.sim.market import Market, Symbol
from gapless.sim.rows import EndedSeries, Series

if TYPE_CHECKING:
    from gapless.sim.hub import Hub
    from gapless.sim.venue import SimVenue

IN_FLIGHT = 1_000  # aggregates that may be formed and not pushed yet
HALF = 0.5


def check_possible(entry: Entry, venue: SimVenue, market: Market, listed: set[str]) -> None:
    """Says what is wrong with a fault here; `listed` are symbols that will have begun to trade."""
    if entry.kind not in venue.faults:
        close = nearest(entry.kind, venue.faults)
        raise SimError(f"fault {entry.kind}: {venue.name} has none{close}; allowed are {', '.join(venue.faults)}")
    if entry.kind == "listing" and market.seed is None:
        raise SimError("fault listing: a recorded market lists nothing new; use a synthetic one")
    known = entry.symbol is None or entry.symbol in market.symbols
    if entry.kind == "listing" and entry.symbol is not None:
        if known:
            raise SimError(f"fault listing: {entry.symbol} is listed already; name another, or none")
        if (wrong := venue.markets.listable(entry.symbol)) is not None:
            raise SimError(f"fault listing: {wrong}")
    elif entry.kind in LASTING and not known and entry.symbol not in listed:
        raise SimError(f"fault {entry.kind}: there is no symbol {entry.symbol!r}")
    if entry.kind == "forget" and entry.first is not None and entry.symbol is None:
        raise SimError("fault forget: ids are of one symbol; give `symbol` too")


def not_done_yet(entries: list[Entry], changes: list[dict[str, Any]]) -> list[Entry]:
    """Leaves out of a script what a resumed world has gone through already."""
    done = Counter(change["change"] for change in changes)
    left = []
    for entry in entries:
        if entry.kind in LASTING and entry.every is None and done[entry.kind]:
            done[entry.kind] -= 1
        else:
            left.append(entry)
    return left


def end_trading(symbol: Symbol, at: int) -> None:
    """Lets a symbol trade no more from a market instant on; aggregates that were forming then are still pushed."""
    aggs, end = symbol.aggs, symbol.aggs.pushed(at)
    if symbol.fills is not None:
        position = symbol.fills.pushed(at)
        if position > symbol.fills.start:
            last = int(symbol.fills.cut(position - 1, position).ids[0])
            forming = aggs.cut(end, end + IN_FLIGHT)
            end += int((forming.first <= last).sum())
        following = aggs.cut(end, end + 1)
        position = symbol.fills.numbered(int(following.first[0])) if len(following) else position
        symbol.fills = EndedSeries(symbol.fills, position)
    symbol.aggs = EndedSeries(aggs, end)
    last_row = symbol.aggs.cut(end - 1, end)
    border = (int(last_row.time[0]) if len(last_row) else at) // MINUTE * MINUTE + MINUTE
    symbol.bars.end(symbol.fills or symbol.aggs, max(border, at // MINUTE * MINUTE + MINUTE))
    symbol.book = None
    symbol.ended_ms = at


class Changes:
    """Carries out what changes in the market of one hub, and again what a resumed world went through."""

    def __init__(self, hub: Hub) -> None:
        """Takes a hub whose clock is set."""
        self._hub = hub
        if hub.clock.resumed:
            for change in hub.journal.changes:
                self._redo(change)

    def due(self, now: int) -> None:
        """Carries out the changes that are due."""
        faults = self._hub.faults
        for kind in LASTING:
            while faults.waiting(kind) and (entry := faults.take(kind)) is not None:
                self._note(entry, self._change(entry, now), now)
        self.limits()

    def limits(self) -> None:
        """Sets the limit that holds now; what is announced stays the old one."""
        hub = self._hub
        if hub.ended:
            return
        entry = hub.faults.period("limit_change")
        told = hub.limiter.change(1.0 if entry is None else entry.factor or HALF)
        if told is not None and entry is not None:
            hub.faults.happened("limit_change", hub.now, told)

    def _change(self, entry: Entry, now: int) -> dict[str, Any]:
        if entry.kind == "listing":
            return self._list(entry.symbol, now)
        if entry.kind == "delisting":
            name = entry.symbol or [s.name for s in self._hub.market.symbols.values() if s.ended_ms is None][-1]
            gone = now + int(entry.seconds * 1000 * self._hub.clock.speed) if entry.late else None
            return self._delist(name, now, gone)
        names = [entry.symbol] if entry.symbol is not None else list(self._hub.market.symbols)
        if entry.kind == "sequence_reset":
            return self._renumber(names, now)
        if entry.first is not None and entry.last is not None:
            single = entry.stream == "trade" or not self._hub.venue.agg_ids
            return self._forget(names, entry.first, entry.last, single)
        return self._remember(names, int(entry.seconds * 1000 * self._hub.clock.speed))

    def _redo(self, change: dict[str, Any]) -> None:
        if change["change"] == "listing":
            self._list(change["symbol"], change["at"])
        elif change["change"] == "delisting":
            self._delist(change["symbol"], change["at"], change["gone"])
        elif change["change"] == "sequence_reset":
            self._renumber(change["symbols"], change["at"])
        elif "first" in change:
            self._forget(change["symbols"], change["first"], change["last"], change["single"])
        else:
            self._remember(change["symbols"], change["window_ms"])

    def _note(self, entry: Entry, change: dict[str, Any], now: int) -> None:
        self._hub.journal.write("change", change=entry.kind, **change)
        self._hub.faults.happened(entry.kind, now, str(change))

    def _list(self, name: str | None, at: int) -> dict[str, Any]:
        market = self._hub.market
        assert market.make is not None  # check_possible
        symbol = market.make(len(market.symbols), at, name)
        symbol.warm = True
        market.symbols[symbol.name] = symbol
        self._hub.attach(symbol.name)
        return {"symbol": symbol.name, "at": at}

    def _delist(self, name: str, at: int, gone: int | None) -> dict[str, Any]:
        symbol = self._hub.market.symbols[name]
        if symbol.ended_ms is None:
            end_trading(symbol, at)
            symbol.gone_ms = gone
            self._hub.attach(name)
        return {"symbol": name, "at": at, "gone": gone}

    def _renumber(self, names: list[str], at: int) -> dict[str, Any]:
        for name in names:
            self._hub.market.symbols[name].renumbered_ms.append(at)
        return {"symbols": names, "at": at}

    def _forget(self, names: list[str], first: int, last: int, single: bool) -> dict[str, Any]:
        for name in names:
            symbol = self._hub.market.symbols[name]
            if not single:
                symbol.forgotten_aggs.append((first, last))
                rows = _between(symbol.aggs, first, last)
                if len(rows):
                    symbol.forgotten_fills.append((int(rows.first[0]), int(rows.last[-1])))
            else:
                symbol.forgotten_fills.append((first, last))
                rows = _between(symbol.fills, first, last) if symbol.fills is not None else None
                if rows is not None and len(rows):
                    aggs = symbol.aggs.cut(
                        symbol.aggs.timed(int(rows.time[0]) - MINUTE), symbol.aggs.timed(int(rows.time[-1]) + 1)
                    )
                    hit = aggs.ids[(aggs.last >= first) & (aggs.first <= last)]
                    if len(hit):
                        symbol.forgotten_aggs.append((int(hit[0]), int(hit[-1])))
        return {"symbols": names, "first": first, "last": last, "single": single}

    def _remember(self, names: list[str], window_ms: int) -> dict[str, Any]:
        for name in names:
            self._hub.market.symbols[name].remembered_ms = window_ms
        return {"symbols": names, "window_ms": window_ms}


def _between(series: Series, first: int, last: int) -> Any:
    return series.cut(series.numbered(first), series.numbered(last + 1))
