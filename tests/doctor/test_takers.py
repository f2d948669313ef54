"""What a doctor says of rows that stand for several executions, and of bars that tell no counts."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from swaps import OKX, SWAP, T0, Swap, by_minute, candle, market

from gapless.collect.settings import VenueSettings
from gapless.config import Settings
from gapless.doctor.collecting import Minutes, compared
from gapless.doctor.ids import continuity, joined
from gapless.doctor.listening import Ear
from gapless.model import MINUTE, MS

HOSTS = OKX.hosts("live", None)
TAKERS = market(45)
EXECUTIONS = [one for fills in TAKERS for one in fills]


def asking(executions, bars=()):
    """A venue that answers with what it has of trades, or of bars, newest first."""

    async def get(request):
        query = dict(part.split("=") for part in request.url.partition("?")[2].split("&"))
        if "history-trades" in request.url:
            rows = [one.row for one in reversed(executions) if one.id < int(query["after"])][: int(query["limit"])]
        else:
            rows = [row for row in reversed(bars) if int(query["before"]) < int(row[0]) < int(query["after"])]
        return json.dumps({"code": "0", "msg": "", "data": rows}).encode()

    async def sleep(ns):
        pass

    return SimpleNamespace(venue=OKX, get=get, clock=SimpleNamespace(sleep=sleep))


def heard(takers, kind: str) -> Ear:
    swap = Swap(kind)
    swap.takers(takers)
    swap.commit()
    ear = Ear(OKX.streams.stream(SWAP, kind), swap.tape, 0)
    ear.trades = swap.store.trades(swap.tape.id, 0, 2**62)
    return ear


@pytest.mark.parametrize("kind", ["trade", "span"])
def test_rows_of_takers_join_the_single_executions_of_history_and_a_wrong_one_is_named(kind):
    ear = heard(TAKERS, kind)
    found = asyncio.run(joined(asking(EXECUTIONS), HOSTS, [ear]))
    assert (found.verdict, found.figures[f"{SWAP.id} {kind}"]["compared"] > 30) == ("ok", True)
    assert continuity([ear], OKX.limits.consecutive).verdict == "ok"
    wrong = [one if one.id != EXECUTIONS[-5].id else type(one)(one.id, one.ms, one.px, "9", one.side)
             for one in EXECUTIONS]  # fmt: skip
    assert asyncio.run(joined(asking(wrong), HOSTS, [ear])).verdict == "differs"
    ear = heard([*TAKERS[:20], *TAKERS[22:]], kind)
    lost = sum(map(len, TAKERS[20:22]))
    said = continuity([ear], OKX.limits.consecutive)
    assert (said.verdict, f"misses {lost} of {len(EXECUTIONS)} ids" in said.sentence) == ("differs", True)
    assert asyncio.run(joined(asking(EXECUTIONS), HOSTS, [ear])).verdict == "differs"


def test_bars_without_counts_are_compared_with_the_bar_and_the_fold_that_are_held(tmp_path):
    whole = range(1, max(by_minute(EXECUTIONS)))
    bars = [candle(EXECUTIONS, minute) for minute in whole]
    swap = Swap("span", str(tmp_path / "doctor.db"))
    swap.takers(TAKERS)
    swap.hear("candle1m", bars)
    swap.commit()
    swap.close_due()
    swap.store.close()
    start = T0 * MS + MINUTE
    done = Minutes(str(tmp_path / "doctor.db"), start, start + len(whole) * MINUTE, settled=True)
    settings = Settings(venues={"okx": VenueSettings(environment="live")})
    for wrong in (False, True):
        if wrong:
            bars[2][5] = "1"
        _, said = asyncio.run(compared(asking(EXECUTIONS, bars), HOSTS, settings, done))
        equal = len(whole) - wrong
        figures = [said.figures[name] for name in ("minutes", "bars_equal", "folds_equal", "folds_counted")]
        assert (said.verdict, figures) == ("differs" if wrong else "ok", [len(whole), equal, equal, 0])
