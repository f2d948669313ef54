"""What a soak does and when: the market's start, its faults, and what is asked of the service meanwhile."""

from pathlib import Path

from msgspec import Struct

from gapless.model import HOUR, SECOND, iso, parse_time
from gapless.sim.binance.presets import CALM
from gapless.sim.faults.script import Entry

CHANGE = "2026-03-29T00:00Z"  # midnight of the day on which European clocks go forward, an hour later
LISTED = "SOAKUSDT"
_DEFAULTS = Entry("")


class Plan(Struct, frozen=True, kw_only=True):
    """A soak: `hours` are the market's, `speed` market seconds a real one."""

    hours: float
    speed: float
    instruments: int = 8
    seed: int = 1

    @property
    def seconds(self) -> float:
        """How long it takes, in real seconds."""
        return self.hours * 3_600 / self.speed

    @property
    def start(self) -> int:
        """The market's time at the start, ns UTC: midnight and the change of clocks lie in the middle."""
        half = int(self.hours / 2 * HOUR)
        return (parse_time(CHANGE, 0) - half) // SECOND * SECOND

    @property
    def rotations(self) -> list[float]:
        """Real seconds at which connections are to be replaced: once a market hour, at least three times."""
        count = max(int(self.hours), 3)
        return [self.seconds * (number + 0.5) / count for number in range(count)]

    @property
    def listing(self) -> float:
        """The real second at which an instrument is listed and collected."""
        return 0.25 * self.seconds

    @property
    def delisting(self) -> float:
        """The real second at which it is delisted; the service is to notice it by itself."""
        return 0.6 * self.seconds


def faults_of(plan: Plan) -> list[Entry]:
    """Give the script: `calm`, and the venue's close of every connection once in the middle."""
    return [*CALM, Entry("close_24h", at=0.75 * plan.seconds)]


def written(faults: list[Entry], path: Path) -> Path:
    """Write a script as the simulator reads it."""
    lines = []
    for entry in faults:
        lines.append("[[fault]]")
        for name, value in _changed(entry).items():
            lines.append(f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}")
    path.write_text("\n".join(lines) + "\n")
    return path


def _changed(entry: Entry) -> dict[str, object]:
    names = entry.__dataclass_fields__
    return {name: getattr(entry, name) for name in names if getattr(entry, name) != getattr(_DEFAULTS, name)}


def described(plan: Plan) -> str:
    """Say in a line what will be done."""
    real = plan.seconds
    return (
        f"{plan.hours:g} market hours from {iso(plan.start)} at {plan.speed:g} x: {real / 60:,.1f} real minutes; "
        f"{plan.instruments} instruments, calm, {len(plan.rotations)} rotations, every connection closed once, "
        f"a listing and a delisting"
    )
