"""One line an event: for people on a terminal, JSON otherwise; stable names, repeats folded, no secrets."""

import sys
from typing import Any, TextIO

import msgspec

from gapless.model import SECOND
from gapless.model.times import iso

_FOLD = 5 * SECOND
_SECRETS = ("key", "token", "secret", "password")


class Log:
    """Writes events. The same event of the same subject within 5 s is counted and told with the next one."""

    def __init__(self, out: TextIO | None = None, *, quiet: bool = False) -> None:
        self._out = out or sys.stderr
        self._people = self._out.isatty()
        self._quiet = quiet
        self._last: dict[tuple[str, str], tuple[int, int]] = {}

    def event(self, name: str, subject: str, at: int, **fields: Any) -> None:
        """Write an event; `at` is ns UTC of this machine."""
        if self._quiet:
            return
        key = (name, subject)
        since, folded = self._last.get(key, (0, 0))
        if since and at - since < _FOLD:
            self._last[key] = (since, folded + 1)
            return
        self._last[key] = (at, 0)
        shown = {k: "***" if any(s in k for s in _SECRETS) else v for k, v in fields.items()}
        if folded:
            shown["folded"] = folded
        if self._people:
            text = " ".join(f"{k}={v}" for k, v in shown.items())
            line = f"{iso(at)[11:19]} {name:<14} {subject} {text}".rstrip()
        else:
            line = msgspec.json.encode({"at": iso(at), "event": name, "subject": subject, **shown}).decode()
        print(line, file=self._out, flush=True)
