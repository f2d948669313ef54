"""What a connection must notice where a venue numbers frames, sends heartbeats, names what it acknowledges."""

from collections.abc import Sequence

from gapless.model import SECOND
from gapless.protocol.phases import Subscribed
from gapless.protocol.session import Probe, Renew, Replace, Send, Session, Watch
from gapless.venues.spec import Control, Stream

T0 = 1_000 * SECOND
BTC, ETH = (Stream(f"trades:{symbol}", f"venue:{symbol}", "trade", "all") for symbol in ("BTC", "ETH"))
BOOK = Stream("book:BTC", "venue:BTC", "depth", "all")
BEATS = Stream("beats", "", "heartbeat", "all")


def live(*streams: Stream) -> Session:
    one = Session(
        streams, subscribe=lambda names, request: [f"+{','.join(names)}"],
        unsubscribe=lambda names, request: [f"-{','.join(names)}"], watch=Watch(),
    )  # fmt: skip
    one.opened(T0)
    one.replied([Control(None, None, tuple(stream.name for stream in streams))], T0)
    for stream in streams:
        one.delivered(stream.name, 1, T0)
    return one


def texts(actions: Sequence[object]) -> list[str]:
    return [action.text for action in actions if isinstance(action, Send)]


def test_a_frame_lost_on_a_connection_puts_every_stream_on_it_in_doubt_one_question_a_tick() -> None:
    one = live(BTC, ETH, BOOK, BEATS)
    assert one.counted([0, 1, 2]) == 0
    assert one.counted([3, 6, 7]) == 2
    asked = [action for at in range(4) for action in one.ticked(T0 + at)]
    assert sorted(action.stream.name for action in asked if isinstance(action, Probe)) == [BTC.name, ETH.name]
    assert [action for action in asked if isinstance(action, Renew)] == [Renew(BOOK)]


def test_frames_that_only_come_in_another_order_are_no_loss_twice_over() -> None:
    one = live(BTC)
    assert one.counted([5, 7, 6, 8]) == 1  # what is late may be lost: it is asked about once
    assert one.counted([9, 9, 10]) == 0


def test_a_new_socket_counts_its_frames_anew() -> None:
    one, other = live(BTC), live(BTC)
    one.counted([0, 1, 2])
    assert other.counted([0]) == 0


def test_heartbeats_that_fail_to_come_are_subscribed_anew_and_then_cost_the_connection() -> None:
    one = live(BTC, BEATS)
    at = T0 + 5 * SECOND
    one.delivered(BTC.name, 1, at)
    assert one.ticked(at) == []
    at += SECOND
    one.delivered(BTC.name, 1, at)
    one.ticked(at)
    assert texts(one.ticked(at) + one.ticked(at)) == ["-beats", "+beats"]
    one.replied([Control(None, None, ("beats",))], at)
    at += 6 * SECOND
    one.delivered(BTC.name, 1, at)
    assert [type(action) for action in one.ticked(at)] == [Replace]


def test_an_acknowledgement_that_lists_everything_confirms_only_what_was_asked_for() -> None:
    one = Session([BTC, ETH], subscribe=lambda n, r: [""], unsubscribe=lambda n, r: [""], watch=Watch())
    one.opened(T0)
    assert one.replied([Control(None, None, (BTC.name, "somebody:else"))], T0) == []
    phases = {name: subscription.phase for name, subscription in one.subscriptions.items()}
    assert phases == {BTC.name: Subscribed.CONFIRMED, ETH.name: Subscribed.PENDING}


def test_a_product_that_is_refused_leaves_the_others_running() -> None:
    one = Session([BTC, ETH], subscribe=lambda n, r: [""], unsubscribe=lambda n, r: [""], watch=Watch())
    one.opened(T0)
    rejected = one.replied([Control(None, "ETH is no product", (ETH.name, "ticker:ETH"))], T0)
    one.replied([Control(None, None, (BTC.name,))], T0)
    assert rejected == [ETH]
    assert one.subscriptions[BTC.name].phase is Subscribed.CONFIRMED


def test_an_instruction_that_takes_several_messages_is_sent_whole() -> None:
    one = Session(
        [BTC, ETH], subscribe=lambda names, request: [f"+{name}" for name in names], unsubscribe=lambda n, r: [],
        watch=Watch(),
    )  # fmt: skip
    assert texts(one.opened(T0)) == ["+trades:BTC", "+trades:ETH"]


def test_a_connection_that_has_taken_its_messages_of_an_hour_is_replaced_and_sends_none_more() -> None:
    one = Session(
        [BOOK], subscribe=lambda names, request: [f"+{','.join(names)}"],
        unsubscribe=lambda names, request: [f"-{','.join(names)}"], watch=Watch(messages_per_hour=5),
    )  # fmt: skip
    one.opened(T0)
    sent = 1
    for at in range(T0, T0 + 10 * SECOND, SECOND):
        one.replied([Control(None, None, (BOOK.name,))], at)
        one.delivered(BOOK.name, 1, at)
        one.renew(BOOK.name, at)
        actions = one.ticked(at) + one.ticked(at)
        sent += len(texts(actions))
        if any(isinstance(action, Replace) for action in actions):
            break
    assert sent == 5
    one.stays()
    assert texts(one.ticked(T0 + 3_599 * SECOND)) == []
    one.stays()
    assert texts(one.ticked(T0 + 3_601 * SECOND)) == ["-book:BTC"]
