"""Runs a demonstration from start to proof."""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from gapless.demo.plan import Files, Plan, files_of
from gapless.demo.processes import Child, free_port
from gapless.demo.view import View, summary
from gapless.errors import CouldNot
from gapless.venues.registry import venue as known_venue

KINDS = (
    "disconnect", "reset", "half_open", "silent", "drop", "double", "reorder", "delay", "late_close", "missing_close",
    "malformed", "http_429", "http_418", "http_5xx", "rest_lag", "page_split",
)  # fmt: skip
_PLAY = 60.0
_SETTLE = 180.0
_POLL = 0.25


async def show(plan: Plan) -> int:
    """Run a demonstration; 0 only when nothing is missing, doubled or altered and no gap is open."""
    known_venue(plan.venue)
    folder = Path(tempfile.mkdtemp(prefix="gapless-demo-"))
    try:
        files = files_of(plan, folder)
        result = await _play(plan, files)
    finally:
        if plan.keep and not plan.store:
            print(f"kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if plan.json:
        print(msgspec.json.encode(result).decode())
    else:
        print(summary(result))
    return 0 if not any(result[name] for name in ("missing", "duplicated", "altered", "gaps_open")) else 1


async def _play(plan: Plan, files: Files) -> dict[str, Any]:
    began = time.monotonic()
    sim, service = Child("simulator", files.logs / "sim.log"), Child("service", files.logs / "run.log")
    try:
        await sim.start(_sim_arguments(plan, files))
        world = msgspec.json.decode(await sim.line())
        port = free_port()
        await service.start(_run_arguments(plan, files, world, port), state=files.state)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SETTLE + 20)) as http:
            watch = _Watch(plan, http, world["url"], f"http://127.0.0.1:{port}", sim, service)
            status, state = await watch.to_the_end()
        await service.stop()
        comparer = Child("comparer", files.logs / "compare.log")
        await sim.stop()
        await comparer.start([str(files.journal), files.store_url, "sim"], module="gapless.sim.compare")
        found = msgspec.json.decode(await comparer.output())
    finally:
        await service.stop()
        await sim.stop()
    return {
        "sent": found["sent"],
        "held": found["held"],
        "missing": found["missing"],
        "duplicated": found["duplicated"],
        "altered": found["altered"],
        "repaired": status["gaps"]["ids"],
        "gaps_open": found["gaps_open"],
        "faults": dict.fromkeys(KINDS, 0) | state["faults"],
        "rest": state["rest"] | {"max_weight_minute": state.get("max_weight_minute")},
        "seconds": round(time.monotonic() - began, 1),
        "shortfalls": found["first_shortfalls"],
    }


def _sim_arguments(plan: Plan, files: Files) -> list[str]:
    arguments = [
        "sim", "--venue", plan.venue, "--port", "0", "--speed", str(plan.speed), "--seed", str(plan.seed),
        "--instruments", str(plan.instruments), "--faults", plan.faults, "--journal", str(files.journal),
        "--world", str(files.world), "--json",
    ]  # fmt: skip
    for capture in plan.captures:
        arguments += ["--capture", str(capture)]
    return arguments


def _run_arguments(plan: Plan, files: Files, world: dict[str, Any], port: int) -> list[str]:
    prefix = f"venues.{plan.venue}"
    sets = [
        f"{prefix}.environment=sim", f"{prefix}.sim_url={world['url']}",
        *([f"{prefix}.api_key={world['api_key']}"] if world["api_key"] else []),
        f'serve.listen=["127.0.0.1:{port}"]', "store.min_free=0", *plan.sets,
    ]  # fmt: skip
    ids = [f"{plan.venue}:{symbol}" for symbol in world["symbols"]]
    return ["run", *ids, "--store", files.store_url, *(x for text in sets for x in ("--set", text))]


class _Watch:
    """Follows a demonstration to its end: play, finish, settle."""

    def __init__(
        self, plan: Plan, http: aiohttp.ClientSession, sim_url: str, api: str, sim: Child, service: Child
    ) -> None:
        self._plan = plan
        self._http = http
        self._sim_url = sim_url
        self._api = api
        self._children = (sim, service)

    async def to_the_end(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give the service's last status and the simulator's last state."""
        limit = self._plan.duration or (None if self._plan.captures else _PLAY)
        began: float | None = None
        with View(self._plan, limit) as view:
            while True:
                state, status = await self._state(), await self._status()
                if state["playing"] and began is None:
                    began = time.monotonic()
                elapsed = time.monotonic() - began if began else 0.0
                view.show(state, status, elapsed)
                if status is not None and (state["ended"] or (limit and elapsed >= limit)):
                    break
                await asyncio.sleep(_POLL)
            await self._http.post(f"{self._sim_url}/sim/finish")
            view.say("play has ended, faults are lifted: settling")
            await self._settle()
            status, state = await self._status(), await self._state()
            assert status is not None
            view.show(state, status, elapsed)
        return status, state

    async def _settle(self) -> None:
        try:
            async with asyncio.timeout(_SETTLE), self._http.post(f"{self._api}/api/v1/settle") as reply:
                await reply.read()
        except TimeoutError:
            return

    async def _state(self) -> dict[str, Any]:
        state = await self._json(f"{self._sim_url}/sim/state")
        if state is None:
            raise CouldNot("the simulator does not answer")
        return state

    async def _status(self) -> dict[str, Any] | None:
        return await self._json(f"{self._api}/system/status")

    async def _json(self, url: str) -> dict[str, Any] | None:
        for child in self._children:
            if child.ended:
                raise await child.failure()
        try:
            async with self._http.get(url) as reply:
                return msgspec.json.decode(await reply.read(), type=dict[str, Any])
        except aiohttp.ClientError:
            return None
