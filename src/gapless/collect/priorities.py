"""Which instruments of a venue come first, across restarts."""

from collections.abc import Iterable

from gapless.collect.pending import Pending
from gapless.errors import BadInput
from gapless.model import Instrument
from gapless.ports import Clock, TapeReader
from gapless.query.resolve import resolve

_EVENT = "priority"


class Priorities:
    """Keeps the set of those ids that come first, as `collect.priority` names them until somebody changes it.

    What is changed while running is kept as an event, and holds until the setting itself is another one.
    """

    def __init__(self, ids: set[str], venue: str, setting: Iterable[str]) -> None:
        self.ids = ids
        self._venue = venue
        self._setting = [text for text in setting if text.partition(":")[0] == venue]

    def begin(self, reader: TapeReader, known: list[Instrument]) -> None:
        """Take up what an earlier run left, or what is set; a name that the venue does not list is a `BadInput`."""
        kept = [detail for _, subject, detail, _ in reader.events([_EVENT], 0) if subject == self._venue]
        if kept and kept[-1]["setting"] == self._setting:
            self.ids.update(kept[-1]["ids"])
            return
        for text in self._setting:
            try:
                self.ids.add(resolve(text, known, where=f"{self._venue} lists").id)
            except BadInput as mistake:
                raise type(mistake)(f"collect.priority: {mistake}") from mistake

    def change(self, add: Iterable[str], remove: Iterable[str], pending: Pending, clock: Clock) -> None:
        """Put ids first, and others no longer, and keep that for the next start."""
        before = set(self.ids)
        self.ids.update(add)
        self.ids.difference_update(remove)
        if self.ids != before:
            pending.event(_EVENT, self._venue, clock.wall(), ids=sorted(self.ids), setting=self._setting)
