"""What Coinbase answers by REST, and the tokens that its messages are signed with."""

import base64
import json
from contextlib import suppress

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.errors import UNREADABLE, BadInput, BadNumber, Refused, Throttled, Unavailable
from gapless.model import MINUTE, MS, SECOND, Bar, Instrument, Tape, Trade
from gapless.model.candle import UNTOLD
from gapless.venues.registry import venue
from gapless.venues.spec import Hosts, Ids, Key, Request

EXCHANGE, ADVANCED = venue("coinbase"), venue("coinbase-advanced")
HOSTS = Hosts("https://rest", "wss://ws", None)
NOW = 1_790_733_795 * SECOND


def tape(price: int = 2, size: int = 8) -> Tape:
    return Tape(instrument="coinbase:BTC-USD", kind="trade", price_digits=price, size_digits=size)


def test_a_page_of_trades_is_walked_back_by_the_cursor_and_holds_the_ids_asked_for():
    asked = EXCHANGE.history.trades_request(HOSTS, tape(), Ids(first=100, last=130), keyed=False)
    assert asked == Request("https://rest/products/BTC-USD/trades?after=131&limit=31", 1, backward=True)
    asked = EXCHANGE.history.trades_request(HOSTS, tape(), Ids(first=100, last=9_000), keyed=False)
    assert asked.url.endswith("?after=1100&limit=1000")
    body = (
        b'[{"time":"2020-03-20T00:37:00Z","trade_id":86327328,"price":"6225.33000000","size":"0.5","side":"buy"},'
        b'{"time":"2020-03-20T00:36:59.860Z","trade_id":86327327,"price":"6225.32000000","size":"0.06469797","side":"sell"}]'
    )
    page = EXCHANGE.history.trades_page(body, tape(), None, 9)
    first, at = 86_327_327, 1_584_664_619_860 * MS
    assert page.rows == [
        Trade(first, at, 622_532, 6_469_797, 1, 1, first, 9),
        Trade(first + 1, at + 140 * MS, 622_533, 50_000_000, -1, 1, first + 1, 9),
    ]
    assert (page.first, page.last) == (first, first + 1)
    assert EXCHANGE.history.trades_page(b"[]", tape(), None, 9).rows == []


def test_trades_that_only_time_can_name_are_asked_for_between_the_rows_held():
    ids = Ids(first=8, last=9, before=(7, NOW + 1), after=(10, NOW + 3 * SECOND + 1))
    asked = ADVANCED.history.trades_request(HOSTS, tape(), ids, keyed=False)
    at = NOW // SECOND
    path = "https://rest/api/v3/brokerage/market/products/BTC-USD/ticker"
    assert asked == Request(f"{path}?limit=1000&start={at}&end={at + 4}", 1, by_id=False)
    assert ADVANCED.history.trades_request(HOSTS, tape(), Ids(first=8, last=9), keyed=False).url == f"{path}?limit=1000"
    body = (
        b'{"trades":[{"trade_id":"995098663","product_id":"BTC-USD","price":"68923.67","size":"0.00064",'
        b'"time":"2026-04-07T00:28:58.544778Z","side":"SELL","bid":"","ask":"","exchange":"coinbase"}],"best_bid":"1","best_ask":"2"}'
    )
    (row,) = ADVANCED.history.trades_page(body, tape(), None, 9).rows
    assert row == Trade(995_098_663, 1_775_521_738_544_778_000, 6_892_367, 64_000, 1, 1, 995_098_663, 9)
    assert ADVANCED.history.newest(body) == (row.seq, row.time)
    assert ADVANCED.history.newest(b'{"trades":[]}') == (-1, 0)


def test_bars_are_numbers_read_exactly_newest_first_and_tell_no_more_than_prices_and_volume():
    body = b"[[1784203260,1e-05,0.00000003,2.0E-5,0.00001,123456789012.1],[1784203200,1,3,2,1.5,0.30000000000000004]]"
    read = EXCHANGE.history.bars(body, tape(8, 1))
    assert read == [
        Bar(1_784_203_200 * SECOND, 200_000_000, 300_000_000, 100_000_000, 150_000_000, 3),
        Bar(1_784_203_260 * SECOND, 2_000, 3, 1_000, 1_000, 1_234_567_890_121),
    ]
    assert {read[0].quote_volume, read[0].trades, read[0].taker_buy_volume, read[0].first_id} == {UNTOLD, -1}
    body = (
        b'{"candles":[{"start":"1712192400","low":"66055.14","high":"66331.99","open":"66312.4","close":"66181.6",'
        b'"volume":"355.82896243"}]}'
    )
    assert ADVANCED.history.bars(body, tape()) == [
        Bar(1_712_192_400 * SECOND, 6_631_240, 6_633_199, 6_605_514, 6_618_160, 35_582_896_243)
    ]
    with pytest.raises(BadNumber, match="more than 2 digits"):
        EXCHANGE.history.bars(b"[[60,1.001,2,1,1,1]]", tape())


@pytest.mark.parametrize("market", [EXCHANGE, ADVANCED], ids=lambda one: one.name)
def test_no_page_of_bars_is_longer_than_the_venue_allows_wherever_it_ends(market):
    size = market.limits.page_bars
    for minutes in (1, 2, size, size + 1, size + 2, 10 * size):
        asked = market.history.bars_request(HOSTS, "BTC-USD", NOW, NOW + minutes * MINUTE, NOW)
        query = dict(pair.split("=") for pair in asked.url.partition("?")[2].split("&"))
        first, last = int(query["start"]), int(query["end"])
        assert first * SECOND == NOW
        assert (last - first) // 60 + 1 <= 300  # whether the last is in it or not
        assert last >= first + 60 * min(minutes, size + 1)
        assert asked.backward


def test_clocks_newest_trades_and_days_are_read():
    assert EXCHANGE.history.time(b'{"iso":"2015-01-07T23:47:25.201Z","epoch":1420674445.201}') == 1_420_674_445_201 * MS
    assert ADVANCED.history.time(b'{"iso":"","epochSeconds":"1712192400","epochMillis":"1712192400123"}') == (
        1_712_192_400_123 * MS
    )
    last = b'{"ask":"2","bid":"1","volume":"9","trade_id":7,"price":"1","size":"1","time":"2020-03-20T00:36:59.860Z"}'
    assert EXCHANGE.history.newest(last) == (7, 1_584_664_619_860 * MS)
    today = {"open": "1", "high": "3", "low": "0.5", "last": "2", "volume": "8"}
    (day,) = EXCHANGE.history.tickers(json.dumps({"A-USD": {"stats_30day": {}, "stats_24hour": today}}).encode())
    assert day.instrument == "coinbase:A-USD"
    assert {name: getattr(day, name) for name in today} == today
    assert EXCHANGE.history.newest_request(HOSTS, "A-USD").url == "https://rest/products/A-USD/ticker"
    assert ADVANCED.history.newest_request(HOSTS, "A-USD").url.endswith("/market/products/A-USD/ticker?limit=1")


def test_a_product_that_is_another_name_of_one_is_left_out():
    common = {"base_increment": "0.00000001", "quote_increment": "0.01", "price": "2", "volume_24h": "3",
              "price_percentage_change_24h": "-1", "approximate_quote_24h_volume": "6", "status": "online",
              "base_currency_id": "BTC"}  # fmt: skip
    products = [
        common | {"product_id": "BTC-USD", "quote_currency_id": "USD", "alias": "", "alias_to": ["BTC-USDC"]},
        common | {"product_id": "BTC-USDC", "quote_currency_id": "USDC", "alias": "BTC-USD"},
        common | {"product_id": "OLD-USD", "quote_currency_id": "USD", "is_disabled": True, "price_increment": "0.5"},
        common | {"product_id": "BAD-USD", "quote_currency_id": "USD", "quote_increment": "none"},
    ]
    body = json.dumps({"products": products}).encode()
    assert ADVANCED.history.instruments(body) == [
        Instrument(
            venue="coinbase-advanced", symbol="BTC-USD", base="BTC", quote="USD", kind="spot", price_digits=2,
            size_digits=8, tick=1,
        ),
        Instrument(
            venue="coinbase-advanced", symbol="OLD-USD", base="BTC", quote="USD", kind="spot", price_digits=1,
            size_digits=8, tick=5, status="halted",
        ),
    ]  # fmt: skip
    assert [(one.instrument, one.last, one.quote_volume) for one in ADVANCED.history.tickers(body)][:2] == [
        ("coinbase-advanced:BTC-USD", "2", "6"), ("coinbase-advanced:OLD-USD", "2", "6")
    ]  # fmt: skip


def test_an_empty_bucket_asks_for_a_second_and_nothing_is_a_ban():
    for market in (EXCHANGE, ADVANCED):
        refusal = market.history.refusal
        assert refusal(200, {}, b"", 0) is None
        throttled = refusal(429, {}, b'{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}', 0)
        assert isinstance(throttled, Throttled)
        assert throttled.wait == SECOND
        for status in (500, 502, 503, 403):
            assert isinstance(refusal(status, {}, b"<html>", 0), Unavailable)
        no = refusal(404, {}, b'{"message":"NotFound"}', 0)
        assert isinstance(no, Refused)
        assert (no.status, no.text) == (404, "NotFound")
        assert market.history.used_weight({}) is None


def test_addresses_of_each_environment():
    assert EXCHANGE.hosts("live", None).websocket == "wss://ws-feed.exchange.coinbase.com"
    assert EXCHANGE.hosts("sim", "http://127.0.0.1:9/") == Hosts("http://127.0.0.1:9", "ws://127.0.0.1:9", None)
    with pytest.raises(BadInput, match=r"venues\.coinbase-advanced\.sim_url must be the address of a simulator"):
        ADVANCED.hosts("sim", None)


JSON = st.recursive(
    st.none() | st.integers() | st.floats() | st.sampled_from(["1e999", "NaN", "-1", "0.1", "", "x"]),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(
        st.sampled_from(["trades", "candles", "trade_id", "price", "start", "epoch", "epochMillis"]), inner, max_size=4
    ),
    max_leaves=8,
)  # fmt: skip
TRADE = {
    "trade_id": "7",
    "product_id": "A-USD",
    "price": "1",
    "size": "2",
    "time": "2026-09-30T02:39:59Z",
    "side": "BUY",
}
CANDLE = {"start": "60", "low": "1", "high": "1", "open": "1", "close": "1", "volume": "1"}


def fields(body: bytes, read) -> None:
    with suppress(*UNREADABLE):
        read(body)


@pytest.mark.parametrize("market", [EXCHANGE, ADVANCED], ids=lambda one: one.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_garbled_reply_is_unreadable_or_no_number_and_nothing_else(market, data):
    garbage = data.draw(JSON)
    spoilt = [
        {key: garbage if key == data.draw(st.sampled_from(sorted(one))) else value for key, value in one.items()}
        for one in (TRADE, CANDLE)
    ]
    answers = market.history
    for reply in (garbage, {"epoch": garbage}, {"epochMillis": garbage}, {"trades": spoilt[:1]}, spoilt[:1], spoilt[0]):
        for read in (answers.time, answers.newest, answers.instruments, answers.tickers):
            fields(json.dumps(reply).encode(), read)
    for reply in (garbage, {"trades": spoilt[:1]}, spoilt[:1]):
        with suppress(*UNREADABLE, BadNumber):
            answers.trades_page(json.dumps(reply).encode(), tape(), None, 0)
    for reply in (garbage, {"candles": spoilt[1:]}, [[60, 1, 1, 1, 1, garbage]]):
        with suppress(*UNREADABLE, BadNumber):
            answers.bars(json.dumps(reply).encode(), tape())


# Tokens


def pem(private, form=PrivateFormat.PKCS8) -> str:
    return private.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


EC, ED = generate_private_key(SECP256R1()), Ed25519PrivateKey.generate()
RAW = ED.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
PUBLIC = ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
SECRETS = {
    "ec": (pem(EC), EC.public_key(), "ES256"),
    "ec on one line": (pem(EC).replace("\n", "\\n"), EC.public_key(), "ES256"),
    "ec as it is given": (pem(EC, PrivateFormat.TraditionalOpenSSL), EC.public_key(), "ES256"),
    "ed": (pem(ED), ED.public_key(), "EdDSA"),
    "ed as it is given": (base64.b64encode(RAW + PUBLIC).decode(), ED.public_key(), "EdDSA"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SECRETS)
def test_a_token_is_signed_for_two_minutes_of_the_time_that_is_given(kind):
    secret, public, algorithm = SECRETS[kind]
    assert ADVANCED.sign is not None
    token = ADVANCED.sign(Key("organizations/o/apiKeys/k", secret), NOW + 7, "nonce-1")
    unchecked = dict.fromkeys(("verify_exp", "verify_nbf"), False)
    assert jwt.decode(token, public, algorithms=[algorithm], options=unchecked) == {
        "sub": "organizations/o/apiKeys/k", "iss": "cdp", "nbf": NOW // SECOND, "exp": NOW // SECOND + 120,
    }  # fmt: skip
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["kid"], header["nonce"]) == (algorithm, "organizations/o/apiKeys/k", "nonce-1")
    assert ADVANCED.token_life == 120 * SECOND
    assert EXCHANGE.sign is None


RSA = pem(rsa(65_537, 1_024))


@pytest.mark.parametrize(
    "secret",
    ["no key at all", pem(EC)[:60], pem(EC).replace("A", "B"), pem(generate_private_key(SECP384R1())), RSA,
     base64.b64encode(b"short").decode()],
    ids=["text", "cut", "spoilt", "other curve", "rsa", "short"],
)  # fmt: skip
def test_a_key_that_cannot_sign_is_refused_in_one_sentence_that_does_not_show_it(secret):
    assert ADVANCED.sign is not None
    with pytest.raises(BadInput) as refused:
        ADVANCED.sign(Key("name", secret), NOW, "n")
    assert str(refused.value) == (
        "this is no private key that signs tokens; allowed are PEM of an ECDSA P-256 key, and an Ed25519 key"
    )
    assert refused.value.__cause__ is None
    assert secret not in repr(Key("name", secret))
