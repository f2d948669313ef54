"""The error tree; the type says whose fault it is and whether to retry.

GaplessError
├── BadInput            the user's mistake: one sentence that names the thing and what is allowed; exit status 2
│   ├── UnknownName     a venue, symbol, key or file that does not exist, with the nearest match
│   ├── BadNumber       a text that is no exact number of its tape's digits
│   └── BadFile         an archive or capture that cannot be read
├── CouldNot            the outside world's fault: network, store, ban; exit status 3
│   ├── StoreError      the store cannot be opened, read or written
│   │   └── StoreBusy   another process holds what we need; waiting may help
│   ├── Refused         the venue answered, and said no (status, code, text); retry never helps
│   ├── Throttled       the venue asks for less (429); retry at `until`
│   ├── Banned          the venue has banned this address (418); nothing may leave before `until`
│   ├── Unavailable     the venue or the network failed (5xx, timeout, connection); retry with backoff
│   └── PortInUse       an address we wanted to listen on is taken
├── MalformedFrame      the venue sent what its documentation does not allow: keep the frame, count it, go on
└── Incomplete          data was asked for with on_gap="raise" and some is missing; exit status 1
"""

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
"""What decoding raises where a reply is not what it should be."""


class GaplessError(Exception):
    """The root of everything that gapless raises on purpose."""


class BadInput(GaplessError):
    """The user's mistake."""


class UnknownName(BadInput):
    """A name that does not exist."""


class BadNumber(BadInput):
    """A text that is no exact number of the digits asked for."""


class BadFile(BadInput):
    """A file that cannot be read as what it claims to be."""


class CouldNot(GaplessError):
    """The outside world did not allow it."""


class StoreError(CouldNot):
    """The store cannot be opened, read or written."""


class StoreBusy(StoreError):
    """Another process holds what we need."""


class Refused(CouldNot):
    """The venue answered no; asking again gives the same answer."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(f"the venue refused with HTTP {status}: {text} ({code})")
        self.status = status
        self.code = code
        self.text = text


class Throttled(CouldNot):
    """The venue asks for less; `wait` is how long, in ns, None where it did not say."""

    def __init__(self, wait: int | None) -> None:
        super().__init__("the venue asked for fewer requests (HTTP 429)")
        self.wait = wait


class Banned(CouldNot):
    """The venue has banned this address for `wait` ns."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"the venue has banned this address for another {wait / 1e9:.0f} s (HTTP 418)")
        self.wait = wait


class Unavailable(CouldNot):
    """The venue or the network failed; a later try may succeed."""


class PortInUse(CouldNot):
    """An address we wanted to listen on is taken."""


class MalformedFrame(GaplessError):
    """A frame that the venue's documentation does not allow."""


class Incomplete(GaplessError):
    """Data is missing and the caller asked not to go on without it."""


def sentence_of(error: BaseException) -> str:
    """Say what went wrong: our errors say it themselves; a fault of the code is named with the place where it lies."""
    if isinstance(error, GaplessError):
        return str(error)
    place, at = "", error.__traceback__
    while at is not None:
        place = f" ({at.tb_frame.f_code.co_filename.rpartition('/')[2]}:{at.tb_lineno})"
        at = at.tb_next
    return f"{type(error).__name__}: {error}{place}"
