"""How a signal is told to a receiver, what its answer means, and how long to wait after it failed: pure."""

import hashlib
import hmac
from typing import Literal

import msgspec
from msgspec import Struct

from gapless.model import SECOND, Timeframe, iso
from gapless.model.signal import Judged
from gapless.query.events import Cursor
from gapless.query.present import signal_row

LONGEST = 60 * SECOND
_ENCODE = msgspec.json.Encoder().encode


class Letter(Struct, frozen=True):
    """A judgement as it is delivered. `id` is the same however often it comes; `after` is the place behind it."""

    id: str
    body: bytes
    after: Cursor
    known_at: int


class Outcome(Struct, frozen=True):
    """What came of a try: `refused` will be refused again, `failed` may not."""

    state: Literal["delivered", "refused", "failed"]
    why: str = ""


DELIVERED = Outcome("delivered")


def letter(judged: Judged, after: Cursor, *, late: bool) -> Letter:
    """Write a judgement in the shape of the stream's events, with the key by which a receiver knows it again."""
    name = (
        f"{judged.instrument}/{Timeframe(judged.minutes)}/{iso(judged.start)}/{judged.signal.kind}/{judged.judgement}"
    )
    body = _ENCODE({"type": "signal", "id": name, "late": late, "data": signal_row(judged)})
    return Letter(name, body, after, judged.known_at)


def outcome_of(status: int) -> Outcome:
    """Say what a status means: 2xx is delivered, 408, 429 and 5xx may pass, all else is refused, redirects too."""
    if 200 <= status < 300:
        return DELIVERED
    if 300 <= status < 400:
        return Outcome("refused", f"HTTP {status}: a redirect is not followed")
    if status in (408, 429) or status >= 500:
        return Outcome("failed", f"HTTP {status}")
    return Outcome("refused", f"HTTP {status}")


def signature(secret: str, body: bytes) -> str:
    """Sign a body: HMAC-SHA256, as `sha256=` and hex digits."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def pause(failures: int, chance: float) -> int:
    """Give the ns to wait after so many failures in a row: none after the first, then from half of a time that
    doubles, 2 s to 60 s, up to all of it, as `chance` (0 to 1) has it."""
    if failures < 2:
        return 0
    top = min(LONGEST, SECOND << min(failures - 1, 6))
    return int(top * (1 + chance) / 2)
