"""An event of a stream, and the places in the log that streams go on from."""

from typing import Any

from msgspec import Struct


class Cursor(Struct, frozen=True, order=True):
    """A place in the log: before item `item` of commit `number`. Its text means nothing to others."""

    number: int
    item: int

    @property
    def text(self) -> str:
        """The cursor as clients keep it."""
        return f"{self.number:x}.{self.item:x}"


class Event(Struct, frozen=True):
    """One event of a stream; `cursor` is the place after it, `late` marks what was repaired or revised."""

    cursor: Cursor
    type: str
    late: bool
    data: dict[str, Any]
