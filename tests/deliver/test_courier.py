"""Each receiver is given every signal once and in order, whatever fails, stops or is killed between."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manual import settled
from post_office import FAILED, REFUSED, Hand, Office, body_of

from gapless.deliver import courier
from gapless.deliver.plan import DELIVERED, Outcome, outcome_of, pause
from gapless.model import HOUR, MINUTE, SECOND
from gapless.model.signal import SignalFilter
from gapless.query.feed import Cursor, events_of, parse_stream, step_after
from gapless.query.market import Market


def played(scene: Callable[[Office], Awaitable[None]]) -> None:
    async def play() -> None:
        await scene(Office())

    asyncio.run(asyncio.wait_for(play(), 30))


def test_signals_come_once_in_order_in_the_shape_of_the_stream():
    async def scene(office: Office) -> None:
        hand = Hand()
        async with office.deliveries(hand) as deliveries:
            await settled()
            names = office.signal(3)
            await settled()
            names += office.signal()
            await settled()
            assert hand.taken == names
            row = deliveries.rows()[0]
            assert (row["delivered"], row["failed"], row["pending"], row["last_error"]) == (4, 0, 0, None)
        step = step_after(office.store, Cursor(0, 0))
        events = list(events_of(office.store, step, parse_stream("signals", Market(office.store))))
        assert [body_of(letter) for letter in hand.tries] == [
            {"type": e.type, "id": name, "late": e.late, "data": e.data} for e, name in zip(events, names, strict=True)
        ]

    played(scene)


def test_a_long_backlog_is_read_in_parts_that_lose_and_double_nothing(monkeypatch):
    monkeypatch.setattr(courier, "_MOST", 3)

    async def scene(office: Office) -> None:
        hand = Hand()
        async with office.deliveries(hand):
            await settled()
            for count in range(1, 12):
                del hand.taken[:]
                names = office.signal(count)
                for _ in range(5):
                    await settled()
                assert hand.taken == names

    played(scene)


def test_a_new_receiver_begins_now_and_is_remembered_from_then_on():
    async def scene(office: Office) -> None:
        office.signal(2)
        first, second = Hand(), Hand()
        async with office.deliveries(first):
            await settled()
        names = office.signal(2)
        async with office.deliveries(second):
            await settled()
        assert (first.taken, second.taken) == ([], names)

    played(scene)


def test_a_receiver_that_fails_keeps_its_order_and_holds_up_nobody():
    async def scene(office: Office) -> None:
        bad, good = Hand("http://bad/"), Hand()
        bad.answer = lambda: FAILED
        async with office.deliveries(bad, good) as deliveries:
            await settled()
            names = office.signal(3)
            await settled()
            assert (good.taken, bad.taken, len(bad.tries)) == (names, [], 2)  # the second try is at once
            await office.clock.pass_by(30 * MINUTE)
            assert {letter.id for letter in bad.tries} == {names[0]}
            assert deliveries.rows()[0] | {"last_delivered": None} == {
                "target": "http://bad/", "delivered": 0, "failed": 0, "pending": 3, "last_error": "HTTP 503",
                "last_delivered": None,
            }  # fmt: skip
            bad.answer = lambda: DELIVERED
            await office.clock.pass_by(MINUTE)
            assert bad.taken == names
            assert office.kinds() == ["delivery_failing", "delivery_resumed"]

    played(scene)


def test_retries_come_at_once_then_ever_later_but_within_a_minute():
    async def scene(office: Office) -> None:
        hand = Hand()
        at: list[int] = []
        hand.answer = lambda: at.append(office.clock.mono) or FAILED
        async with office.deliveries(hand):
            await settled()
            office.signal()
            await office.clock.pass_by(5 * MINUTE)
        waits = [(b - a) // SECOND for a, b in pairwise(at)]
        assert waits == [0, 2, 4, 8, 16, 32, 60, 60, 60]

    played(scene)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_pause_is_never_longer_than_a_minute_nor_shorter_than_half_of_what_is_planned(failures, chance):
    planned = pause(failures, 1.0)
    assert planned // 2 <= pause(failures, chance) <= planned <= MINUTE


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "delivered"), (204, "delivered"), (301, "refused"), (307, "refused"), (400, "refused"), (404, "refused"),
     (408, "failed"), (429, "failed"), (410, "refused"), (500, "failed"), (503, "failed")],
)  # fmt: skip
def test_only_what_may_pass_is_tried_again(status, state):
    assert outcome_of(status).state == state


def test_what_is_refused_is_named_and_the_next_goes_on():
    async def scene(office: Office) -> None:
        hand = Hand()
        async with office.deliveries(hand) as deliveries:
            await settled()
            hand.answer = lambda: REFUSED if len(hand.tries) == 1 else DELIVERED
            names = office.signal(2)
            await settled()
            assert ([letter.id for letter in hand.tries], hand.taken) == (names, names[1:])
            assert office.kept("delivery_refused") == [{"id": names[0], "reason": "HTTP 400"}]
            assert deliveries.rows()[0]["failed"] == 1

    played(scene)


def test_a_place_outlives_a_kill_and_only_what_was_under_way_can_come_again():
    async def scene(office: Office) -> None:
        hand, later = Hand(), Hand()
        never: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        hand.answer = lambda: DELIVERED if len(hand.tries) < 3 else never
        first = office.deliveries(hand)
        await first.__aenter__()
        await settled()
        names = office.signal(4)
        await settled()
        assert (hand.taken, len(hand.tries)) == (names[:2], 3)
        await office.killed(first)
        async with office.deliveries(later):
            await settled()
        assert later.taken == names[2:]

    played(scene)


def test_what_was_taken_but_not_yet_noted_comes_again_with_the_same_id():
    async def scene(office: Office) -> None:
        hand, later = Hand(), Hand()

        async def taken_and_dead() -> Outcome:
            office.broken = True
            return DELIVERED

        first = office.deliveries(hand)
        await first.__aenter__()
        await settled()
        hand.answer = taken_and_dead
        names = office.signal(2)
        await settled()
        await office.killed(first)
        async with office.deliveries(later):
            await settled()
        assert (hand.taken[0], later.taken) == (names[0], names)
        assert later.tries[0].body == hand.tries[0].body

    played(scene)


def test_what_waited_too_long_is_given_up_by_name_and_what_is_fresh_is_not():
    async def scene(office: Office) -> None:
        hand = Hand()
        hand.answer = lambda: FAILED
        async with office.deliveries(hand) as deliveries:
            await settled()
            office.signal(3)
            await office.clock.pass_by(50 * MINUTE)
            fresh = office.signal(2)
            await office.clock.pass_by(15 * MINUTE)
            assert office.kept("delivery_failed") == [{"skipped": 3, "reason": "HTTP 503"}]
            assert (deliveries.rows()[0]["failed"], deliveries.rows()[0]["pending"]) == (3, 2)
            hand.answer = lambda: DELIVERED
            await office.clock.pass_by(MINUTE)
            assert hand.taken == fresh

    played(scene)


def test_a_fault_of_ours_is_given_up_like_any_other():
    async def scene(office: Office) -> None:
        hand = Hand()

        async def faulty() -> Outcome:
            raise ValueError("unforeseen")

        hand.answer = faulty
        async with office.deliveries(hand):
            await settled()
            office.signal()
            await office.clock.pass_by(62 * MINUTE)
            assert office.kept("delivery_failed") == [{"skipped": 1, "reason": "ValueError"}]
            hand.answer = lambda: DELIVERED
            names = office.signal()
            await office.clock.pass_by(MINUTE)
            assert hand.taken == names
        given_up = {"target": hand.name, "outcome": "given_up"}
        assert office.registry.get_sample_value("gapless_deliveries_total", given_up) == 1

    played(scene)


def test_a_receiver_that_is_dead_for_hours_is_told_of_once_an_hour_and_in_full():
    async def scene(office: Office) -> None:
        hand = Hand()
        hand.answer = lambda: FAILED
        async with office.deliveries(hand):
            await settled()
            for _ in range(60):
                office.signal()
                await office.clock.pass_by(5 * MINUTE)
        told = [detail["skipped"] for detail in office.kept("delivery_failed")]
        assert 4 <= len(told) <= 6
        assert 60 - 12 - 2 <= sum(told) <= 60 - 12 + 2  # the last hour's wait still

    played(scene)


def test_a_receiver_further_behind_than_the_log_is_told_and_goes_on_from_its_oldest():
    async def scene(office: Office) -> None:
        hand, later = Hand(), Hand()
        async with office.deliveries(hand):
            await settled()
        office.signal(2)
        await office.clock.pass_by(HOUR)
        names = office.signal(2)
        office.store.commit(lambda tx: tx.drop_log(office.clock.wall() - MINUTE, 1_000))
        async with office.deliveries(later):
            await settled()
        assert later.taken == names
        assert [list(detail) for detail in office.kept("delivery_behind")] == [["reason"]]

    played(scene)


def test_a_place_that_moves_without_a_signal_is_kept_so_that_nobody_falls_behind_the_log():
    async def scene(office: Office) -> None:
        hand = Hand()
        first = office.deliveries(hand)
        await first.__aenter__()
        await settled()
        office.passing(5)
        await office.clock.pass_by(11 * MINUTE)
        office.passing(1)
        await settled()
        await office.killed(first)
        number, _ = office.store.delivery(hand.key)
        assert number == office.store.log_span()[1] + 1

    played(scene)


def test_each_receiver_is_given_what_it_asked_for():
    async def scene(office: Office) -> None:
        hands = {
            "all": Hand("http://a/"),
            "kind": Hand("http://b/", SignalFilter(kinds=("pattern",))),
            "score": Hand("http://c/", SignalFilter(min_score=7.0)),
            "minutes": Hand("http://d/", SignalFilter(minutes=(15,))),
        }
        async with office.deliveries(*hands.values()):
            await settled()
            a = office.signal(kind="pattern.hammer")
            b = office.signal(score=7.0)
            c = office.signal(score=6.9)
            await settled()
        assert {name: hand.taken for name, hand in hands.items()} == {
            "all": a + b + c, "kind": a, "score": b, "minutes": [],
        }  # fmt: skip

    played(scene)


def test_one_that_hangs_is_left_after_its_time_and_nothing_of_it_goes_on():
    async def scene(office: Office) -> None:
        hand = Hand()
        never: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        hand.answer = lambda: never if len(hand.tries) == 1 else DELIVERED
        async with office.deliveries(hand) as deliveries:
            await settled()
            names = office.signal()
            await office.clock.pass_by(9 * SECOND)
            assert not never.cancelled()
            await office.clock.pass_by(SECOND)
            assert never.cancelled()
            assert hand.taken == names
            assert deliveries.rows()[0]["last_error"] == "no answer within 10 s"

    played(scene)


@pytest.mark.parametrize("answers", [True, False])
def test_a_stop_lets_what_is_under_way_end_or_gives_it_again(answers):
    async def scene(office: Office) -> None:
        hand, later = Hand(), Hand()
        open_: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        hand.answer = lambda: open_
        first = office.deliveries(hand)
        await first.__aenter__()
        await settled()
        names = office.signal(2)
        await settled()
        leaving = asyncio.create_task(first.__aexit__(None, None, None))
        await settled()
        if answers:
            open_.set_result(DELIVERED)
        await office.clock.pass_by(2 * SECOND)
        await leaving
        async with office.deliveries(later):
            await settled()
        assert hand.taken + later.taken == names
        assert len(hand.tries) == 1

    played(scene)


def test_two_processes_do_not_deliver_to_one_receiver():
    async def scene(office: Office) -> None:
        hand = Hand()
        async with office.deliveries(Hand()):
            await settled()
        names = office.signal()
        office.held.add(hand.key)
        async with office.deliveries(hand):
            await office.clock.pass_by(MINUTE)
            assert (hand.tries, office.kinds()) == ([], ["delivery_elsewhere"])
            office.held.clear()
            await office.clock.pass_by(MINUTE)
            assert hand.taken == names

    played(scene)


def test_a_store_that_is_busy_ends_no_delivery():
    async def scene(office: Office) -> None:
        hand = Hand()
        office.broken = True
        async with office.deliveries(hand) as deliveries:
            await settled()
            assert "held by another writer" in deliveries.rows()[0]["last_error"]
            office.broken = False
            await office.clock.pass_by(MINUTE)
            names = office.signal()
            await settled()
            assert hand.taken == names

    played(scene)
