"""`gapless explain`: where every part of a bar came from."""

from typing import Annotated, Any

import typer

from gapless.cli.options import AsJson, Epoch, InEnvironment, Store, environment, moment, one_of


def explain(
    instrument: Annotated[str, typer.Argument(help="An id such as binance:BTCUSDT, or any usual spelling.")],
    start: Annotated[str, typer.Argument(help="A time inside the bar: ISO 8601, epoch, now.")],
    timeframe: Annotated[str, typer.Argument(help="1m to 1440m, 1h to 24h, 1d, 1w.")],
    store: Store = None,
    json: AsJson = False,
    epoch: Epoch = None,
    env: InEnvironment = None,
) -> int:
    """Print where every part of a bar came from: the venue's bar and ours, evidence, repairs, revisions, connections.

    Exit status 1 when a minute of it is missing.
    """
    import msgspec

    from gapless.adapters import open_store
    from gapless.model import parse_timeframe
    from gapless.query.explain import explain as ask
    from gapless.query.market import Market

    frame = parse_timeframe(timeframe)
    one_of(epoch, "--epoch", ("ms", "us", "ns"))
    at = moment(start, "START")
    market = Market(open_store(store, environment=environment(env), readonly=True))
    told = ask(market, market.instrument(instrument), frame, at or 0, epoch=epoch)
    print(msgspec.json.encode(told).decode() if json else "\n".join(sentences(told)))
    return 1 if told["missing"] else 0


def sentences(told: dict[str, Any]) -> list[str]:
    """Write what `explain` found for people."""
    bar = told["candle"]
    lines = [
        f"{told['instrument']} {told['timeframe']} {told['start']} to {told['end']}"
        + (" (short)" if told["short"] else "")
    ]
    if bar["proof"] == "missing":
        lines.append("  nothing of it is held")
    else:
        lines.append(f"  {bar['state']}, {bar['proof']}, revision {bar['revision']}, served from {bar['origin']}")
        lines.append(
            f"  open {bar['open']}  high {bar['high']}  low {bar['low']}  close {bar['close']}  volume {bar['volume']}"
            f"  trades {'unknown' if bar['trades'] is None else bar['trades']}"
        )
    if told["tape"] is None:
        lines.append("No trades are collected of it: the venue's bars stand alone.")
    elif told["ids"] is None:
        lines.append(f"No trade of {told['tape']} that is held lies in it.")
    else:
        ids = told["ids"]
        lines.append(
            f"Trades of {told['tape']}: ids {ids['first']} to {ids['last']}, {ids['held']} held, {ids['rows']} rows, "
            f"{ids['voids']} void."
        )
    lines += ["Evidence:", *(_evidence(span) for span in told["spans"])] if told["spans"] else []
    lines += ["Gaps:", *(_gap(gap) for gap in told["gaps"])] if told["gaps"] else []
    lines += ["Minutes:", *_minutes(told["minutes"])]
    lines += ["Signals:", *map(_judgement, told["signals"])] if told["signals"] else []
    if told["events"]:
        lines += ["Events:", *(f"  {e['at']}  {e['kind']}  {e['subject']}{_detail(e)}" for e in told["events"])]
    if told["doubled"] is not None:
        lines.append(f"{told['doubled']} doubled events were dropped.")
    if told["spent"] is not None:
        lines.append(f"{told['spent']['requests']} requests of weight {told['spent']['weight']} were spent on it.")
    return lines


def _judgement(row: dict[str, Any]) -> str:
    side = f" {row['side']}" if row["side"] else ""
    score = f", score {row['score']:g}" if row["score"] is not None else ""
    return (
        f"  {row['known_at']}  {row['kind']}{side} {row['state']} on revision {row['revision']}, {row['proof']}{score}"
    )


def _evidence(span: dict[str, Any]) -> str:
    known = ", known " + " to ".join(dict.fromkeys(map(str, span["known"]))) if span["known"] else ""
    return f"  {span['tape']}: {span['first']} to {span['last']} ({span['ids']:,} ids) by {span['evidence']}{known}"


def _gap(gap: dict[str, Any]) -> str:
    text = f"  {gap['tape']}: {gap['first']} to {gap['last']} ({gap['ids']:,} ids), {gap['cause']} at {gap['opened']}, "
    text += gap["state"] + (f" at {gap['closed']}" if gap["closed"] else "")
    if gap["state"] == "repaired":
        text += f" by {', '.join(gap['filled_by'])}"
    return "\n".join([text + (f": {gap['reason']}" if gap["reason"] else ""), *map(_repair, gap["repairs"])])


def _repair(repair: dict[str, Any]) -> str:
    answers = f"{repair['answers']:,} answer{'' if repair['answers'] == 1 else 's'}"
    why = f" ({repair['why']})" if repair["why"] else ""
    return f"    {repair['source']}: {answers} of weight {repair['weight']:,} in {repair['ms']:,} ms{why}"


def _minutes(minutes: list[dict[str, Any]]) -> list[str]:
    """Write the minutes, those that say the same in one line."""
    lines: list[str] = []
    texts: list[tuple[str, str]] = [(str(minute["start"]), _minute(minute)) for minute in minutes]
    at = 0
    while at < len(texts):
        until = at
        while until + 1 < len(texts) and texts[until + 1][1] == texts[at][1]:
            until += 1
        span = texts[at][0] if until == at else f"{texts[at][0]} to {texts[until][0]} ({until - at + 1})"
        lines += [f"  {span}  {texts[at][1]}", *(line for m in minutes[at : until + 1] for line in _changes(m))]
        at = until + 1
    return lines


def _minute(minute: dict[str, Any]) -> str:
    if minute["proof"] == "missing":
        return "missing" if minute["tape"] is None else "forming: not closed yet"
    parts = [f"{minute['state']}, {minute['proof']}, revision {minute['revision']}, from {minute['origin']}"]
    if minute["expired"]:
        parts.append(f"its {' and '.join(minute['expired'])} have expired: as it was judged, it stands")
    if minute["edge"]:
        parts.append("the tape begins or ends in it")
    if minute["venue"] and minute["tape"]:
        parts.append(_compared(minute))
    elif minute["venue"]:
        parts.append("the venue's bar alone")
    elif minute["tape"]:
        parts.append("our fold alone")
    return "; ".join(parts)


def _compared(minute: dict[str, Any]) -> str:
    difference = minute["difference"]
    if not difference:
        return "venue and tape equal"
    shown = ", ".join(f"{name} {value}" for name, value in difference.items())
    if minute["verdict"] == "border":
        return f"venue minus tape: {shown} (an aggregate crosses the border)"
    if minute["verdict"] == "equal":
        why = "its venue rounds" if minute["venue"]["trades"] is None else "ids that were burned"
        return f"venue minus tape: {shown} ({why})"
    gone = "our trades have expired" if minute["expired"] else "our trades are not whole"
    why = "disputed" if minute["verdict"] else gone
    return f"venue minus tape: {shown} ({why})"


def _changes(minute: dict[str, Any]) -> list[str]:
    return [
        f"    revision {old['revision']} ({old['candle']['proof']}) was replaced at {old['replaced']} by "
        f"{old['cause']}: {', '.join(old['changed']) or 'nothing served'} changed"
        for old in minute["revisions"]
    ]


def _detail(event: dict[str, Any]) -> str:
    return "".join(f"  {name}={value}" for name, value in event.get("detail", {}).items())
