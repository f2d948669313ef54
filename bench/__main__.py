"""Runs the benchmarks: `make bench`, or `make bench ARGS="hot writing querying"`."""

import importlib
import os
import platform
import sys

ALL = (
    "hot",
    "writing",
    "querying",
    "rotating",
    "returning",
    "many",
    "movers",
    "alerts",
    "footprints",
    "closing",
    "signalling",
    "consolidating",
)


def main(names: list[str]) -> int:
    """Print each figure beside its alternative, measured in this run."""
    for name in names:
        if name not in ALL:
            print(f"bench: there is no benchmark {name!r}; allowed are {', '.join(ALL)}", file=sys.stderr)
            return 2
    print(
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':40} {'gapless':>12}   {'alternative':<32} ratio")
    for name in names or ALL:
        for what, mine, other, ratio in importlib.import_module(f"bench.{name}").run():
            print(f"{what:40} {mine:>12}   {other:<32} {ratio}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
