"""A venue that pushes no bars: minutes are folded from trades, quiet ones are told apart from lost ones, and REST is
asked for what lies before, and for no more."""

import pytest
from manual import EPOCH
from tiny_coinbase import Product, Studio

from gapless.errors import Unavailable
from gapless.model import DAY, HOUR, MINUTE, SECOND, Evidence, Origin, Proof, State

STEADY = [EPOCH - HOUR + 20 * SECOND * k for k in range(1, 2_000)]  # a trade every 20 s, before and after the start


def minutes(studio: Studio, proof: Proof, state: State = State.TRADED) -> list[int]:
    return [at for at, one in studio.candles().items() if one.proof is proof and one.state is state]


@pytest.mark.parametrize("name", ["coinbase", "coinbase-advanced"])
def test_bars_are_asked_for_up_to_the_minute_in_which_trades_began_and_not_after(name):
    studio = Studio(Product(STEADY), name=name, history="20m")

    async def play() -> None:
        await studio.on(300)
        asked = len(studio.asked("candles"))
        await studio.on(300)
        assert len(studio.asked("candles")) == asked <= 3

    studio.run(play)
    held = studio.candles()
    assert set(range(-20, 9)) <= held.keys()
    assert all(held[at].proof is Proof.PROVEN for at in range(2, 9))
    assert [held[at].origin for at in (-20, -10, 5)] == [Origin.VENUE, Origin.VENUE, Origin.TAPE]
    assert studio.collector.holes() == []
    if name == "coinbase":
        assert min(studio.held()) == studio.product.shown() - 30  # the newest trade that there was at the start


def test_a_first_trade_of_hours_ago_makes_no_hours_that_nobody_asked_for():
    times = [EPOCH - 5 * HOUR, *(EPOCH + 100 * SECOND + MINUTE * k for k in range(10))]
    studio = Studio(Product(times), history="30m")

    async def play() -> None:
        await studio.on(90)
        assert studio.collector.pipeline.clock.now(studio.clock.mono) >= EPOCH + 80 * SECOND
        assert studio.collector.holes() == []
        await studio.on(200)

    studio.run(play)
    held = studio.candles()
    assert studio.asked("candles") == []  # the heartbeats have told that all of it was empty
    assert [held[at].state for at in (-30, -1, 0, 1)] == [State.EMPTY, State.EMPTY, State.EMPTY, State.TRADED]
    assert {held[at].close for at in range(-30, 1)} == {100_01}
    assert held[1].proof is Proof.PROVEN  # the old trade shows that nothing came between


def test_a_quiet_minute_is_empty_as_soon_as_a_heartbeat_says_so_and_proven_by_the_next_trade():
    times = [EPOCH - MINUTE, EPOCH + 10 * SECOND, EPOCH + 6 * MINUTE + SECOND]
    studio = Studio(Product(times), history="5m")

    async def play() -> None:
        await studio.on(5 * 60 + 2)
        held = studio.candles()
        assert [(held[at].state, held[at].proof) for at in (1, 2, 3, 4)] == [(State.EMPTY, Proof.OFFICIAL)] * 4
        (span,) = [s for s in studio.store.all_spans(studio.tape("bars").id) if s.last == EPOCH // MINUTE + 4]
        assert span.evidence is Evidence.ALIVE
        await studio.on(90)

    studio.run(play)
    held = studio.candles()
    assert [(held[at].state, held[at].proof, held[at].revision) for at in (1, 2, 3, 4, 5)] == (
        [(State.EMPTY, Proof.PROVEN, 1)] * 5
    )
    assert {held[at].close for at in (1, 5)} == {100_02}


def test_a_heartbeat_that_names_a_trade_which_did_not_come_makes_no_minute_empty():
    times = [EPOCH - MINUTE, EPOCH + 10 * SECOND, EPOCH + 70 * SECOND, EPOCH + 200 * SECOND]
    studio = Studio(Product(times), history="5m")
    seen = set()

    async def play() -> None:
        await studio.on(5)
        studio.http.answer = lambda asked: Unavailable("nothing can be asked")
        for _ in range(35):
            await studio.on(5, lost=[3])
            seen.add(candle.state if (candle := studio.candles().get(1)) else None)
        studio.http.answer = studio.product.answer
        await studio.on(60, lost=[3])

    studio.run(play)
    assert seen <= {None, State.TRADED}
    assert studio.held() == [1, 2, 3, 4]
    assert studio.candles()[1].proof >= Proof.REPAIRED


def test_minutes_that_a_reply_leaves_out_are_empty_and_one_reply_without_any_bar_is_not_believed():
    times = [EPOCH - 4 * HOUR + MINUTE * k for k in (0, 3, 4)] + [EPOCH - 30 * MINUTE + MINUTE * k for k in (0, 5)]
    times += [EPOCH + 30 * SECOND * k for k in range(1, 30)]
    product = Product(times)
    product.blank = 2
    studio = Studio(product, name="coinbase-advanced", history="40m")

    async def play() -> None:
        await studio.on(3)
        assert minutes(studio, Proof.OFFICIAL, State.EMPTY) == []
        await studio.on(120)

    studio.run(play)
    held = studio.candles()
    assert len(studio.asked("candles")) >= 3
    assert [held[at].state for at in (-30, -29, -26, -25, -24, -1)] == [
        State.TRADED, State.EMPTY, State.EMPTY, State.TRADED, State.EMPTY, State.EMPTY,
    ]  # fmt: skip
    assert held[-29].close == held[-30].close == 100_04
    assert {held[at].proof for at in range(-30, 0)} <= {Proof.OFFICIAL, Proof.PROVEN}
    assert studio.collector.holes() == []
    assert studio.store.gaps(studio.tape("bars").id, "permanent") == []


def test_after_a_stop_bars_are_asked_for_of_the_time_that_nobody_listened_and_of_no_more():
    product = Product(STEADY)
    studio = Studio(product, history="20m")
    studio.run(lambda: studio.on(10 * 60))
    product.now += 30 * MINUTE
    again = Studio(product, store=studio.store, history="20m")
    again.run(lambda: again.on(5 * 60))
    spans = [(int(a.query["start"]) * SECOND - EPOCH) // MINUTE for a in again.asked("candles")]
    assert min(spans) >= 9
    assert sorted(again.candles()) == list(range(-20, 45))
    assert again.held() == list(range(min(again.held()), product.shown() + 1))
    assert again.collector.holes() == []


def test_an_outage_wants_bars_of_the_outage_alone_and_before_all_the_rest():
    studio = Studio(Product(STEADY), history="5m")

    async def play() -> None:
        await studio.on(10 * 60)
        before = len(studio.http.asked)
        studio.sockets.refuse = 10**9
        studio.broken()
        await studio.on(4 * 60)
        asked = [a for a in studio.http.asked[before:] if a.path == "candles"]
        assert {(int(a.query["start"]) * SECOND - EPOCH) // MINUTE for a in asked} <= set(range(8, 14))
        assert [studio.candles()[at].polled for at in (10, 11, 12)] == [True] * 3
        studio.sockets.refuse = 0
        await studio.on(3 * 60)
        quiet = len(studio.asked("candles"))
        await studio.on(3 * 60)
        assert len(studio.asked("candles")) == quiet

    studio.run(play)
    assert {studio.candles()[at].proof for at in range(9, 18)} <= {Proof.PROVEN, Proof.REPAIRED}
    assert studio.collector.holes() == []


def test_a_run_that_finds_nothing_new_goes_on_where_the_last_one_stopped():
    product = Product([EPOCH - 10 * MINUTE, EPOCH - MINUTE, EPOCH + 20 * MINUTE])
    studio = Studio(product, history="5m")
    studio.run(lambda: studio.on(2 * 60))
    product.now += 5 * MINUTE
    again = Studio(product, store=studio.store, history="5m")

    async def play() -> None:
        await again.on(60)
        track = again.collector.pipeline.lines[again.id].trades
        assert track is not None
        assert (track.newest, track.joined) == (2, True)
        assert again.asked("ticker") == []  # heartbeats agree: nobody needs to be asked
        await again.on(14 * 60)

    again.run(play)
    assert again.store.wanted(again.tape().id) == [(2, 3)]
    assert again.collector.holes() == []


def test_the_first_trades_of_a_fresh_tape_reach_back_no_further_than_history():
    times = [EPOCH - DAY + 20 * MINUTE * k for k in range(70)]
    times += [EPOCH + MINUTE * k for k in range(1, 5)]
    studio = Studio(Product(times), name="coinbase-advanced", history="120m")
    studio.run(lambda: studio.on(200))
    assert min(studio.candles()) >= -180
    assert 10 > len([number for number in studio.held() if times[number - 1] < EPOCH]) > 1


def test_what_the_stream_of_states_calls_offline_is_ended_once_all_of_it_is_held():
    product = Product([EPOCH - MINUTE, *(EPOCH + 10 * SECOND * k for k in range(1, 30))])
    studio = Studio(product, history="5m")

    async def play() -> None:
        await studio.on(300, lost=[30])
        product.status = "delisted"
        (socket,) = studio.standing()
        socket.say({"type": "status", "products": [{"id": "A-USD", "status": "delisted"}], "currencies": []})
        await studio.on(60)
        assert studio.collector.pipeline.lines == {}

    studio.run(play)
    assert studio.held() == list(range(1, 31))
    assert "delisted" in [name for name, _ in studio.notes]
