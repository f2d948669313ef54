"""Watches the room that is left on the disk of the store."""

from collections.abc import Callable, Iterable

import psutil

from gapless.collect.pipeline import Pipeline
from gapless.model import SECOND
from gapless.ports import Clock

_LOOK = 5 * SECOND


def room_of(folder: str, least: int) -> int | None:
    """Give the bytes of disk that may be used until only `least` are free; None where the disk does not tell."""
    try:
        return psutil.disk_usage(folder).free - least
    except OSError:
        return None


async def watch_disk(
    folder: str, least: int, pipelines: Iterable[Pipeline], clock: Clock, note: Callable[..., None]
) -> None:
    """Stop keeping trades while fewer than `least` bytes are free: they become a hole, candles go on. For ever."""
    watched = list(pipelines)
    while True:
        try:
            free = psutil.disk_usage(folder).free
        except OSError as error:
            note("disk_unknown", folder, error=str(error))
            await clock.sleep(_LOOK)
            continue
        shedding = free < least
        if any(pipeline.shedding is not shedding for pipeline in watched):
            note("disk_low" if shedding else "disk_again", folder, free=free)
            for pipeline in watched:
                pipeline.shedding = shedding
                if shedding:
                    pipeline.broke("disk", clock.monotonic())
        await clock.sleep(_LOOK)
