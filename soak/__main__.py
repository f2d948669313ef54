"""Runs a soak: `make soak HOURS=24 SPEED=1`, or `python -m soak --hours 1 --speed 60` for a quick look."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec

from gapless.errors import CouldNot
from soak.day import Day
from soak.plan import Plan, described
from soak.show import HEAD, line, summary, verdicts


def main(arguments: list[str]) -> int:
    """Print an hour a line and the verdict; 0 only when nothing falls short."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--hours", type=_positive, default=24.0, help="market hours (24)")
    parser.add_argument("--speed", type=_positive, default=1.0, help="market seconds a real second (1)")
    parser.add_argument("--instruments", type=int, default=8, choices=range(1, 101), metavar="N", help="1 to 100 (8)")
    parser.add_argument("--seed", type=int, default=1, help="of the market and the faults (1)")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    parser.add_argument("--keep", action="store_true", help="keep store, journal and logs")
    options = parser.parse_args(arguments)
    plan = Plan(hours=options.hours, speed=options.speed, instruments=options.instruments, seed=options.seed)
    folder = Path(tempfile.mkdtemp(prefix="gapless-soak-"))
    print(described(plan))
    print(HEAD, flush=True)
    day = Day(plan, folder, lambda hour: print(line(hour), flush=True))
    try:
        asyncio.run(day.run())
    except CouldNot as trouble:
        options.keep = True
        print(f"soak: {trouble}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    finally:
        if options.json:
            options.json.write_bytes(msgspec.json.format(msgspec.json.encode(day.outcome), indent=2))
        if options.keep:
            print(f"kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(summary(day.outcome))
    return 1 if False in verdicts(day.outcome).values() else 0


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not allowed; a number above 0 is")
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
