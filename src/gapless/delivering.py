"""Composition of the deliveries of a running gapless."""

import asyncio
import random
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from gapless.deliver.courier import Post
from gapless.deliver.deliveries import Deliveries
from gapless.deliver.receivers import Receiver
from gapless.model.times import parse_duration
from gapless.ports import Locks, TapeReader, Transaction
from gapless.serve.thread import ReadingThread

if TYPE_CHECKING:
    from gapless.engine import Engine

_BEYOND_TAPES = 2**48


def deliveries_of(engine: "Engine", receivers: Sequence[Receiver], reader: TapeReader, locks: Locks) -> Deliveries:
    """Make the deliveries of an engine that is prepared; to each receiver one process delivers, as with tapes."""
    settings = engine.settings.deliver
    thread = ReadingThread("deliveries")

    async def commit(work: Callable[[Transaction], None]) -> None:
        await asyncio.to_thread(engine.store.commit, work)

    def hold(receiver: str) -> None:
        number = int.from_bytes(sha256(receiver.encode()).digest()[:4], "big")
        locks.hold({_BEYOND_TAPES + number: receiver})

    post = Post(
        reader=reader, read=thread.run, commit=commit, wait_for_commit=engine.wait_for_commit, hold=hold,
        note=engine.note, clock=engine.clock, chance=random.random, timeout=parse_duration(settings.timeout),
        give_up_after=parse_duration(settings.give_up_after),
    )  # fmt: skip
    return Deliveries(receivers, post, engine.status.registry, done=thread.close)
