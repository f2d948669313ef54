"""All receivers of a running gapless, each with a courier of its own."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from gapless.deliver.courier import Courier, Post
from gapless.deliver.receivers import Receiver
from gapless.errors import GaplessError
from gapless.model import SECOND

_GRACE = 2 * SECOND  # for what is under way when it ends


class Deliveries:
    """Delivers while it is entered; on leaving, what is under way is finished, or comes again at the next start."""

    def __init__(
        self, receivers: Sequence[Receiver], post: Post, registry: CollectorRegistry, *, done: Callable[[], None]
    ) -> None:
        tries = Counter(
            "gapless_deliveries", "Tries to deliver a signal, and signals given up", ["target", "outcome"],
            registry=registry,
        )  # fmt: skip
        self.couriers = [
            Courier(one, post, lambda outcome, count, name=one.name: tries.labels(name, outcome).inc(count))  # type: ignore[misc]
            for one in receivers
        ]
        self._post = post
        self._done = done
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Deliveries":
        self._tasks = [asyncio.create_task(one.run(), name=f"deliver/{one.receiver.name}") for one in self.couriers]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        closing = (one.close(_GRACE) for one in self.couriers)
        for courier, trouble in zip(self.couriers, await asyncio.gather(*closing, return_exceptions=True), strict=True):
            if isinstance(trouble, Exception):
                reason = str(trouble) if isinstance(trouble, GaplessError) else type(trouble).__name__
                self._post.note("delivery_troubled", courier.receiver.name, reason=reason)
        self._done()

    def rows(self) -> list[dict[str, Any]]:
        """Say of each receiver how it stands."""
        return [one.row() for one in self.couriers]
