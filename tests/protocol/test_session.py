"""A connection's subscriptions without a socket: what is sent, what is believed, what is found silent."""

import json
import random
from collections.abc import Sequence

import pytest

from gapless.model import MS, SECOND
from gapless.protocol.phases import CONNECTION, SUBSCRIPTION, Phase, Subscribed
from gapless.protocol.session import Probe, Replace, Send, Session, Subscription, Watch
from gapless.venues.spec import Control, Stream

BTC = "binance:BTCUSDT"
TRADES = Stream("btcusdt@aggTrade", BTC, "agg", "market")
BARS = Stream("btcusdt@kline_1m", BTC, "bars", "market")
QUOTE = Stream("btcusdt@bookTicker", BTC, "quote", "public")
WATCH = Watch()
T0 = 1_000 * SECOND


def write(method: str, names: Sequence[str], request: int) -> str:
    return json.dumps([method, *names, request])


def session(*streams: Stream, flowed: dict[str, int] | None = None, watch: Watch = WATCH) -> Session:
    return Session(
        streams,
        subscribe=lambda names, request: [write("SUBSCRIBE", names, request)],
        unsubscribe=lambda names, request: [write("UNSUBSCRIBE", names, request)],
        watch=watch,
        flowed=lambda instrument: (flowed or {}).get(instrument, 0),
    )


def sent(actions: Sequence[object]) -> list[list[object]]:
    return [json.loads(action.text) for action in actions if isinstance(action, Send)]


def live(*streams: Stream, flowed: dict[str, int] | None = None) -> Session:
    """A session whose streams were acknowledged at T0 and spoke once, at T0."""
    one = session(*streams, flowed=flowed)
    for request, _ in enumerate(one.opened(T0), 1):
        assert one.replied([Control(request, None)], T0) == []
    for stream in streams:
        one.delivered(stream.name, 1, T0)
    return one


def names(count: int) -> list[Stream]:
    return [Stream(f"s{number}@aggTrade", f"binance:S{number}", "agg", "market") for number in range(count)]


@pytest.mark.parametrize("before", list(Subscribed))
@pytest.mark.parametrize("after", list(Subscribed))
def test_a_subscription_goes_only_where_the_table_allows(before: Subscribed, after: Subscribed) -> None:
    one = Subscription(TRADES, phase=before)
    if after in SUBSCRIPTION[before]:
        one.moves(after, T0)
        assert (one.phase, one.since) == (after, T0)
    else:
        with pytest.raises(AssertionError, match="may not go"):
            one.moves(after, T0)
        assert one.phase is before


def test_a_closed_connection_is_never_opened_again() -> None:
    one = session(TRADES)
    one.opened(T0)
    one.closed()
    one.closed()  # to learn it twice is no mistake
    assert one.phase is Phase.CLOSED
    assert CONNECTION[Phase.CLOSED] == frozenset()
    with pytest.raises(AssertionError):
        one.opened(T0)


def test_a_connection_that_broke_before_it_stood_can_be_given_up() -> None:
    one = session(TRADES)
    one.closed()
    assert one.phase is Phase.CLOSED


def test_all_streams_are_asked_for_in_as_few_messages_as_can_be() -> None:
    streams = names(250)
    one = session(*streams)
    messages = sent(one.opened(T0))
    assert [len(message) - 2 for message in messages] == [100, 100, 50]
    assert [name for message in messages for name in message[1:-1]] == [stream.name for stream in streams]
    assert [message[-1] for message in messages] == [1, 2, 3]


def test_an_acknowledgement_alone_makes_no_stream_live() -> None:
    one = session(TRADES, BARS)
    one.opened(T0)
    assert one.replied([Control(1, None)], T0 + 1) == []
    assert [s.phase for s in one.subscriptions.values()] == [Subscribed.CONFIRMED] * 2
    one.delivered(TRADES.name, 3, T0 + 2)
    assert one.subscriptions[TRADES.name].phase is Subscribed.LIVE
    assert one.subscriptions[TRADES.name].events == 3
    assert one.subscriptions[BARS.name].phase is Subscribed.CONFIRMED


def test_data_that_overtakes_the_acknowledgement_is_believed() -> None:
    one = session(TRADES)
    one.opened(T0)
    one.delivered(TRADES.name, 1, T0 + 1)
    assert one.subscriptions[TRADES.name].phase is Subscribed.LIVE
    assert one.replied([Control(1, None)], T0 + 2) == []
    assert one.subscriptions[TRADES.name].phase is Subscribed.LIVE


def test_a_reply_that_nobody_asked_for_changes_nothing() -> None:
    one = session(TRADES)
    one.opened(T0)
    assert one.replied([Control(7, "bad"), Control(None, None), Control(7, None)], T0) == []
    assert one.subscriptions[TRADES.name].phase is Subscribed.PENDING
    one.delivered("nobody@aggTrade", 1, T0)


def test_a_stream_that_the_venue_refuses_is_named_with_its_reason() -> None:
    one = session(TRADES)
    one.opened(T0)
    assert one.replied([Control(1, "Invalid symbol (2)")], T0) == [TRADES]
    refused = one.subscriptions[TRADES.name]
    assert (refused.phase, refused.reason) == (Subscribed.REJECTED, "Invalid symbol (2)")
    one.delivered(TRADES.name, 1, T0 + 1)
    assert refused.phase is Subscribed.REJECTED
    assert one.ticked(T0 + 3_600 * SECOND) == []
    assert one.silent(TRADES.name, T0 + SECOND) == []


def test_one_name_that_the_venue_refuses_does_not_take_the_others_of_its_message_with_it() -> None:
    streams = names(7)
    bad = streams[4]
    one = session(*streams)
    pending = {message[-1]: message[1:-1] for message in sent(one.opened(T0))}
    rejected: list[Stream] = []
    now = T0
    for _ in range(20):
        replies = [Control(int(str(number)), "no" if bad.name in asked else None) for number, asked in pending.items()]
        rejected += one.replied(replies, now)
        now += SECOND // 4
        messages = sent(one.ticked(now))
        assert len(messages) <= 1  # the venue counts messages a second
        pending = {message[-1]: message[1:-1] for message in messages}
    assert rejected == [bad]
    phases = {name: s.phase for name, s in one.subscriptions.items()}
    assert phases.pop(bad.name) is Subscribed.REJECTED
    assert set(phases.values()) == {Subscribed.CONFIRMED}


def test_a_connection_whose_acknowledgement_is_missing_is_left() -> None:
    one = session(TRADES)
    one.opened(T0)
    assert one.ticked(T0 + WATCH.acknowledgement) == []
    assert one.ticked(T0 + WATCH.acknowledgement + 1) == [Replace("a subscription was not acknowledged")]
    assert one.phase is Phase.LEAVING
    assert one.ticked(T0 + 2 * WATCH.acknowledgement) == []
    one.closed()


def test_trades_that_were_acknowledged_and_never_came_are_asked_about() -> None:
    one = session(TRADES)
    one.opened(T0)
    one.replied([Control(1, None)], T0)
    assert one.ticked(T0 + WATCH.first_data) == []
    assert one.ticked(T0 + WATCH.first_data + 1) == [Probe(TRADES)]
    assert one.ticked(T0 + WATCH.first_data + 2) == []  # asked once, not with every tick


def test_a_stream_is_borne_in_proportion_to_how_often_it_speaks() -> None:
    one = live(TRADES)
    for number in range(1, 60):
        one.delivered(TRADES.name, 1, T0 + number * 400 * MS)
    last = T0 + 59 * 400 * MS
    limit = one.limit(one.subscriptions[TRADES.name])
    assert limit == pytest.approx(WATCH.idle_factor * 400 * MS, rel=0.02)
    assert one.ticked(last + limit) == []
    assert one.ticked(last + limit + MS) == [Probe(TRADES)]


def test_a_quiet_stream_is_asked_about_ever_more_seldom_and_never_less_than_once_a_minute() -> None:
    one = live(TRADES)
    now, waits = T0, []
    for _ in range(8):
        asked = now
        while one.ticked(now) == []:
            now += MS * 50
        one.quiet(TRADES.name)
        waits.append((now - asked) // SECOND)
    assert waits == [1, 3, 6, 12, 24, 48, 60, 60]
    one.delivered(TRADES.name, 1, now)
    assert one.subscriptions[TRADES.name].patience == 0


def test_a_silent_stream_is_subscribed_anew_and_then_its_connection_is_left() -> None:
    one = live(TRADES)
    now = T0 + 4 * SECOND
    assert one.ticked(now) == [Probe(TRADES)]
    assert one.silent(TRADES.name, now) == []  # one message a tick
    assert sent(one.ticked(now)) == [["UNSUBSCRIBE", TRADES.name, 2]]
    assert sent(one.ticked(now + 1)) == [["SUBSCRIBE", TRADES.name, 3]]
    assert one.silent(TRADES.name, now + 2) == []  # a second answer about the same silence
    one.replied([Control(2, None), Control(3, None)], now + 3)
    assert one.ticked(now + WATCH.first_data + 10) == [Probe(TRADES)]
    assert one.silent(TRADES.name, now + WATCH.first_data + 11) == [
        Replace("btcusdt@aggTrade is acknowledged and silent")
    ]
    assert one.silent(TRADES.name, now + WATCH.first_data + 12) == []


def test_a_stream_that_speaks_again_after_it_was_subscribed_anew_is_forgiven() -> None:
    one = live(TRADES)
    now = T0 + 4 * SECOND
    one.silent(TRADES.name, now)
    one.ticked(now)
    one.ticked(now)
    one.replied([Control(3, None)], now)
    one.delivered(TRADES.name, 1, now + SECOND)
    assert one.subscriptions[TRADES.name].silences == 0
    one.silent(TRADES.name, now + 9 * SECOND)
    assert sent(one.ticked(now + 9 * SECOND)) == [["UNSUBSCRIBE", TRADES.name, 4]]


@pytest.mark.parametrize("follower", [BARS, QUOTE])
def test_bars_and_quotes_are_found_silent_by_the_trades_that_go_on_without_them(follower: Stream) -> None:
    flowed = {BTC: T0}
    one = live(follower, flowed=flowed)
    now = T0 + 10 * WATCH.follower_idle
    assert one.ticked(now) == []  # nothing traded either
    flowed[BTC] = now
    assert one.ticked(now) == []  # it has only just been traded
    flowed[BTC] = now + WATCH.follower_idle
    assert one.ticked(now + WATCH.follower_idle + 1) == []
    assert sent(one.ticked(now + WATCH.follower_idle + 2)) == [["UNSUBSCRIBE", follower.name, 2]]
    assert sent(one.ticked(now + WATCH.follower_idle + 3)) == [["SUBSCRIBE", follower.name, 3]]


def test_bars_of_a_coin_that_trades_once_a_minute_are_not_called_silent_at_every_trade() -> None:
    flowed: dict[str, int] = {}
    one = live(BARS, flowed=flowed)
    for minute in range(1, 60):
        traded = T0 + minute * 70 * SECOND
        for tick in range(0, 70, 5):
            assert one.ticked(traded - (70 - tick) * SECOND + MS) == []
        flowed[BTC] = traded
        assert one.ticked(traded) == []
        one.delivered(BARS.name, 1, traded + 300 * MS)
        flowed[BTC] = traded + 400 * MS  # an aggregate comes after the bar that holds it already


def test_many_silent_streams_do_not_flood_the_venue_with_messages() -> None:
    streams = [Stream(f"s{n}@kline_1m", f"binance:S{n}", "bars", "market") for n in range(50)]
    flowed = {stream.instrument: T0 + 3 * SECOND for stream in streams}
    one = live(*streams, QUOTE, flowed=flowed)
    said: list[list[object]] = []
    for tick in range(1, 400):
        now = T0 + tick * 250 * MS
        one.delivered(QUOTE.name, 1, now)
        messages = sent(one.ticked(now))
        assert len(messages) <= 1
        said += messages
        one.replied([Control(int(str(message[-1])), None) for message in messages], now)
        for message in messages:
            if message[0] == "SUBSCRIBE":
                one.delivered(str(message[1]), 1, now)
    assert sorted(str(name) for method, name, _ in said if method == "SUBSCRIBE") == sorted(s.name for s in streams)
    assert len(said) == 100


def test_a_route_that_is_silent_as_a_whole_is_left_at_once_and_not_stream_by_stream() -> None:
    streams = names(40)
    one = live(*streams)
    now = T0 + 2 * SECOND
    actions = one.ticked(now)
    assert len(actions) == 1  # one question tells of all
    assert one.silent(actions[0].stream.name, now) == [Replace("nothing comes any more")]  # type: ignore[union-attr]
    assert one.ticked(now + SECOND) == []
    one.stays()  # no successor could be opened
    assert one.ticked(now + SECOND)


def test_trades_that_stop_while_their_bars_name_newer_ones_are_asked_about_before_their_own_rate_would_tell() -> None:
    told: dict[str, int] = {}
    one = Session(
        [TRADES], subscribe=lambda names, request: [""], unsubscribe=lambda names, request: [""], watch=WATCH,
        told=lambda instrument: told.get(instrument, 0),
    )  # fmt: skip
    one.opened(T0)
    one.replied([Control(1, None)], T0)
    for number in range(20):
        one.delivered(TRADES.name, 1, T0 + number * 5 * SECOND)
    last = T0 + 95 * SECOND
    told[BTC] = last + SECOND
    assert one.ticked(last + 2 * SECOND) == []  # they may still come
    assert one.ticked(last + 2 * SECOND + 1) == [Probe(TRADES)]
    assert one.ticked(last + 3 * SECOND) == []


def test_a_quiet_stream_costs_no_question_while_its_bars_and_tickers_name_nothing_newer() -> None:
    agreed = {BTC: T0}
    one = Session(
        [TRADES], subscribe=lambda names, request: [""], unsubscribe=lambda names, request: [""], watch=WATCH,
        agreed=lambda instrument: agreed[instrument],
    )  # fmt: skip
    one.opened(T0)
    one.replied([Control(1, None)], T0)
    one.delivered(TRADES.name, 1, T0)
    for second in range(1, 600):
        agreed[BTC] = T0 + second * SECOND
        assert one.ticked(T0 + second * SECOND + MS) == []
    assert one.ticked(T0 + 610 * SECOND) == [Probe(TRADES)]  # they are silent too


@pytest.mark.parametrize(("rate", "within"), [(10.0, 3.0), (1.0, 10.0)])
def test_silence_is_suspected_in_time_at_the_rates_that_are_promised(rate: float, within: float) -> None:
    chance = random.Random(7)
    one = live(TRADES)
    now = float(T0)
    while now < T0 + 300 * SECOND:
        now += chance.expovariate(rate) * SECOND
        one.delivered(TRADES.name, 1, int(now))
        one.subscriptions[TRADES.name].asked = 0
    late = 750 * MS  # what the watchdog still waits for the stream, once the venue has said that it is ahead
    tick = 250 * MS
    assert one.limit(one.subscriptions[TRADES.name]) + late + tick < within * SECOND


def test_two_reasons_to_leave_a_connection_are_one_leave() -> None:
    late = Stream("late@aggTrade", "binance:LATE", "agg", "market")
    now = T0 + WATCH.follower_idle + SECOND
    one = live(BARS, late, QUOTE, flowed={BTC: now})
    one.delivered(QUOTE.name, 1, now)
    one.silent(BARS.name, now)
    one.ticked(now)
    one.ticked(now)
    one.replied([Control(4, None)], now)
    one.silent(late.name, now)
    one.ticked(now)
    one.ticked(now)
    far = now + 30 * SECOND
    assert one.ticked(far) == [Replace("a subscription was not acknowledged")]
    assert one.ticked(far) == []
