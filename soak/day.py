"""Runs a soak: the simulator and the service as processes, the watch beside them, and the proof at the end."""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil
from msgspec import Struct, field

from gapless.demo.processes import Child, free_port
from gapless.errors import CouldNot
from gapless.model import MS, iso
from soak.due import first_due, listed_due
from soak.measure import Hour, line_through, quantiles
from soak.plan import LISTED, Plan, faults_of, written
from soak.watch import Anchor, Watch

VENUE = "binance"
_SAMPLE = 0.05
_LOOK = 1.0  # seconds between looks at the process
_READY = 60.0
_SETTLE = 240.0
_NOTICE = 15.0  # seconds after the end of play in which a delisting may still be noticed
_ANCHORS = 30
_WARM_MOST = 900.0
_WARM_SHARE = 0.25


class Outcome(Struct, kw_only=True):
    """What a soak measured."""

    plan: dict[str, Any]
    seconds: float = 0.0
    hours: list[Hour] = field(default_factory=list)
    uptime: float = 0.0
    instrument_seconds: int = 0
    down: dict[str, int] = field(default_factory=dict)
    unmeasured: int = 0
    lag_p50: float | None = None
    lag_p999: float | None = None
    lag_max: float | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    handles: tuple[int, int] = (0, 0)
    threads: tuple[int, int] = (0, 0)
    rotations: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, str | None] = field(default_factory=lambda: {"listed": None, "delisted": None})
    faults: dict[str, int] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    repaired: int = 0
    revisions: int = 0
    store: int = 0
    proof: dict[str, Any] = field(default_factory=dict)
    audit: int | None = None
    ended: str = ""


class Day:
    """One soak; `outcome` is complete when `run` has returned."""

    def __init__(self, plan: Plan, folder: Path, say: Any) -> None:
        self.plan = plan
        self.outcome = Outcome(plan=msgspec.to_builtins(plan) | {"start": iso(plan.start), "seconds": plan.seconds})
        self._say = say
        self._folder = folder
        self._store = folder / "soak.db"
        self._sim = Child("simulator", folder / "sim.log")
        self.service = Child("service", folder / "run.log")
        self._port = free_port()
        self._lags: list[Any] = []
        self._noticing: asyncio.Task[None] | None = None
        self._memory: list[tuple[float, float]] = []
        self._rotations: dict[str, Any] = {"asked": 0, "replaced": 0, "failed": [], "slowest_s": 0.0}

    async def run(self) -> Outcome:
        """Run it; the processes end with it."""
        began = time.monotonic()
        try:
            await self._begin()
            timeout = aiohttp.ClientTimeout(total=_SETTLE + 30)
            async with aiohttp.ClientSession(timeout=timeout) as self._http:
                await self._play()
                await self._end()
        finally:
            await self.service.stop()
            await self._sim.stop()
            self.outcome.seconds = round(time.monotonic() - began, 1)
        await self._prove()
        return self.outcome

    async def _begin(self) -> None:
        plan, folder = self.plan, self._folder
        script = written(faults_of(plan), folder / "faults.toml")
        await self._sim.start(
            ["sim", "--venue", VENUE, "--port", "0", "--speed", str(plan.speed), "--seed", str(plan.seed),
             "--instruments", str(plan.instruments), "--faults", str(script), "--at", iso(plan.start),
             "--journal", str(folder / "journal.jsonl"), "--json"]
        )  # fmt: skip
        world = msgspec.json.decode(await self._sim.line())
        self._url = world["url"]
        sets = [
            f"venues.{VENUE}.environment=sim", f"venues.{VENUE}.sim_url={self._url}",
            f'serve.listen=["127.0.0.1:{self._port}"]', "store.min_free=0",
        ]  # fmt: skip
        ids = [f"{VENUE}:{symbol}" for symbol in world["symbols"]]
        await self.service.start(
            ["run", *ids, "--store", f"sqlite:///{self._store}", *(x for text in sets for x in ("--set", text))],
            state=folder / "state",
        )
        self._process = psutil.Process(self.service.process.pid)

    async def _play(self) -> None:
        watch = Watch(self._store, VENUE, await self._anchored())
        for due in first_due(self.plan.seed, self.plan.instruments, self.plan.start // MS):
            watch.add(due)
        changing = asyncio.create_task(self._change(watch))
        looking = asyncio.create_task(self._look(watch))
        try:
            end = self._origin + self.plan.seconds
            while time.monotonic() < end:
                self._alive()
                watch.sample()
                await asyncio.sleep(_SAMPLE)
        finally:
            for task in (changing, looking):
                task.cancel()
            await asyncio.gather(changing, looking, return_exceptions=True)
            watch.close()
        self._close_hour(watch)
        up = watch.uptime
        self.outcome.uptime = up.share
        self.outcome.instrument_seconds = up.up + up.down
        self.outcome.unmeasured = up.unmeasured
        self.outcome.down = dict(sorted(up.worst.items(), key=lambda item: -item[1]))
        p50, p999, most = quantiles(self._lags, (0.5, 0.999, 1.0))
        self.outcome.lag_p50, self.outcome.lag_p999, self.outcome.lag_max = p50, p999, most
        self.outcome.rotations = self._rotations
        self._grown()

    def _alive(self) -> None:
        for child in (self._sim, self.service):
            if child.ended:
                raise CouldNot(f"the {child.name} ended in the middle; see {child.log}")

    async def _anchored(self) -> Anchor:
        """Wait for the market to play, and tie its clock to ours by the quickest of some replies."""
        end = time.monotonic() + _READY
        found: list[tuple[float, Anchor]] = []
        while len(found) < _ANCHORS:
            self._alive()
            sent = time.monotonic()
            state = await self._ask(self._url + "/sim/state")
            came = time.monotonic()
            if state is not None and state["playing"] and self._store.exists():
                found.append((came - sent, Anchor(state["market_ms"], (sent + came) / 2, self.plan.speed)))
            elif came > end:
                raise CouldNot(f"the market does not play; see {self.service.log}")
            await asyncio.sleep(0.01)
        anchor = min(found, key=lambda one: one[0])[1]
        self._origin = float(anchor.mono_of(self.plan.start // MS))
        self._anchor = anchor
        return anchor

    async def _ask(self, url: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        try:
            method = "GET" if body is None else "POST"
            async with self._http.request(method, url, json=body) as reply:
                found: dict[str, Any] = msgspec.json.decode(await reply.read())
                return found if reply.status < 300 else None
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
            return None

    def _api(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    async def _until(self, second: float) -> None:
        await asyncio.sleep(max(self._origin + second - time.monotonic(), 0))

    async def _change(self, watch: Watch) -> None:
        """Rotate, list and delist when it is time."""
        plan = self.plan
        due = [(second, "rotate") for second in plan.rotations] + [(plan.listing, "list"), (plan.delisting, "delist")]
        number = 0
        for second, what in sorted(due):
            await self._until(second)
            if what == "rotate":
                await self._rotate(number)
                number += 1
            elif what == "list":
                await self._list(watch)
            else:
                await self._delist(watch)

    async def _rotate(self, number: int) -> None:
        """Replace all connections, or one by its name, in turn."""
        status = await self._ask(self._api("/system/status")) or {}
        names = [connection["id"] for connection in status.get("connections", [])]
        name = names[number // 2 % len(names)] if number % 2 and names else None
        self._rotations["asked"] += 1
        answer = await self._ask(self._api("/api/v1/rotate"), {"connection": name})
        if answer is None:
            self._rotations["failed"].append(f"{name or 'all'}: no answer")
            return
        self._rotations["replaced"] += len(answer["rotated"])
        self._rotations["failed"] += [f"{one['connection']}: {one['reason']}" for one in answer["failed"]]
        self._rotations["slowest_s"] = max(self._rotations["slowest_s"], round(answer["seconds"], 2))

    async def _list(self, watch: Watch) -> None:
        await self._ask(self._url + "/sim/fault", {"kind": "listing", "symbol": LISTED})
        listed = await self._listed_at()
        answer = await self._ask(self._api("/api/v1/collect"), {"add": [f"{VENUE}:{LISTED}"]})
        if listed and answer and answer["added"]:
            self.outcome.changes["listed"] = f"{LISTED} is collected"
            watch.add(listed_due(self.plan.seed, self.plan.instruments, listed, LISTED))

    async def _listed_at(self) -> int | None:
        """Read from the journal when the simulator listed it, market ms."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for line in (self._folder / "journal.jsonl").read_bytes().splitlines():
                if b'"listing"' in line and b'"change"' in line:
                    entry = msgspec.json.decode(line)
                    if entry.get("t") == "change" and entry["symbol"] == LISTED:
                        return int(entry["at"])
            await asyncio.sleep(0.1)
        return None

    async def _delist(self, watch: Watch) -> None:
        with contextlib.suppress(KeyError):
            watch.leave(LISTED)
        await self._ask(self._url + "/sim/fault", {"kind": "delisting", "symbol": LISTED})
        self._noticing = asyncio.create_task(self._notice())

    async def _notice(self) -> None:
        """Wait until the service says by itself that the instrument is delisted."""
        began = time.monotonic()
        while not self.outcome.changes["delisted"]:
            await asyncio.sleep(0.25)
            answer = await self._ask(self._api("/api/v1/instruments")) or {"rows": []}
            if any(row["id"] == f"{VENUE}:{LISTED}" and row["status"] == "delisted" for row in answer["rows"]):
                self.outcome.changes["delisted"] = f"{LISTED}, noticed after {time.monotonic() - began:.1f} s"

    async def _look(self, watch: Watch) -> None:
        """Look at the process every second, and close each hour of the market."""
        self._hour = self._new_hour(0)
        self._before = (0, 0)
        while True:
            self._measure(self._hour)
            number = int((time.monotonic() - self._origin) * self.plan.speed // 3_600)
            status = await self._ask(self._api("/system/status"))
            if status is not None:
                self._learn(self._hour, status)
            if number > self._hour.number:
                self._close_hour(watch)
                self._hour = self._new_hour(number)
            await asyncio.sleep(_LOOK)

    def _new_hour(self, number: int) -> Hour:
        return Hour(number=number, begins=iso(self.plan.start + number * 3_600_000 * MS))

    def _measure(self, hour: Hour) -> None:
        with contextlib.suppress(psutil.Error), self._process.oneshot():
            hour.memory = round(self._process.memory_info().rss / 1e6, 2)
            hour.handles = self._process.num_fds()
            hour.threads = self._process.num_threads()
            hour.cpu = self._process.cpu_percent()
            self._memory.append((time.monotonic() - self._origin, hour.memory))
            for name, value in (("handles", hour.handles), ("threads", hour.threads)):
                low, high = getattr(self.outcome, name)
                setattr(self.outcome, name, (min(low or value, value), max(high, value)))

    def _learn(self, hour: Hour, status: dict[str, Any]) -> None:
        hour.repaired = self.outcome.repaired = status["gaps"]["ids"]
        hour.gaps_open = status["gaps"]["open"]
        hour.store = self.outcome.store = status["store"]["bytes"]
        hour.connects = sum(connection["connects"] for connection in status["connections"])
        hour.rotated = self._rotations["replaced"]
        self.outcome.revisions = status["revisions"]

    def _close_hour(self, watch: Watch) -> None:
        hour, up = self._hour, watch.uptime
        lags, watch.lags = watch.lags, []
        self._lags += lags
        hour.events = sum(len(part) for part in lags)
        hour.lag_p50, hour.lag_p999 = quantiles(lags, (0.5, 0.999))
        good, all_of = up.up - self._before[0], up.up + up.down - self._before[1]
        hour.uptime = good / all_of if all_of else 0.0
        self._before = (up.up, up.up + up.down)
        self.outcome.hours.append(hour)
        self._say(hour)

    def _grown(self) -> None:
        """Fit a line through resident memory after the warm-up."""
        warm = min(_WARM_MOST, _WARM_SHARE * self.plan.seconds)
        points = [(at, value) for at, value in self._memory if at >= warm]
        line = line_through([at / 3_600 for at, _ in points], [value for _, value in points])
        self.outcome.memory = {
            "warm_up_s": round(warm, 1),
            "measured_s": round(points[-1][0] - points[0][0], 1) if points else 0.0,
            "first_mb": points[0][1] if points else None,
            "last_mb": points[-1][1] if points else None,
            "most_mb": max((value for _, value in self._memory), default=None),
            "slope_mb_per_hour": round(line.slope, 3) if line else None,
            "slope_error": round(line.error, 3) if line else None,
            "slope_mb_per_market_hour": round(line.slope / self.plan.speed, 3) if line else None,
        }

    async def _end(self) -> None:
        """End play, lift the faults, settle."""
        await self._ask(self._url + "/sim/finish", {})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE):
                await self._ask(self._api("/api/v1/settle"), {})
        if self._noticing is not None:
            await asyncio.wait({self._noticing}, timeout=_NOTICE)
            self._noticing.cancel()
        state, status = await self._ask(self._url + "/sim/state"), await self._ask(self._api("/system/status"))
        if state is not None:
            self.outcome.faults = state["faults"]
            self.outcome.rest = state["rest"] | {"max_weight_minute": state.get("max_weight_minute")}
        if status is not None:
            self._learn(self.outcome.hours[-1], status)

    async def _prove(self) -> None:
        """Compare every row with the simulator's journal, and audit the store."""
        store = f"sqlite:///{self._store}"
        comparer = Child("comparer", self._folder / "compare.log")
        await comparer.start([str(self._folder / "journal.jsonl"), store, "sim"], module="gapless.sim.compare")
        self.outcome.proof = msgspec.json.decode(await comparer.output())
        auditor = Child("audit", self._folder / "audit.log")
        await auditor.start(["audit", "--store", store, "--json"])
        await auditor.process.communicate()
        self.outcome.audit = auditor.process.returncode
        files = [path for path in self._folder.iterdir() if path.name.startswith(self._store.name)]
        self.outcome.store = sum(path.stat().st_size for path in files)
