"""Errors of the simulator.

SimError            the user's mistake: one sentence that names the thing and what is allowed (exit status 2)
    CaptureError    a capture that cannot be read, with file and line
    PortInUse       the port is taken (exit status 3)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(text: str, allowed: Iterable[str]) -> str:
    """Returns `, (did you mean ...?)` for the allowed word that is closest, or nothing."""
    found = difflib.get_close_matches(text, list(allowed), 1)
    return f" (did you mean {found[0]!r}?)" if found else ""


class SimError(Exception):
    """Says in one sentence what is wrong with the input and what is allowed; `status` is the exit status."""

    status = 2


class CaptureError(SimError):
    """Names the file and the line of a capture that cannot be read."""

    def __init__(self, path: str, line: int, reason: str) -> None:
        """Joins file, 1-based line and reason; line 0 stands for the file as a whole."""
        where = f"{path}, line {line}" if line else path
        super().__init__(f"capture {where}: {reason}")


class PortInUse(SimError):
    """Names the port that another process holds."""

    status = 3
