"""How many messages the streams of each instrument bring: measured, else expected."""

from collections.abc import Iterable
from contextlib import suppress

from gapless.collect.connection import Connection
from gapless.derive.tickers import ONE, turnover
from gapless.errors import BadNumber
from gapless.model import DAY, MINUTE, SECOND, Ticker
from gapless.protocol.rate import Flow
from gapless.protocol.shards import Lot, lots_of

_MEMORY = 5 * MINUTE
_EVERY = 10 * SECOND
_KNOWN = 2 * MINUTE  # what was measured for so long is believed
_DAY = DAY // SECOND


class Loads:
    """Rates by lot, messages a second. What is expected of an instrument holds until it was measured for a while."""

    def __init__(self) -> None:
        self._flows: dict[Lot, Flow] = {}
        self._trades: dict[str, float] = {}
        self._worth: dict[str, float] = {}
        self._looked = 0

    def expect(self, tickers: Iterable[Ticker]) -> None:
        """Expect what 24 h tickers tell: by their trades, else by the quote volume."""
        for ticker in tickers:
            if ticker.trades >= 0:
                self._trades[ticker.instrument] = ticker.trades / _DAY
            else:
                with suppress(BadNumber):
                    self._worth[ticker.instrument] = turnover(ticker) / ONE

    def traded(self, instrument: str, per_second: float) -> None:
        """Expect what was stored of the last time that an instrument was collected, unless something newer tells."""
        self._trades.setdefault(instrument, per_second)

    def look(self, connections: Iterable[Connection], now: int) -> None:
        """Measure, every ten seconds."""
        if now - self._looked < _EVERY:
            return
        self._looked = now
        seen: set[Lot] = set()
        for connection in connections:
            subscriptions = connection.session.subscriptions
            for lot, streams in lots_of(connection.streams).items():
                known = [subscriptions[stream.name].events for stream in streams if stream.name in subscriptions]
                self._flows.setdefault(lot, Flow(_MEMORY)).looked(sum(known), now)
                seen.add(lot)
        self._flows = {lot: flow for lot, flow in self._flows.items() if lot in seen}

    def measured(self, now: int) -> bool:
        """Say whether anything was measured for a while."""
        return any(now - flow.since >= _KNOWN for flow in self._flows.values())

    def rates(self, lots: Iterable[Lot], now: int) -> dict[Lot, float]:
        """Give the rates of those lots of which anything is known."""
        flows = {lot: flow.per_second for lot, flow in self._flows.items() if now - flow.since >= _KNOWN}
        expected = _scaled(self._trades, flows) | _scaled(self._worth, flows)
        return {lot: rate for lot in lots if (rate := flows.get(lot, expected.get(lot[1]))) is not None}


def _scaled(expected: dict[str, float], flows: dict[Lot, float]) -> dict[str, float]:
    """Bring what is expected of instruments to the measure of what was counted, where there is both."""
    both = [(rate, expected[lot[1]]) for lot, rate in flows.items() if lot[1] in expected]
    told = sum(one for _, one in both)
    factor = sum(rate for rate, _ in both) / told if told else 1.0
    return {instrument: one * factor for instrument, one in expected.items()}
