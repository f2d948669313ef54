"""False alarms on quiet markets: recorded trades, and a real month's trade counts minute by minute.

The venue is asked as the watchdog asks it: REST knows what was traded up to now, the stream brings it a recorded delay
later. An alarm would be a stream called silent that is not.
"""

import csv
import gzip
import io
import json
import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import zstandard

from gapless.model import DAY, MS, SECOND
from gapless.protocol.session import Probe, Session, Watch
from gapless.venues.spec import Control, Stream

TRADES = Stream("trxusdt@trade", "binance:TRXUSDT", "trade", "public")
TICK = 250 * MS
REST = 50 * MS  # until the venue's answer is there
LATE = 750 * MS  # as the watchdog waits
Event = tuple[int, int]
"""When something was traded and when the stream brought it, ns."""


class Watched:
    """A stream that is never silent, watched: counts the questions and the false alarms."""

    def __init__(self) -> None:
        self.session = Session([TRADES], subscribe=lambda n, i: [""], unsubscribe=lambda n, i: [""], watch=Watch())
        self.questions = 0
        self.alarms = 0
        self.seconds = 0.0

    def over(self, events: list[Event]) -> "Watched":
        sent, brought = [one[0] for one in events], [one[1] for one in events]
        session, subscription = self.session, self.session.subscriptions[TRADES.name]
        session.opened(brought[0])
        session.replied([Control(1, None)], brought[0])
        for number, now in enumerate(brought[:-1]):
            session.delivered(TRADES.name, 1, now)
            until = brought[number + 1]
            tick = now + session.limit(subscription)  # nothing is suspected before
            while tick < until:
                if Probe(TRADES) in session.ticked(tick):
                    self._ask(tick, bisect_right(sent, tick + REST) - 1 > number, until)
                tick += TICK
        self.seconds += (brought[-1] - brought[0]) / SECOND
        return self

    def _ask(self, now: int, ahead: bool, until: int) -> None:
        self.questions += 1
        if not ahead:
            self.session.quiet(TRADES.name)
        elif now + REST + LATE < until:
            self.alarms += 1

    @property
    def days(self) -> float:
        return self.seconds * SECOND / DAY


def delayed(times: Iterable[int], delays: list[int], chance: random.Random) -> list[Event]:
    """Bring each event a recorded delay after it happened, in order."""
    events: list[Event] = []
    for time in times:
        brought = time + chance.choice(delays)
        events.append((time, max(brought, events[-1][1]) if events else brought))
    return events


def trx(folder: Path) -> list[Event]:
    """The recorded TRXUSDT trades: event time of the venue, receipt; the clocks are brought together."""
    with gzip.open(folder / "binance-usdm/trxusdt_trades_20250304.csv.gz", "rt") as file:
        rows = [(int(row["TransactionTime"]) * MS, int(row["TimestampOfReceive"]) * MS) for row in csv.DictReader(file)]
    return aligned(rows)


def btc(folder: Path) -> list[Event]:
    """The recorded BTCUSDT trades."""
    rows = []
    with gzip.open(folder / "binance-usdm/btcusdt_20240808.raw.gz", "rt") as file:
        for line in file:
            if "@trade" in line:
                received, _, frame = line.partition(" ")
                rows.append((json.loads(frame)["data"]["T"] * MS, int(received)))
    return aligned(rows)


def aligned(rows: list[Event]) -> list[Event]:
    """Shift the recorder's clock so that the fastest frame took 5 ms."""
    offset = min(received - time for time, received in rows) - 5 * MS
    return [(time, received - offset) for time, received in rows]


def month(folder: Path, symbol: str, chance: random.Random) -> Iterator[int]:
    """Times of trades, as many in each minute of February 2026 as there really were."""
    packed = (folder / f"binance-usdm/{symbol}-1m-2026-02.csv.zst").read_bytes()
    text = zstandard.ZstdDecompressor().stream_reader(packed).read().decode()
    for row in csv.DictReader(io.StringIO(text)):
        start = int(row["open_time"]) * MS
        yield from sorted(start + chance.randrange(60 * SECOND) for _ in range(int(row["count"])))


@pytest.mark.parametrize("recorded", [trx, btc])
def test_recorded_trades_raise_no_false_alarm(recorded, real_data: Path) -> None:  # type: ignore[no-untyped-def]
    watched = Watched().over(recorded(real_data))
    assert watched.seconds > 300
    assert watched.alarms == 0


@pytest.mark.parametrize("share", [0.2, 0.05])
def test_a_real_month_of_a_quiet_coin_raises_at_most_one_false_alarm_a_day(share: float, real_data: Path) -> None:
    chance = random.Random(20260201)
    delays = [received - time for time, received in btc(real_data)]
    times = (time for time in month(real_data, "ALGOUSDT", chance) if chance.random() < share)
    watched = Watched().over(delayed(times, delays, chance))
    assert watched.days > 27
    assert watched.alarms <= watched.days
    # A question costs one of 2,400 a minute; what is asked must leave room for hundreds of streams.
    assert watched.questions < 1_500 * watched.days


@pytest.mark.parametrize("rate", [0.01, 0.2, 1.0])
def test_a_quiet_synthetic_stream_raises_at_most_one_false_alarm_a_day(rate: float) -> None:
    chance = random.Random(3)
    times, now = [], 0.0
    while now < 5 * DAY:
        now += chance.expovariate(rate) * SECOND
        times.append(int(now))
    watched = Watched().over(delayed(times, [number * MS for number in range(4, 155)], chance))
    assert watched.days > 4.9
    assert watched.alarms <= watched.days
