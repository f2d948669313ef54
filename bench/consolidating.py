"""Failover of one market of two simulated venues, with the default limits: how soon another source is followed.

The primary is disconnected, killed, stalled, delayed and corrupted. Times run from the fault to the moment at which the
API tells the switch; what was noticed and decided within it is what the service's own histograms say. The tape of both
is then held against what each source holds. Goals are the seed's: 5 s to detect, 1 s to switch; ours a tenth of them
where no limit (3 s of silence) has to pass first.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from attack.processes import Process, Sim, ask, free_port

import gapless
from gapless.consolidate.choice import Choice
from gapless.consolidate.health import Facts, Health, Limits
from gapless.model import MINUTE, MS, SECOND

A, B, BTC = "binance:BTCUSDT", "binance-spot:BTCUSDT", "BTC/USDT"
_WARM_S = 12.0
_WITHIN_S = 60.0
_PAIRS = 300
Row = tuple[str, str, str, str]


class World:
    """Two simulators and a service over them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.first = self._sim("binance")
        self.second = self._sim("binance-spot")
        self.store = folder / "held.db"
        sets = [
            *(f"venues.{sim.venue}.{key}" for sim in (self.first, self.second)
              for key in ("environment=sim", f"sim_url={sim.url}")),
            f'serve.listen=["127.0.0.1:{self.port}"]', "collect.history=0m", "store.min_free=0",
            f'consolidate.instruments={{"{BTC}" = {{sources = ["{A}", "{B}"]}}}}', "consolidate.dwell_s=1",
        ]  # fmt: skip
        options = [word for text in sets for word in ("--set", text)]
        self.run = Process(folder, "gapless", "run", A, B, "--store", f"sqlite:///{self.store}", *options)

    def _sim(self, venue: str, port: int = 0) -> Sim:
        folder = self.folder / venue
        folder.mkdir(exist_ok=True)
        return Sim(folder, venue=venue, instruments=1, speed=1, seed=7, faults="none", port=port)

    def ask(self, path: str) -> Any:
        """Ask the service."""
        return ask(f"http://127.0.0.1:{self.port}{path}")

    def until(self, met: Callable[[], Any], what: str) -> Any:
        """Wait for something, looking every few ms."""
        end = time.monotonic() + _WITHIN_S
        while not (found := met()):
            if time.monotonic() > end:
                raise SystemExit(f"bench: waited {_WITHIN_S:.0f} s for {what}; see {self.folder}")
            time.sleep(0.002)
        return found

    def switches(self) -> list[dict[str, Any]]:
        """List the switches so far."""
        return (self.ask("/api/v1/consolidated/switches") or {}).get("rows", [])

    def play(self, what: str, fault: Callable[[], None], undo: Callable[[], None]) -> tuple[float | None, str]:
        """Let something befall the primary; give after how many ms another source is followed, and why.

        Where its connection was replaced before a limit had passed there is none to follow: None.
        """
        self.until(lambda: (self.switches() or [{"to": A}])[-1]["to"] == A, "the primary")
        known, rotated = len(self.switches()), self.run.said().count('"rotated"')
        began = time.monotonic()
        fault()
        self.until(
            lambda: self.switches()[known:] or self.run.said().count('"rotated"') > rotated, f"a switch after: {what}"
        )
        took, rows = (time.monotonic() - began) * 1_000, self.switches()[known:]
        undo()
        return (took, str(rows[0]["reason"])) if rows else (None, "its connection was replaced before")

    def kill(self) -> None:
        """Kill the primary's simulator."""
        self.first.kill()

    def stall(self) -> None:
        """Stop it in the middle of whatever it does."""
        self.first.pause()

    def go_on(self) -> None:
        """Let it go on."""
        self.first.go_on()

    def restart(self) -> None:
        """Start the killed simulator again where it was."""
        self.first = self._sim("binance", self.first.port)

    def figure(self, name: str) -> float:
        """Give the mean of one of the service's histograms, ms."""
        import urllib.request

        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as reply:
            lines = dict(line.rsplit(" ", 1) for line in reply.read().decode().splitlines() if line[:1] != "#")
        return 1_000 * float(lines[f"{name}_sum"]) / max(float(lines[f"{name}_count"]), 1)

    def leave(self) -> None:
        """End everything."""
        for process in (self.run, self.first, self.second):
            process.leave()


def _plays(world: World) -> list[Row]:
    world.until(lambda: world.ask("/health"), "the service")
    time.sleep(_WARM_S)  # no fault touches a stream before its first 100 events

    def fault(**entry: Any) -> Callable[[], None]:
        return lambda: ask(world.first.url + "/sim/fault", entry)

    plays: list[tuple[str, Callable[[], None], Callable[[], None], int, int]] = [
        ("its sockets are closed", fault(kind="close_24h"), _nothing, 1_000, 100),
        ("it is killed (kill -9)", world.kill, world.restart, 1_000, 100),
        ("it stalls (SIGSTOP)", world.stall, world.go_on, 5_000, 3_500),
        ("its trades are delayed", fault(kind="delay", seconds=8, stream="aggTrade"), _nothing, 5_000, 3_500),
        ("its frames are corrupt", fault(kind="malformed", count=200), _nothing, 5_000, 5_000),
    ]
    rows = []
    for what, strike, undo, seeds, ours in plays:
        took, why = world.play(what, strike, undo)
        shown = "none" if took is None else f"{took:.0f} ms"
        rows.append(
            (f"primary fails: {what}", shown, f"seed's goal {seeds} ms, ours {ours}", why.removeprefix(f"{A}: "))
        )
    detect, switch = (world.figure(f"gapless_source_{name}_seconds") for name in ("detect", "switch"))
    rows.append(
        ("  from first sign to decision, mean", f"{detect:.0f} ms", "seed's goal 5000 ms", "3 s limits among them")
    )
    rows.append(("  from decision to recorded switch, mean", f"{switch:.1f} ms", "seed's goal 1000 ms, ours 100", ""))
    return rows


def _nothing() -> None:
    """Undo what passes by itself."""


def _tape(world: World) -> Row:
    """Hold the consolidated tape against the tapes of its sources: every id of every turn, once."""
    ask(f"http://127.0.0.1:{world.port}/api/v1/settle", {}, timeout=180)
    world.run.leave()
    with gapless.open(str(world.store)) as market:
        whole = market.consolidated(BTC)
        rows, missing = whole.trades(), whole.trades().missing
        doubled = len(rows) - len({(row.source, row.seq) for row in rows})
    held = f"{len(missing)} holes, {doubled} doubled"
    return ("  consolidated tape after them", f"{len(rows)} trades", held, "(goal 0 and 0)")


def _flapping() -> Row:
    """Let the primary come and go every 5 s for 10 minutes."""
    chosen = Choice((A, B), failover=True, dwell=30 * SECOND, began=0)
    healths, switches, breaks, up = {name: Health(Limits(), 0) for name in (A, B)}, 0, 0, True
    for now in range(0, 10 * MINUTE, 100 * MS):
        was, up = up, now // (5 * SECOND) % 2 == 0
        breaks += was and not up
        facts = Facts(connected=up, breaks=breaks, errors=breaks, broke_at=now, last=now if up else 0)
        verdicts = {A: healths[A].look(facts, now), B: healths[B].look(Facts(connected=True, last=now), now)}
        switches += chosen.look(verdicts, now) is not None
    return ("10 min of a primary that flaps every 5 s", f"{switches} switch", "60 times up, 60 times down", "(goal 1)")


def _looking() -> Row:
    """Time a look at many instruments of two sources each."""
    from gapless.collect.consolidating import _LOOK, _MANY, Consolidation
    from gapless.consolidate.settings import ConsolidateSettings
    from gapless.model import Instrument

    def collector(venue: str) -> Any:
        found = [
            Instrument(venue=venue, symbol=f"X{n}", base=f"X{n}", quote="USDT", kind="spot", price_digits=2,
                       size_digits=2, tick=1)
            for n in range(_PAIRS)
        ]  # fmt: skip
        streams = [SimpleNamespace(instrument=one.id, kind="agg") for one in found]
        connection = SimpleNamespace(name=f"{venue}/1", streams=streams, up=True, connects=1, latency=1)
        pipeline = SimpleNamespace(
            lines={one.id: SimpleNamespace(instrument=one, ended=False) for one in found}, pressed=False, spoke={},
            flowed=lambda name: 0, agreed=lambda name: 0, told=lambda name: 0,
        )  # fmt: skip
        return SimpleNamespace(venue=SimpleNamespace(name=venue), connections=[connection], pipeline=pipeline)

    collectors = [collector("one"), collector("two")]
    clock = SimpleNamespace(monotonic=lambda: 0, wall=lambda: 0)
    watch = Consolidation(
        collectors, ConsolidateSettings(primary="one"), clock, environment="sim", kept=list,  # type: ignore[arg-type]
        commit=None, note=lambda *_, **__: None, switched=lambda *_: None,  # type: ignore[arg-type]
    )  # fmt: skip
    looks, began = 50, 0.0
    for number in range(looks + 1):
        now = number * 300 * MS
        for one in collectors:
            one.pipeline.spoke = dict.fromkeys(one.pipeline.lines, now)
        if number == 1:
            began = time.perf_counter()
        watch.look(now)
    each = (time.perf_counter() - began) / looks
    share = 100 * each * SECOND / (_LOOK * max(_PAIRS / _MANY, 1))
    return (f"a look at {_PAIRS} instruments of 2 sources", f"{each * 1_000:.2f} ms", f"{share:.1f} % of a core", "")


def run() -> list[Row]:
    """Give the rows of the table: what, ours, the alternative, remarks."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            rows = _plays(world)
            rows.append(_tape(world))
        finally:
            world.leave()
    return [*rows, _flapping(), _looking()]
