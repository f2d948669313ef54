"""What a check found, and the report that all of them make."""

from typing import Any, Literal

from msgspec import Struct, field

Verdict = Literal["ok", "differs", "failed", "skipped"]


class Check(Struct, frozen=True):
    """One named check: `differs` where the venue does otherwise than we assume, `failed` where it could not be done."""

    name: str
    verdict: Verdict
    sentence: str
    figures: dict[str, Any] = field(default_factory=dict)


class Asked(Struct, frozen=True, kw_only=True):
    """What to check: `instruments` are ids, or a number of them; `listen` is seconds of streams."""

    venue: str
    minutes: int = 10
    listen: float = 60.0
    instruments: list[str] | int = 3


class Report(Struct, kw_only=True):
    """Everything that was found; `ended` says how the examination ended."""

    asked: Asked | None = None
    environment: str = ""
    instruments: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    began: int = 0
    seconds: float = 0.0
    ended: Literal["complete", "interrupted", "unreachable"] = "complete"

    @property
    def status(self) -> int:
        """The exit status: 0 all ok, 1 something differs or failed, 3 not reached, 130 interrupted."""
        if self.ended != "complete":
            return 130 if self.ended == "interrupted" else 3
        return int(any(check.verdict in ("differs", "failed") for check in self.checks))


def some(names: list[str], most: int = 5) -> str:
    """Write the first few of a list of names."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
