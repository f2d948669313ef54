"""The one place where events are given out: to callbacks of this process, and to the faces that push them."""

import asyncio
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from types import TracebackType
from typing import Any

from gapless.errors import BadInput
from gapless.hub.callback import Callback
from gapless.hub.events import EVENTS
from gapless.hub.waiting import Waiting
from gapless.model import parse_timeframe

RAW = "+raw"
"""Marks the events with what the venue sent beside what was read of it."""


class Hub:
    """Gives out events, each to those who listen to it, at whatever pace they take them.

    To publish costs one look-up where nobody listens. `changed` is called when somebody begins or ends to listen, so
    that events are not even made which nobody wants. All of it is called on the loop, or before that runs. At the end
    callbacks have `last` seconds for what waits.
    """

    def __init__(self, note: Callable[..., None], *, last: float = 1.0) -> None:
        self.callbacks: list[Callback] = []
        self.changed: Callable[[], None] = lambda: None
        self._note = note
        self._listening: dict[str, list[Waiting]] = {}
        self._last = last
        self._open = False

    def on(self, event: str, function: Callable[[Any], Any], *, raw: bool = False) -> None:
        """Call a function with each event of a name, from now on; `raw` adds what the venue sent, where it has that.

        One that is slower than its events gets the newest 10,000, and a `Lagged` in the place of the others.
        """
        name = event_named(event) + (RAW if raw else "")
        callback = Callback(name, function, self._failed)
        self.callbacks.append(callback)
        if self._open:
            callback.begin()
        self.follow((name,), callback.waiting)

    def off(self, event: str, function: Callable[[Any], Any]) -> None:
        """Call a function no more with events of a name."""
        name = event_named(event)
        mine = [one for one in self.callbacks if one.function == function and one.event in (name, name + RAW)]
        if not mine:
            raise BadInput(f"{getattr(function, '__qualname__', function)!r} does not listen to {event}")
        for callback in mine:
            self.callbacks.remove(callback)
            self.leave(callback.waiting)
            callback.leave()

    def follow(self, names: Iterable[str], waiting: Waiting) -> None:
        """Put events of these names, and of no others, into a queue from now on."""
        self._drop(waiting)
        for name in names:
            self._listening.setdefault(name, []).append(waiting)
        self.changed()

    def leave(self, waiting: Waiting) -> None:
        """Put nothing into a queue any more."""
        self._drop(waiting)
        self.changed()

    def _drop(self, waiting: Waiting) -> None:
        left = {name: [one for one in some if one is not waiting] for name, some in self._listening.items()}
        self._listening = {name: some for name, some in left.items() if some}

    @property
    def wanted(self) -> frozenset[str]:
        """The names to which somebody listens."""
        return frozenset(self._listening)

    def publish(self, name: str, value: Any) -> None:
        """Give an event to those who listen to its name."""
        for waiting in self._listening.get(name, ()):
            waiting.put(name, value)

    def rows(self) -> list[dict[str, Any]]:
        """List the callbacks with what became of their events."""
        return [
            {
                "event": one.event,
                "callback": one.name,
                "calls": one.calls,
                "errors": one.errors,
                "waiting": len(one.waiting),
                "lagged": one.waiting.lagged,
            }
            for one in self.callbacks
        ]

    def _failed(self, callback: Callback, sentence: str) -> None:
        self._note("callback_failed", callback.name, event=callback.event, error=sentence)

    async def __aenter__(self) -> "Hub":
        self._open = True
        for callback in self.callbacks:
            callback.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        await asyncio.gather(*(callback.finish(within=self._last) for callback in self.callbacks))


def event_named(text: str) -> str:
    """Read the name of an event; a mistake is a `BadInput` that lists those that there are."""
    name, colon, frame = text.partition(":")
    if name == "candle" and colon:
        timeframe = parse_timeframe(frame)
        return "candle" if timeframe.minutes == 1 else f"candle:{timeframe}"
    if text not in EVENTS:
        near = get_close_matches(text, EVENTS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise BadInput(f"there is no event {text!r}; allowed are {', '.join(EVENTS)}{hint}")
    return text
