"""The sockets of the simulated Coinbase: first frames, numbers, heartbeats, tokens, faults, and the truth."""

import asyncio
import json
import time
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from functools import partial

import aiohttp
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gapless.derive.settle import Commit, Vouched, settle
from gapless.model import Evidence, Instrument, Trade
from gapless.model.number import scaled
from gapless.sim.coinbase.presets import ADVANCED, EXCHANGE
from gapless.sim.compare import compare
from gapless.sim.faults.script import entry_from
from gapless.sim.options import SimOptions
from gapless.sim.registry import venue_of
from gapless.store.sqlite import SqliteStore

TEXT = aiohttp.WSMsgType.TEXT
BTC, ETH = "BTC-USD", "ETH-USD"
VENUES = ("coinbase", "coinbase-advanced")
RIPE = 130  # trades after which faults may strike


def playing(running, probing, venue, act, **options):
    """Lets `act` speak to a simulator of two products through one socket."""

    async def main():
        given = {"instruments": 2, "speed": 30.0, **options}
        async with (
            running(venue=venue, **given) as url,
            probing(url) as probe,
            probe.socket("/") as socket,
            asyncio.timeout(30),
        ):
            return await act(probe, socket)

    return asyncio.run(main())


@pytest.fixture
def quick(tmp_path):
    """A script whose hearts beat four times a second, which is as often as they are looked after."""
    script = tmp_path / "quick.toml"
    script.write_text("[limits]\nheartbeat_s = 0.2\n")
    return str(script)


async def subscribe(socket, venue, *channels, products=(BTC, ETH), **more):
    if venue == "coinbase":
        await socket.send_json({"type": "subscribe", "product_ids": products, "channels": channels})
    for channel in channels if venue != "coinbase" else ():
        await socket.send_json({"type": "subscribe", "product_ids": products, "channel": channel, **more})


async def heard(socket, enough):
    """Reads frames until `enough` says yes; a frame that is no JSON is kept as text."""
    frames = []
    while not (frames and enough(frames)):
        message = await socket.receive()
        assert message.type == TEXT, message
        try:
            frames.append(json.loads(message.data))
        except ValueError:
            frames.append(message.data)
    return frames


def trades(frames, kinds=("match", "update")):
    """Lists the trades of frames of either surface, in order of arrival; batches oldest first."""
    found = []
    for frame in frames:
        if not isinstance(frame, dict):
            continue
        if frame.get("type") in kinds:
            found.append(frame)
        for event in frame.get("events", []) if frame.get("channel") == "market_trades" else ():
            found += reversed(event["trades"]) if event["type"] in kinds else ()
    return found


def numbers(frames, product, kinds=("match", "update")):
    return [int(trade["trade_id"]) for trade in trades(frames, kinds) if trade["product_id"] == product]


def unbroken(ids):
    return ids == list(range(ids[0], ids[0] + len(ids)))


def many(count):
    """Asks for so many trades; looks at every frame once."""
    seen = told = 0

    def enough(frames):
        nonlocal seen, told
        told += len(trades(frames[seen:]))
        seen = len(frames)
        return told >= count

    return enough


def test_the_exchange_begins_with_the_set_and_the_last_match_and_its_heartbeats_name_the_newest_trade(
    running, probing, quick
):
    async def act(probe, socket):
        await subscribe(socket, "coinbase", "heartbeat", "matches")
        return await heard(socket, lambda frames: sum(frame["type"] == "heartbeat" for frame in frames) >= 4)

    frames = playing(running, probing, "coinbase", act, faults=quick)
    assert [frame["type"] for frame in frames[:3]] == ["subscriptions", "last_match", "last_match"]
    newest = {}
    for frame in frames[1:]:
        if frame["type"] == "heartbeat":
            assert newest[frame["product_id"]] == frame["last_trade_id"]
            assert frame["time"].endswith(".000000Z")
        else:
            assert newest.get(frame["product_id"], frame["trade_id"] - 1) == frame["trade_id"] - 1
            newest[frame["product_id"]] = frame["trade_id"]


def test_heartbeats_go_on_when_the_market_has_stopped(running, probing, quick):
    async def act(probe, socket):
        await subscribe(socket, "coinbase", "heartbeat", "matches")
        await heard(socket, many(5))
        assert (await probe.post("/sim/finish"))["ended"]
        return await heard(socket, lambda frames: frames[-1]["type"] == "heartbeat")

    assert playing(running, probing, "coinbase", act, faults=quick)


def test_a_book_kept_from_updates_is_the_book_of_the_next_snapshot(running, probing):
    async def act(probe, socket):
        await subscribe(socket, "coinbase", "matches", "level2_batch", products=(BTC,))
        frames = await heard(socket, lambda frames: sum(frame["type"] == "l2update" for frame in frames) >= 40)
        await subscribe(socket, "coinbase", "level2_batch", products=(BTC,))
        return frames + await heard(socket, lambda frames: frames[-1]["type"] == "snapshot")

    book, checked = {}, 0
    for frame in playing(running, probing, "coinbase", act):
        if frame["type"] == "snapshot":
            whole = {("buy", *row) for row in frame["bids"]} | {("sell", *row) for row in frame["asks"]}
            checked += bool(book)
            assert not book or {(*key, size) for key, size in book.items()} == whole
            book = {(side, price): size for side, price, size in whole}
        for side, price, size in frame.get("changes", []):
            book[side, price] = size
            if not Decimal(size):
                del book[side, price]
    assert checked == 1


def test_frames_of_advanced_are_numbered_over_all_channels_and_products_share_them(running, probing):
    async def act(probe, socket):
        channels = ("heartbeats", "market_trades", "ticker", "level2", "candles", "status")
        await subscribe(socket, "coinbase-advanced", *channels)
        lacking, frames = {"heartbeats", "ticker", "l2_data", "candles", "status"}, []
        while lacking or not frames:
            frames += await heard(socket, many(1))
            lacking -= {frame["channel"] for frame in frames}
        return frames + await heard(socket, many(60))

    frames = playing(running, probing, "coinbase-advanced", act)
    assert [frame["sequence_num"] for frame in frames] == list(range(len(frames)))
    assert any(len(frame["events"]) == 2 for frame in frames if frame["channel"] == "market_trades")
    for product in (BTC, ETH):
        assert len(numbers(frames, product, ("snapshot",))) == 100
        assert unbroken(sorted({*numbers(frames, product, ("snapshot",)), *numbers(frames, product)}))
        assert unbroken(numbers(frames, product))
    first = next(frame for frame in frames if frame["channel"] == "l2_data")
    assert first["events"][0]["type"] == "snapshot"
    acknowledged = [frame for frame in frames if frame["channel"] == "subscriptions"][-1]
    assert acknowledged["events"][0]["subscriptions"] == {
        "heartbeats": ["heartbeats"],
        "status": ["status"],
        **{channel: [BTC, ETH] for channel in ("market_trades", "ticker", "level2", "candles")},
    }


def test_a_usdc_product_is_acknowledged_as_asked_and_sent_as_the_dollars(running, probing):
    async def act(probe, socket):
        await subscribe(socket, "coinbase-advanced", "market_trades", products=("BTC-USDC", BTC))
        await socket.send_json({"type": "unsubscribe", "product_ids": [BTC], "channel": "market_trades"})
        return await heard(socket, many(3))

    frames = playing(running, probing, "coinbase-advanced", act)
    assert {trade["product_id"] for trade in trades(frames)} == {BTC}
    listed = [frame["events"][0]["subscriptions"] for frame in frames if frame["channel"] == "subscriptions"]
    assert listed == [{"market_trades": ["BTC-USDC", BTC]}, {"market_trades": ["BTC-USDC"]}]


@pytest.mark.parametrize("venue", VENUES)
def test_who_subscribes_nothing_in_time_is_hung_up_on(running, probing, tmp_path, venue):
    script = tmp_path / "limits.toml"
    script.write_text("[limits]\nsubscribe_s = 0.1\n")

    async def act(probe, socket):
        return (await socket.receive()).type

    assert playing(running, probing, venue, act, faults=str(script)) == aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize("venue", VENUES)
def test_too_many_messages_are_told_and_end_the_connection(running, probing, venue):
    async def act(probe, socket):
        for _ in range(400 if venue == "coinbase" else 20):
            await socket.send_str("{}")
        messages = [await socket.receive()]
        while messages[-1].type == TEXT:
            messages.append(await socket.receive())
        return json.loads(messages[-2].data)["type"], messages[-1].data

    assert playing(running, probing, venue, act) == ("error", 1008)


@pytest.mark.parametrize("venue", VENUES)
def test_the_rest_of_a_burst_is_refused_in_the_venues_words(running, probing, venue):
    path, words = {
        "coinbase": ("/time", {"message": "Public rate limit exceeded"}),
        "coinbase-advanced": (
            "/api/v3/brokerage/time",
            {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]},
        ),
    }[venue]

    async def act(probe, socket):
        replies = await asyncio.gather(*(probe.get(path) for _ in range(40)))
        return [body for status, body, _ in replies if status == 429], (await probe.get("/sim/state"))[1]["rest"]

    refused, rest = playing(running, probing, venue, act)
    assert len(refused) >= 20
    assert refused[0] == words
    assert (rest["refused"], rest["bans_caused"], rest["while_banned"]) == (len(refused), 0, 0)


def struck(running, probing, venue, entry, count=300):
    """Lets a fault strike a ripe connection; returns the frames before and after it, and what was counted."""

    async def act(probe, socket):
        await subscribe(socket, venue, "matches" if venue == "coinbase" else "market_trades", products=(BTC,))
        before = await heard(socket, many(RIPE))
        await probe.post("/sim/fault", entry)
        after = await heard(socket, many(count))
        return before + after, (await probe.get("/sim/state"))[1]["faults"]

    return playing(running, probing, venue, act, speed=200.0)


def test_dropped_frames_of_the_exchange_leave_a_hole_in_the_ids(running, probing):
    frames, faults = struck(running, probing, "coinbase", {"kind": "drop", "count": 3})
    ids = numbers(frames, BTC)
    assert ids[-1] - ids[0] + 1 - len(ids) == faults["drop"] == 3


def test_dropped_frames_of_advanced_keep_their_numbers_so_that_a_client_can_notice(running, probing):
    frames, faults = struck(running, probing, "coinbase-advanced", {"kind": "drop", "count": 3})
    sent = [frame["sequence_num"] for frame in frames]
    assert sent[-1] + 1 - len(sent) == faults["drop"] == 3
    assert not unbroken(numbers(frames, BTC))


def test_reordered_frames_of_advanced_keep_their_numbers_and_all_arrive(running, probing):
    frames, faults = struck(
        running, probing, "coinbase-advanced", {"kind": "reorder", "rate": 0.2, "places": 5}, count=900
    )
    sent = [frame["sequence_num"] for frame in frames]
    assert sent != sorted(sent)
    assert faults["reorder"] > 0
    assert set(sent) >= set(range(max(sent) - 20))
    ordered = sorted((frame for frame in frames), key=lambda frame: frame["sequence_num"])
    assert unbroken(numbers(ordered[: ordered[-1]["sequence_num"] - 20], BTC))


@pytest.mark.parametrize("venue", VENUES)
def test_a_malformed_frame_costs_what_it_carried_and_no_more(running, probing, venue):
    frames, faults = struck(running, probing, venue, {"kind": "malformed"})
    assert faults == {"malformed": 1}
    assert len([frame for frame in frames if isinstance(frame, str)]) == 1
    if venue != "coinbase":
        sent = [frame["sequence_num"] for frame in frames if isinstance(frame, dict)]
        assert sent[-1] + 1 - len(sent) == 1


@pytest.mark.parametrize("venue", VENUES)
def test_heartbeats_are_withheld_while_trades_go_on(running, probing, quick, venue):
    def beats(frames):
        return [frame for frame in frames if "heartbeat" in (frame.get("type") or frame["channel"])]

    async def act(probe, socket):
        names = ("heartbeat", "matches") if venue == "coinbase" else ("heartbeats", "market_trades")
        await subscribe(socket, venue, *names, products=(BTC,))
        await heard(socket, lambda frames: beats(frames) and trades(frames))
        await probe.post("/sim/fault", {"kind": "heartbeats_lost", "lasts": 0.6})
        frames = await heard(socket, beats)
        return len(trades(frames)), (await probe.get("/sim/state"))[1]["faults"]

    count, faults = playing(running, probing, venue, act, faults=quick)
    assert count > 10
    assert faults["heartbeats_lost"] >= 1


KEY = ec.generate_private_key(ec.SECP256R1())


def token(expires=120):
    now = int(time.time())
    claims = {"sub": "sim-key", "iss": "cdp", "nbf": now, "exp": now + expires}
    return jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": "sim-key"})


@pytest.fixture
def demanding(tmp_path):
    """A script whose limits demand tokens of our key."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = KEY.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def write(**limits):
        script = tmp_path / "limits.toml"
        lines = {"jwt_required": "true", "jwt_key": f"'''{pem}'''", **limits}
        script.write_text("[limits]\n" + "\n".join(f"{name} = {value}" for name, value in lines.items()))
        return str(script)

    return write


@pytest.mark.parametrize("jwt_given", [None, "no.good.token", "expired"])
def test_without_a_good_token_there_is_an_error_and_a_close(running, probing, demanding, jwt_given):
    given = {"jwt": token(0) if jwt_given == "expired" else jwt_given} if jwt_given else {}

    async def act(probe, socket):
        await subscribe(socket, "coinbase-advanced", "market_trades", **given)
        return json.loads((await socket.receive()).data), (await socket.receive()).type

    said, kind = playing(running, probing, "coinbase-advanced", act, faults=demanding())
    assert said == {"type": "error", "message": "authentication failure"}
    assert kind == aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize("ends", [False, True])
def test_an_expired_token_ends_the_stream_only_where_that_is_switched_on(running, probing, demanding, ends):
    script = demanding(token_s=0.1, heartbeat_s=0.2, token_ends_stream=str(ends).lower())

    async def act(probe, socket):
        await subscribe(socket, "coinbase-advanced", "heartbeats", "market_trades", jwt=token())
        beats = 0
        while beats < 2 and (message := await socket.receive()).type == TEXT:
            beats += json.loads(message.data).get("channel") == "heartbeats"
        return message.type

    kind = playing(running, probing, "coinbase-advanced", act, faults=script)
    assert kind == (aiohttp.WSMsgType.CLOSE if ends else TEXT)


@pytest.mark.parametrize("venue", VENUES)
def test_the_presets_are_of_faults_that_the_venue_has_and_strike_soon(venue):
    described, entries = venue_of(SimOptions(venue=venue, faults="storm"))
    presets = EXCHANGE if venue == "coinbase" else ADVANCED
    assert entries == presets["storm"]
    assert {entry.kind for entry in [*presets["calm"], *entries]} <= set(described.faults)
    assert len({entry.kind for entry in entries if entry.rate or (entry.at or 0) < 10}) >= 11
    for entry in entries:
        assert entry_from({"kind": entry.kind, "at": 1}).kind == entry.kind


def instant(text):
    """Reads a time of either surface as ns."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(fraction.ljust(9, "0"))


def stored(folder, venue, told, *, later=0, without=0):
    """Keeps trades as a collector would; one of them `later` ns than it was told, the last `without` not at all."""
    store = SqliteStore(str(folder / f"{later}-{without}.db"), environment="sim")
    for product in (BTC, ETH):
        base, quote = product.split("-")
        instrument = Instrument(
            venue=venue, symbol=product, base=base, quote=quote, kind="spot", price_digits=2, size_digits=8, tick=1
        )
        store.put_instrument(instrument)
        tape = store.open_tape(instrument.id, "trade")
        rows = [
            Trade(
                int(trade["trade_id"]),
                instant(trade["time"]),
                scaled(trade["price"], 2),
                scaled(trade["size"], 8),
                -1 if trade["side"].lower() == "buy" else 1,
                1,
                int(trade["trade_id"]),
                0,
            )
            for trade in told
            if trade["product_id"] == product
        ]
        rows = rows[: len(rows) - without]
        rows[7] = msgspec.structs.replace(rows[7], time=rows[7].time + later) if later else rows[7]
        first, last = rows[0].seq, rows[-1].seq
        commit = Commit(
            now=rows[-1].time,
            known_at=1,
            primary={instrument.id: tape},
            trades=[(tape, rows)],
            vouched=[Vouched(tape, first, last, Evidence.STREAM)],
            wanted=[(tape, first, last)],
        )
        store.commit(partial(settle, commit=commit))
    store.close()
    return f"sqlite:///{store.path}"


@pytest.mark.parametrize("venue", VENUES)
def test_what_was_sent_is_the_truth_to_the_microsecond_and_its_minutes_are_compared(running, probing, tmp_path, venue):
    journal = tmp_path / "journal.jsonl"

    async def act(probe, socket):
        await subscribe(socket, venue, "matches" if venue == "coinbase" else "market_trades")
        frames = await heard(socket, many(3_200))
        await probe.post("/sim/finish")
        rows = [line for line in map(json.loads, journal.read_text().splitlines()) if line["t"] == "row"]
        last = {line["symbol"]: line["row"][0] for line in rows if line["tape"] == "trade"}
        waiting = {last[product] for product in last} - set(numbers(frames, BTC) + numbers(frames, ETH))
        while waiting:
            frames += await heard(socket, len)
            waiting -= set(numbers(frames[-1:], BTC) + numbers(frames[-1:], ETH))
        return trades(frames), rows

    told, rows = playing(running, probing, venue, act, speed=400.0, journal=journal)
    truth = defaultdict(list)
    for line in rows:
        truth[line["symbol"], line["tape"]].append(line["row"])
    for product in (BTC, ETH):
        assert [(row[0], scaled(row[3], 6), row[4]) for row in truth[product, "trade"]] == [
            (int(trade["trade_id"]), instant(trade["time"]), trade["side"].lower() == "buy")
            for trade in told
            if trade["product_id"] == product
        ]
    minutes = len(truth[BTC, "fold_1m"]) + len(truth[ETH, "fold_1m"])
    assert minutes >= 2
    tally = compare(journal, stored(tmp_path, venue, told), "sim")
    assert (tally.missing, tally.altered, tally.duplicated) == (0, 0, 0)
    assert tally.sent == tally.held == {"trades": len(told), "candles": minutes}
    tally = compare(journal, stored(tmp_path, venue, told, later=1_000), "sim")
    assert (tally.missing, tally.altered) == (0, 2)
    tally = compare(journal, stored(tmp_path, venue, told, without=len(truth[ETH, "trade"]) // 2), "sim")
    assert tally.missing == len(truth[ETH, "trade"]) // 2 * 2 + tally.sent["candles"] - tally.held["candles"]
    assert tally.held["candles"] < minutes
