"""Times as people type and read them; inside, a time is integer nanoseconds UTC."""

import re
from datetime import UTC, datetime

from gapless.errors import BadInput

MS = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_LATEST = 9_214_646_400 * SECOND  # 2262-01-01: beyond it nanoseconds pass 64 bits
_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_RELATIVE = re.compile(r"([+-]?)(\d+)([smhdw])", re.ASCII)
_DIGITS = re.compile(r"-?\d+", re.ASCII)


def parse_duration(text: str) -> int:
    """Read `90s`, `180m`, `6h`, `7d` or `2w` as nanoseconds."""
    match = _RELATIVE.fullmatch(text.strip())
    if match is None or match[1]:
        raise BadInput(f"{text!r} is no duration; allowed are a number and s, m, h, d or w, as in 180m")
    return int(match[2]) * _UNITS[match[3]]


def parse_time(text: str, now: int) -> int:
    """Read ISO 8601 (no zone: UTC), an epoch by magnitude, `now` or `-6h` as nanoseconds UTC, 1970 to 2262."""
    time = _parsed(text, now)
    if not 0 <= time < _LATEST:
        raise BadInput(f"{text!r} lies outside 1970 to 2262")
    return time


def _parsed(text: str, now: int) -> int:
    word = text.strip()
    if word == "now":
        return now
    if relative := _RELATIVE.fullmatch(word):
        if relative[1]:
            return now + int(relative[1] + relative[2]) * _UNITS[relative[3]]
    elif _DIGITS.fullmatch(word):
        return epoch_ns(int(word))
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        raise BadInput(
            f"{text!r} is no time; allowed are ISO 8601 (2026-01-07T12:00Z), an epoch in s, ms, us or ns, now, -6h"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds * 1_000


def epoch_ns(value: int) -> int:
    """Read an epoch in s, ms, us or ns by its magnitude."""
    size = abs(value)
    if size < 10**11:
        return value * SECOND
    if size < 10**14:
        return value * MS
    if size < 10**17:
        return value * 1_000
    return value


def iso(time: int) -> str:
    """Write nanoseconds UTC as ISO 8601 with as many sub-second digits as it needs (0, 3, 6 or 9)."""
    seconds, rest = divmod(time, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if rest:
        digits = f"{rest:09d}"
        text += "." + (digits[:3] if rest % MS == 0 else digits[:6] if rest % 1_000 == 0 else digits)
    return text + "Z"


def in_epoch(time: int, unit: str | None) -> int | str:
    """Write a time as an epoch in `ms`, `us` or `ns`, or as ISO 8601 when no unit is given."""
    if unit is None:
        return iso(time)
    return time // {"ms": MS, "us": 1_000, "ns": 1}[unit]
