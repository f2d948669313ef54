"""Callbacks: one that raises, is slow, or never comes back must cost nobody else an event."""

import asyncio
import threading
from typing import Any

import pytest

from gapless.errors import BadInput
from gapless.hub import Hub, Lagged
from gapless.hub.waiting import MOST, Waiting

Notes = list[tuple[str, str, dict[str, Any]]]


def hub_with(notes: Notes) -> Hub:
    return Hub(lambda name, subject, **fields: notes.append((name, subject, fields)))


def publish(hub: Hub, *values: Any, event: str = "trade") -> None:
    for value in values:
        hub.publish(event, value)


def test_a_callback_that_raises_is_counted_told_once_and_stops_neither_itself_nor_another() -> None:
    notes: Notes = []
    hub, good, plain = hub_with(notes), [], []

    async def bad(value: int) -> None:
        raise ValueError(f"no {value}")

    def bad_too(value: int) -> None:
        plain.append(value)
        raise KeyError(value)

    async def collect(value: int) -> None:
        good.append(value)

    async def play() -> None:
        for function in (bad, bad_too, collect):
            hub.on("trade", function)
        async with hub:
            publish(hub, *range(50))

    asyncio.run(play())
    assert good == plain == list(range(50))
    assert [(row["calls"], row["errors"]) for row in hub.rows()] == [(50, 50), (50, 50), (50, 0)]
    assert sorted((name, fields["event"]) for name, _, fields in notes) == [("callback_failed", "trade")] * 2
    assert {fields["error"].partition(" (")[0] for _, _, fields in notes} == {"ValueError: no 0", "KeyError: 0"}


@pytest.mark.parametrize("plain", [False, True])
def test_a_slow_callback_is_told_what_it_missed_and_another_misses_nothing(plain: bool) -> None:
    hub, slow, fast = hub_with([]), [], []
    late = 500

    async def play() -> None:
        held, held_thread, entered = asyncio.Event(), threading.Event(), asyncio.Event()
        loop, quick = asyncio.get_running_loop(), asyncio.Queue[Any]()

        async def slowly(value: Any) -> None:
            entered.set()
            await held.wait()
            slow.append(value)

        def slowly_in_thread(value: Any) -> None:
            loop.call_soon_threadsafe(entered.set)
            held_thread.wait()
            slow.append(value)

        async def at_once(value: Any) -> None:
            quick.put_nowait(value)

        hub.on("trade", slowly_in_thread if plain else slowly)
        hub.on("trade", at_once)
        async with hub:
            publish(hub, 0)
            await entered.wait()
            fast.append(await quick.get())
            for begin in range(1, MOST + late + 1, 500):
                publish(hub, *range(begin, begin + 500))
                fast.extend([await quick.get() for _ in range(500)])  # the loop is free, whatever the slow one does
            held.set()
            held_thread.set()

    asyncio.run(play())
    assert fast == list(range(MOST + late + 1))
    assert slow == [0, Lagged(since=1, until=late, missed=late), *range(late + 1, MOST + late + 1)]


def test_a_callback_that_was_removed_is_called_no_more() -> None:
    hub, heard = hub_with([]), []

    async def play() -> None:
        called = asyncio.Event()

        async def collect(value: int) -> None:
            heard.append(value)
            called.set()

        hub.on("trade", collect)
        async with hub:
            publish(hub, 1)
            await called.wait()
            publish(hub, 2)
            hub.off("trade", collect)
            publish(hub, 3)
            hub.on("trade", collect)
            publish(hub, 4)
        with pytest.raises(BadInput, match="does not listen to depth"):
            hub.off("depth", collect)

    asyncio.run(play())
    assert heard == [1, 4]


def test_a_callback_that_never_comes_back_does_not_keep_the_engine() -> None:
    hub, forever = Hub(lambda name, subject, **fields: None, last=0.01), threading.Event()

    async def play() -> None:
        async def stuck(value: int) -> None:
            await asyncio.Event().wait()

        hub.on("trade", lambda value: forever.wait())
        hub.on("trade", stuck)
        async with hub:
            publish(hub, 1, 2)

    asyncio.run(asyncio.wait_for(play(), 20))
    forever.set()


def test_a_callback_whose_own_task_was_cancelled_goes_on() -> None:
    hub, calls = hub_with([]), []

    async def play() -> None:
        async def fragile(value: int) -> None:
            calls.append(value)
            raise asyncio.CancelledError

        hub.on("trade", fragile)
        async with hub:
            publish(hub, 1, 2)

    asyncio.run(play())
    assert calls == [1, 2]
    assert hub.rows()[0]["errors"] == 2


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ("ticker_updates", "did you mean ticker_update"),
        ("candle:7x", "7x"),
        ("candle:", "timeframe"),
        ("trade:5m", "there is no event 'trade:5m'; allowed are ticker_update,"),
    ],
)
def test_an_event_that_does_not_exist_is_named(event: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        hub_with([]).on(event, print)


def test_a_queue_that_overflows_twice_tells_each_stretch_once() -> None:
    waiting = Waiting(lambda: None, most=3)
    for value in range(5):
        waiting.put("a", value)
    first = waiting.take()
    for value in range(5, 9):
        waiting.put("a", value)
    assert [value for _, value in first] == [Lagged(since=0, until=1, missed=2), 2, 3, 4]
    assert [value for _, value in waiting.take()] == [Lagged(since=5, until=5, missed=1), 6, 7, 8]
    assert (waiting.take(), waiting.lagged) == ([], 3)
