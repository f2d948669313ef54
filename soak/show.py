"""What is printed: a line an hour, then the figures and the verdict."""

from soak.day import Outcome
from soak.measure import Hour

UPTIME = 0.9995
SLOPE = 1.0  # MB an hour
JUDGED_FROM = 1_800.0  # real seconds after the warm-up: over less, a slope says nothing
HEAD = (
    "market hour         uptime      events  lag p50  p99.9 ms   memory MB  fds thr  cpu%   store MB  repaired  open  "
    "connects  rotated"
)


def line(hour: Hour) -> str:
    """Write one hour."""
    return (
        f"{hour.begins[:16]:17} {100 * hour.uptime:8.3f}% {hour.events:11,} {_ms(hour.lag_p50):>8} "
        f"{_ms(hour.lag_p999):>9} {hour.memory:11.1f} {hour.handles:4} {hour.threads:3} {hour.cpu:5.0f} "
        f"{hour.store / 1e6:10.1f} {hour.repaired:9,} {hour.gaps_open:5} {hour.connects:9} {hour.rotated:8}"
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def verdicts(outcome: Outcome) -> dict[str, bool | None]:
    """Judge: true, false, or None where a run is too short to be judged."""
    proof, memory = outcome.proof, outcome.memory
    whole = bool(proof) and not any(proof[name] for name in ("missing", "duplicated", "altered", "gaps_open"))
    long = memory.get("measured_s", 0.0) >= JUDGED_FROM
    slope = memory.get("slope_mb_per_hour")
    return {
        "uptime": outcome.uptime >= UPTIME,
        "ids": whole and proof["sent"]["trades"] > 0 and proof["held"] == proof["sent"] and outcome.audit == 0,
        "memory": slope is not None and slope <= SLOPE if long else None,
        "changes": all(outcome.changes.values()),
        "rotations": outcome.rotations.get("asked", 0) > 0 and not outcome.rotations["failed"],
    }


def summary(outcome: Outcome) -> str:
    """Write the figures and the verdict."""
    proof, memory = outcome.proof, outcome.memory
    judged = verdicts(outcome)
    lines = [
        "",
        f"uptime    {100 * outcome.uptime:.4f} % of {outcome.instrument_seconds:,} instrument-seconds (real), from "
        f"each instrument's first commit on; {outcome.unmeasured} not measured, counted as down",
        f"lag       p50 {_ms(outcome.lag_p50)} ms, p99.9 {_ms(outcome.lag_p999)} ms, most {_ms(outcome.lag_max)} ms: "
        "from due to seen in the store, looked for every 50 ms",
        f"memory    {memory.get('slope_mb_per_hour')} MB an hour (give or take {memory.get('slope_error')}) over "
        f"{memory.get('measured_s')} s after a warm-up of {memory.get('warm_up_s')} s; {memory.get('first_mb')} to "
        f"{memory.get('last_mb')} MB, most {memory.get('most_mb')}; "
        f"{memory.get('slope_mb_per_market_hour')} MB a market hour",
        f"process   {outcome.handles[0]} to {outcome.handles[1]} file handles, {outcome.threads[0]} to "
        f"{outcome.threads[1]} threads; store {outcome.store / 1e6:,.1f} MB",
        f"rotation  {outcome.rotations}",
        f"changes   {outcome.changes}",
        f"faults    {outcome.faults}",
        f"REST      {outcome.rest}",
        f"repaired  {outcome.repaired:,} ids, {outcome.revisions} candles revised; audit status {outcome.audit}",
        f"proof     sent {proof.get('sent')} held {proof.get('held')} missing {proof.get('missing')} doubled "
        f"{proof.get('duplicated')} altered {proof.get('altered')} gaps open {proof.get('gaps_open')}",
    ]
    lines += [f"  ! {text}" for text in proof.get("first_shortfalls", [])]
    lines += [f"  down {name}: {seconds} s" for name, seconds in outcome.down.items()]
    words = {True: "ok", False: "SHORT", None: "too short to judge"}
    lines.append(", ".join(f"{name} {words[verdict]}" for name, verdict in judged.items()))
    return "\n".join(lines)
