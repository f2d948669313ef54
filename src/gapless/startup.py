"""What a start needs before anything runs: names sorted by venue, a calm garbage collector, no traces of a mistake."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from gapless.errors import BadInput
from gapless.model.instrument import squeeze
from gapless.venues.registry import VENUES, venue


def by_venue(ids: list[str], *, whole: bool = False) -> dict[str, list[str]]:
    """Sort ids by venue; one without a venue is answered with what it could mean.

    Where a `whole` venue may be meant its name stands for what is to be found there, and is left among its ids.
    """
    sorted_ids: dict[str, list[str]] = {}
    for text in dict.fromkeys(ids):
        name, colon, symbol = text.partition(":")
        if whole and text in VENUES:
            sorted_ids.setdefault(text, []).append(text)
            continue
        if not colon or not symbol or (name not in VENUES and "/" in name):
            spelled = squeeze(name).upper()
            could = ", ".join(f"{known}:{spelled}" for known in VENUES)
            raise BadInput(f"{text!r} names no venue; it could mean {could}")
        sorted_ids.setdefault(venue(name).name, []).append(text)
    return sorted_ids


def calm_collector() -> None:
    """Let the garbage collector look seldom, and not at what was there at the start: measured, 7 % of the hot path.

    It would then look at what is old once in days; `Engine` has it do so every minute.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@contextmanager
def untouched(path: str) -> Iterator[list[Path]]:
    """Leave no new store behind where the user was mistaken, unless the list that this gives was emptied."""
    file = Path(path)
    fresh = [] if path == ":memory:" or file.exists() else [Path(path + end) for end in ("", "-wal", "-shm", ".lock")]
    try:
        yield fresh
    except BadInput:
        for left in fresh:
            left.unlink(missing_ok=True)
        raise


def first_of(group: BaseExceptionGroup[Any]) -> BaseException:
    """Give the first of what several tasks met."""
    found = group.exceptions[0]
    return first_of(found) if isinstance(found, BaseExceptionGroup) else found


def lean() -> None:
    """Have TA-Lib do without pandas and polars: to import them takes 95 MB, and nothing here hands it their columns.

    For a process of our own: whoever imports TA-Lib there later gets it like that.
    """
    absent = [name for name in ("pandas", "polars") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: it cannot be imported
    try:
        import_module("talib")
    finally:
        for name in absent:
            del sys.modules[name]
