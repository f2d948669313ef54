"""Pages of history that are wrong: other ids than were asked for, the page before once more, another symbol's rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from gapless.sim.faults.engine import Faults
from gapless.sim.faults.script import Entry
from gapless.sim.market import Symbol
from gapless.sim.venue import Ask, Params, Refusal

ASIDE = 7  # rows between the range that was asked for and the page that is served


class History(Protocol):
    """What a venue tells of its pages of history."""

    def asked(self, family: str, ask: Ask) -> str | None:
        """Returns the symbol whose history was asked for, or None."""
        ...

    def bars(self, family: str) -> bool:
        """Tells whether the pages of a family are of bars."""
        ...

    def aside(self, family: str, params: Params, way: int) -> Params:
        """Returns the parameters of a page that lies wholly before (-1) or behind (1) the one that was asked for."""
        ...

    def others(self, ask: Ask) -> list[Symbol]:
        """Lists the other symbols that trade."""
        ...

    def of(self, other: Symbol, family: str, ask: Ask) -> Ask | None:
        """Returns the request for the page of the same time of another symbol, or None."""
        ...

    def empty(self, body: str) -> bool:
        """Tells whether a body has no rows."""
        ...


class Spoiler:
    """Spoils pages while such a fault is due; remembers the last page of each endpoint and symbol."""

    def __init__(self, history: History, faults: Faults) -> None:
        """Takes what the venue tells of its pages."""
        self._history = history
        self._faults = faults
        self._served: dict[tuple[str, str], str] = {}

    def page(self, family: str, ask: Ask, body: str, call: Callable[[Ask], str]) -> tuple[str, str | None]:
        """Returns the page to serve, and how it is wrong if it is."""
        symbol = self._history.asked(family, ask)
        if symbol is None:
            return body, None
        key = family, symbol
        wrong = self._wrong(key, ask, body, call) if self._faults.waiting("wrong_page") else None
        self._served[key] = body
        if wrong is None:
            return body, None
        entry, page = wrong
        self._faults.spend(entry)
        return page, entry.mode

    def _wrong(self, key: tuple[str, str], ask: Ask, body: str, call: Callable[[Ask], str]) -> tuple[Entry, str] | None:
        family, symbol = key
        if self._history.empty(body):
            return None
        for entry in self._faults.pending:
            if entry.kind != "wrong_page" or (entry.mode == "bars") != self._history.bars(family):
                continue
            if entry.symbol is not None and entry.symbol != symbol:
                continue
            if entry.mode == "repeat":
                page = self._served.get(key)
            elif entry.mode == "other":
                page = self._of_another(family, ask, call)
            else:
                page = self._aside(family, ask, call)
            if page is not None and page != body and not self._history.empty(page):
                return entry, page
        return None

    def _aside(self, family: str, ask: Ask, call: Callable[[Ask], str]) -> str | None:
        moved = (replace(ask, params=self._history.aside(family, ask.params, way)) for way in (-1, 1))
        before, after = (self._asked(request, call) for request in moved)
        first, second = (before, after) if self._faults.choose(2) else (after, before)
        return first if first is not None else second

    def _of_another(self, family: str, ask: Ask, call: Callable[[Ask], str]) -> str | None:
        others = self._history.others(ask)
        if not others:
            return None
        request = self._history.of(others[self._faults.choose(len(others))], family, ask)
        return self._asked(request, call) if request is not None else None

    def _asked(self, ask: Ask, call: Callable[[Ask], str]) -> str | None:
        try:
            body = call(replace(ask, split=False))
        except Refusal:
            return None
        return None if self._history.empty(body) else body
