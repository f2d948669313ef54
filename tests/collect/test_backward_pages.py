"""Pages that go backwards from an id: what they vouch for, and that a page of other ids is turned away."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manual import ManualClock
from swaps import OKX, SWAP

from gapless.budget.priority import Priority
from gapless.collect.sources import Ask, Sources, Wrong
from gapless.model import Tape

HOSTS = OKX.hosts("live", None)
NEWEST = 400


def page(ids) -> bytes:
    rows = [
        {"instId": SWAP.symbol, "tradeId": str(i), "px": "2", "sz": "1", "side": "buy", "ts": str(i * 10)}
        for i in sorted(ids, reverse=True)
    ]
    return json.dumps({"code": "0", "msg": "", "data": rows}).encode()


def found(tape: Tape, first: int, last: int, *, newest: int = NEWEST, moved: int = 0, without: int = 0):
    """Ask for ids of a venue that knows up to `newest`, serves the page `moved` by so many ids, and leaves one out."""

    async def get(request, **options) -> bytes:
        query = dict(part.split("=") for part in request.url.partition("?")[2].split("&"))
        end = min(int(query["after"]) + moved, newest + 1)
        return page(set(range(max(end - int(query["limit"]), 1), end)) - {without})

    rest = SimpleNamespace(get=get, keyed=False)
    sources = Sources(OKX, HOSTS, rest, None, ManualClock(), now=lambda: 0)  # type: ignore[arg-type]
    ask = Ask(tape=tape, first=first, last=last, joint=first)
    return asyncio.run(sources.rest_trades(ask, Priority.TRADES))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 420), st.integers(0, 99), st.integers(1, NEWEST), st.sampled_from(["trade", "span"]))
def test_what_a_page_shows_from_the_id_asked_for_is_vouched_for_and_nothing_else(first, more, newest, kind):
    last = first + more
    told = found(SWAP.scale(kind), first, last, newest=newest)
    shown = list(range(first, min(last, newest) + 1))
    assert [row.seq for row in told.trades] == shown
    assert told.vouched == ([(shown[0], shown[-1])] if shown else [])
    assert told.lacks == []


def test_a_page_behind_the_one_asked_for_is_wrong_and_one_before_it_brings_nothing():
    tape = SWAP.scale("trade")
    with pytest.raises(Wrong, match="asked up to id 120 it ends with id 150"):
        found(tape, 101, 120, moved=30)
    assert found(tape, 101, 120, moved=-30).vouched == []


def test_an_id_that_is_left_out_is_named():
    told = found(SWAP.scale("trade"), 101, 120, without=110)
    assert (told.lacks, told.vouched) == ([(110, 110)], [(101, 109), (111, 120)])
