"""What the simulated Coinbase says to what clients say, and whose tokens it takes."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gapless.sim.coinbase.advanced import control as advanced
from gapless.sim.coinbase.advanced.token import Desk
from gapless.sim.coinbase.bucket import Bucket
from gapless.sim.coinbase.exchange import control as exchange
from gapless.sim.coinbase.settings import ADVANCED, EXCHANGE, settings_with
from gapless.sim.errors import SimError

NOW = 1_700_000_000.0
CLOSED = (
    "level2, level3, and full channels now require authentication. "
    "https://docs.cloud.coinbase.com/exchange/docs/websocket-auth"
)


def trouble(product):
    return {"BTC-USD": None, "ETH-USD": None, "YFI-USD": "YFI-USD is delisted"}.get(
        product, f"{product} is not a valid product"
    )


def said(message, held=None):
    """Gives a message to the Exchange; returns its errors, the set that it lists, and what was asked for."""
    held = {} if held is None else held
    outcome = exchange.answer(message if isinstance(message, str) else json.dumps(message), held, trouble)
    frames = [json.loads(text) for text in outcome.frames]
    errors = [(frame["message"], frame.get("reason")) for frame in frames if frame["type"] == "error"]
    listed = [frame for frame in frames if frame["type"] == "subscriptions"]
    channels = {c["name"]: c["product_ids"] for c in listed[0]["channels"]} if listed else None
    assert not listed or all(channel["account_ids"] is None for channel in listed[0]["channels"])
    return errors, channels, outcome


def test_channels_are_acknowledged_under_the_venues_names():
    _, listed, _ = said(
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2_batch", "ticker_batch", "heartbeat"]}
    )
    assert listed == {"level2_50": ["BTC-USD"], "ticker_1000": ["BTC-USD"], "heartbeat": ["BTC-USD"]}


def test_products_of_a_channel_come_on_top_of_those_of_the_message():
    channels = ["matches", {"name": "ticker", "product_ids": ["ETH-USD"]}]
    _, listed, _ = said({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": channels})
    assert listed == {"matches": ["BTC-USD"], "ticker": ["BTC-USD", "ETH-USD"]}


def test_an_invalid_product_costs_one_error_a_channel_and_the_others_stay_subscribed():
    errors, listed, _ = said(
        {"type": "subscribe", "product_ids": ["XRP-USD", "BTC-USD"], "channels": ["matches", "heartbeat"]}
    )
    assert errors == [("Failed to subscribe", "XRP-USD is not a valid product")] * 2
    assert listed == {"matches": ["BTC-USD"], "heartbeat": ["BTC-USD"]}


def test_nothing_but_invalid_products_leaves_an_empty_list_and_no_close():
    errors, listed, _ = said({"type": "subscribe", "product_ids": ["YFI-USD"], "channels": ["matches"]})
    assert errors == [("Failed to subscribe", "YFI-USD is delisted")]
    assert listed == {}


@pytest.mark.parametrize("channel", ["level2", "level3", "full"])
def test_channels_that_need_a_key_are_refused(channel):
    errors, listed, _ = said({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": [channel, "matches"]})
    assert errors == [("Failed to subscribe", CLOSED)]
    assert listed == {"matches": ["BTC-USD"]}


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("{", ("Malformed JSON", None)),
        ({"type": "jump"}, ("Type has to be either subscribe or unsubscribe", None)),
        ({"type": "subscribe", "product_ids": ["BTC-USD"]}, ("Failed to subscribe", "No channels provided")),
        (
            {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["trades"]},
            ("Failed to subscribe", "trades is not a valid channel"),
        ),
        ({"type": "subscribe", "channels": ["matches"]}, ("Failed to subscribe", " is not a valid product")),
    ],
)
def test_what_cannot_be_understood_is_told_and_changes_nothing(message, error):
    held = {"ticker": ["ETH-USD"]}
    errors, _, _ = said(message, held)
    assert errors == [error]
    assert held == {"ticker": ["ETH-USD"]}


def test_to_ask_again_brings_the_first_frames_again():
    held = {}
    said({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]}, held)
    _, listed, outcome = said({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]}, held)
    assert listed == {"matches": ["BTC-USD"]}
    assert outcome.asked == [("matches", "BTC-USD")]


def test_to_leave_a_channel_or_a_product_lists_what_remains():
    held = {"matches": ["BTC-USD", "ETH-USD"], "heartbeat": ["BTC-USD", "ETH-USD"]}
    _, listed, _ = said({"type": "unsubscribe", "channels": ["heartbeat"]}, held)
    assert listed == {"matches": ["BTC-USD", "ETH-USD"]}
    _, listed, outcome = said({"type": "unsubscribe", "product_ids": ["ETH-USD"]}, held)
    assert listed == {"matches": ["BTC-USD"]}
    assert outcome.dropped == [("matches", "ETH-USD")]
    assert said({"type": "unsubscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]}, held)[1] == {}


def advised(message, held):
    return advanced.answer(message, held, lambda name: name in ("BTC-USD", "BTC-USDC", "ETH-USD"))


def test_advanced_takes_one_channel_a_message_and_lists_the_whole_set():
    held = {}
    assert advised({"type": "subscribe", "channel": "heartbeats"}, held).listed
    out = advised({"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"], "channel": "level2"}, held)
    assert (out.asked, out.error, out.listed) == (["BTC-USD", "ETH-USD"], None, True)
    assert held == {"heartbeats": [], "level2": ["BTC-USD", "ETH-USD"]}
    assert advised({"type": "unsubscribe", "product_ids": ["ETH-USD"], "channel": "level2"}, held).dropped == [
        "ETH-USD"
    ]
    assert advised({"type": "unsubscribe", "channel": "level2"}, held).dropped == ["BTC-USD"]
    assert held == {"heartbeats": []}


@pytest.mark.parametrize("channel", ["heartbeat", "user", "matches"])
def test_a_misspelt_channel_is_an_authentication_failure_as_clients_report(channel):
    out = advised({"type": "subscribe", "product_ids": ["BTC-USD"], "channel": channel}, {})
    assert (out.error, out.listed) == ("authentication failure", False)


def test_an_unknown_product_of_advanced_does_not_cost_the_others():
    held = {}
    out = advised({"type": "subscribe", "product_ids": ["NO-USD", "BTC-USD"], "channel": "ticker"}, held)
    assert out.error == "NO-USD is not a valid product"
    assert held == {"ticker": ["BTC-USD"]}


KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ed25519.Ed25519PrivateKey.generate()
NAME = "organizations/1/apiKeys/2"


def public(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def token(key=KEY, kid=NAME, **claims):
    body = {"sub": NAME, "iss": "cdp", "nbf": int(NOW), "exp": int(NOW) + 120, **claims}
    return jwt.encode(body, key, algorithm="ES256" if key is KEY else "EdDSA", headers={"kid": kid, "nonce": "1"})


def test_a_token_is_good_for_two_minutes():
    desk = Desk(NAME, public(KEY))
    assert desk.until(token(), NOW) == NOW + 120
    assert desk.until(token(), NOW + 119) == NOW + 120
    assert desk.until(token(), NOW + 120) is None
    assert Desk(NAME, public(OTHER)).until(token(OTHER), NOW) == NOW + 120
    assert Desk(NAME, public(KEY), life_s=120.0).until(token(exp=int(NOW) + 600), NOW) is None
    assert Desk(NAME, None).until(token(), NOW) == NOW + 120  # no key given: the signature is not looked at


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: token(kid="another"),
        lambda: token(sub="another"),
        lambda: token(iss="me"),
        lambda: token(nbf=int(NOW) + 60, exp=int(NOW) + 120),
        lambda: token(exp=None),
        lambda: token(OTHER),
        lambda: token()[:-8] + "AAAAAAAA",
        lambda: "no.token.here",
        lambda: None,
        lambda: 7,
    ],
)
def test_what_is_no_good_token_is_refused(wrong):
    assert Desk(NAME, public(KEY)).until(wrong(), NOW) is None


def test_the_bucket_allows_a_burst_and_then_its_rate():
    bucket = Bucket(10.0, 15.0)
    assert [bucket.enter("a", 1, NOW) for _ in range(16)] == ["ok"] * 15 + ["429"]
    assert bucket.enter("b", 1, NOW) == "ok"
    assert [bucket.enter("a", 1, NOW + 0.35) for _ in range(4)] == ["ok"] * 3 + ["429"]
    assert bucket.enter("a", 1, NOW + 0.45) == "ok"
    assert [bucket.enter("a", 1, NOW + 60) for _ in range(16)].count("ok") == 15
    assert (bucket.totals.refused, bucket.totals.bans) == (3, 0)
    assert bucket.change(0.5) == "5 a second instead of 10"
    assert [bucket.enter("c", 1, NOW) for _ in range(9)].count("ok") == 7


@pytest.mark.parametrize(
    ("standard", "given", "words"),
    [
        (EXCHANGE, {"page": 100}, "unknown limit 'page'"),
        (ADVANCED, {"before": "newest"}, "unknown limit 'before'"),
        (EXCHANGE, {"before": "oldest"}, "allowed are newest, adjacent"),
        (ADVANCED, {"side": "buyer"}, "allowed are maker, taker"),
        (ADVANCED, {"jwt_required": 1}, "is not true or false"),
        (ADVANCED, {"token_s": -1}, "is not a number"),
    ],
)
def test_limits_of_a_fault_file_are_told_when_they_make_no_sense(standard, given, words):
    with pytest.raises(SimError, match=words):
        settings_with(standard, given)
