"""The settings: whose word counts, and what a wrong one is answered with."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gapless.config import EXPLAINED, Settings, commented, load
from gapless.errors import BadInput, UnknownName

VENUES = ("binance", "binance-spot")


def settings(
    *sets: str, environ: dict[str, str] | None = None, toml: str | bytes | None = None, folder: Path | None = None
) -> Settings:
    file = (folder or Path("/nonexistent")) / "gapless.toml"
    if toml is not None:
        file.write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    return load(sets=sets, environ=environ or {}, file=file, venues=VENUES)


def test_nothing_needs_to_be_set() -> None:
    plain = settings()
    assert plain.store.url == "sqlite:///gapless.db"
    assert (plain.collect.history, plain.collect.resume_within) == ("180m", "7d")
    assert plain.serve.listen == ("127.0.0.1:8787",)
    assert plain.venue("binance").environment == "live"


def test_set_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path) -> None:
    toml = '[store]\nurl = "sqlite:///file.db"\n[collect]\nhistory = "60m"\n[venues.binance]\napi_key = "of-file"\n'
    environ = {"GAPLESS_STORE": "sqlite:///env.db", "GAPLESS_BINANCE_API_KEY": "of-env"}
    by_file = settings(toml=toml, folder=tmp_path)
    assert (by_file.store.url, by_file.collect.history, by_file.venue("binance").api_key) == (
        "sqlite:///file.db", "60m", "of-file",
    )  # fmt: skip
    by_environment = settings(environ=environ, toml=toml, folder=tmp_path)
    assert (by_environment.store.url, by_environment.venue("binance").api_key) == ("sqlite:///env.db", "of-env")
    by_set = settings("store.url=sqlite:///set.db", "venues.binance.api_key=of-set", environ=environ)
    assert (by_set.store.url, by_set.venue("binance").api_key) == ("sqlite:///set.db", "of-set")


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert settings(environ={"GAPLESS_STORE": ""}).store.url == "sqlite:///gapless.db"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("store.min_free=5", 5),
        ("collect.tickers=false", False),
        ("venues.binance.sim_url=http://127.0.0.1:1", "http://127.0.0.1:1"),
        ('venues.binance.sim_url="http://127.0.0.1:1"', "http://127.0.0.1:1"),
        ("venues.binance-spot.api_key=", ""),
        ("venues.binance.api_key=a=b", "a=b"),
        (' collect.books = ["binance:BTCUSDT"] ', ["binance:BTCUSDT"]),
    ],
)
def test_a_value_is_read_as_toml_would_and_as_text_where_it_is_none(text: str, value: object) -> None:
    path = text.partition("=")[0].strip().split(".")
    found: object = settings(text)
    for part in path:
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    assert found == value


WRONG = {
    "collect.histroy=1m": "there is no setting collect.histroy; allowed are .* did you mean history",
    "colect.history=1m": "there is no setting colect; allowed are .* did you mean collect",
    "venues.binanse.reserve=1": "venues.binanse: there is no such venue; allowed are .* did you mean binance",
    "venues.binance.trade_stream=x": "there is no setting venues.binance.trade_stream; .* did you mean trades_stream",
    "venues.binance.books_stream=depth5": "venues.binance.books_stream: 'depth5' is not allowed; there is but one",
    "venues.binance.trades_stream=trades": "venues.binance.trades_stream: 'trades' is not allowed; allowed are aggT",
    "venues.binance.environment=simm": "venues.binance.environment: .*simm.* allowed are live, demo, sim",
    "venues.binance.reserve=-1": "venues.binance.reserve: -1 is not allowed; allowed are 0 to 2399$",
    "venues.binance.reserve=2400": "reserve: 2400 is not allowed; 2400 a minute may be spent, and some .* 0 to 2399$",
    "venues.binance.weight_per_minute=0": "venues.binance.weight_per_minute: 0 is not allowed; allowed are 1 to 2400$",
    "venues.binance.weight_per_minute=-5": "venues.binance.weight_per_minute: -5 is not allowed; allowed are 1 to 2400",
    "venues.binance.weight_per_minute=5000": (
        "venues.binance.weight_per_minute: 5000 is not allowed; the venue allows 2400 a minute; allowed are 1 to 2400$"
    ),
    "venues.binance-spot.weight_per_minute=6001": "the venue allows 6000 a minute; allowed are 1 to 6000$",
    "venues.binance.weight_per_minute=much": "venues.binance.weight_per_minute: Expected `int`, got `str`$",
    "venues.binance.weight_per_minute=1e3": "venues.binance.weight_per_minute: Expected `int`, got `float`$",
    "venues.binance.requests_per_hour=0": "venues.binance.requests_per_hour: 0 is not allowed; 1 or more is$",
    "venues.binance.requests_per_hour=-1": "venues.binance.requests_per_hour: -1 is not allowed; 1 or more is$",
    "venues.binance.requests_per_hour=true": "venues.binance.requests_per_hour: Expected `int`, got `bool`$",
    "venues.binance.min_interval_ms=-1": "venues.binance.min_interval_ms: -1 is not allowed; allowed are 0 to 3600000$",
    "venues.binance.min_interval_ms=3600001": "min_interval_ms: 3600001 is not allowed; a request an hour is the least",
    "venues.binance.products_per_connection=0": "products_per_connection: 0 is not allowed; 1 or more is$",
    "venues.binance.streams_per_connection=0": "streams_per_connection: 0 is not allowed; allowed are 1 to 200$",
    "venues.binance.streams_per_connection=201": "the venue allows 200 a connection; allowed are 1 to 200$",
    "venues.binance.connects_per_5m=0": "connects_per_5m: 0 is not allowed; allowed are 1 to 300$",
    "venues.binance.connects_per_5m=301": "the venue allows 300 in five minutes; allowed are 1 to 300$",
    "venues.binance.reconnect_limit=-1": "venues.binance.reconnect_limit: -1 is not allowed; 0 or more is$",
    "venues.binance.archive=maybe": "venues.binance.archive: Expected `bool`, got `str`$",
    "venues.binance.reserve=many": "venues.binance.reserve: Expected `int`, got `str`",
    "venues=3": "venues: ",
    "venues.binance=3": "venues",
    "collect=3": "collect: ",
    "store.url.file=x": "store.url: ",
    "store.url=3": "store.url: Expected `str`, got `int`",
    "store.durability=paranoid": "store.durability: 'paranoid' is not allowed; allowed are normal, full",
    "collect.history=soon": "collect.history: 'soon' is no duration",
    "collect.resume_within=-7d": "collect.resume_within: '-7d' is no duration",
    "collect.instruments=binance:BTCUSDT": "collect.instruments: Expected `array`, got `str`",
    "serve.listen=8787": "serve.listen: Expected `array`, got `int`",
    'collect.priority=["BTCUSDT"]': "collect.priority: 'BTCUSDT' names no venue; an id is venue:symbol$",
    'collect.books=["binanse:BTCUSDT"]': "collect.books: 'binanse:BTCUSDT' names no venue; an id is venue:symbol$",
    "collect.history": "--set 'collect.history' must be key=value",
    "=3": "--set '=3' must be key=value",
    "a..b=3": "there is no setting a",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_key_or_value_is_named_with_what_is_allowed(text: str) -> None:
    with pytest.raises(BadInput, match=WRONG[text]) as caught:
        settings(text)
    assert "\n" not in str(caught.value)


def test_a_reserve_must_leave_something_of_ones_own_ceiling() -> None:
    mine = "venues.binance.weight_per_minute=100"
    assert settings(mine, "venues.binance.reserve=99").venue("binance").reserve == 99
    with pytest.raises(BadInput, match="reserve: 100 is not allowed; 100 a minute may be spent"):
        settings(mine, "venues.binance.reserve=100")


def test_an_impossible_budget_is_refused_in_the_simulated_environment_too() -> None:
    with pytest.raises(BadInput, match="the venue allows 2400 a minute"):
        settings("venues.binance.environment=sim", "venues.binance.weight_per_minute=2401")


def test_a_simulators_attempts_to_connect_can_be_raised() -> None:
    raised = settings("venues.binance.environment=sim", "venues.binance.connects_per_5m=20000")
    assert raised.venue("binance").connects_per_5m == 20_000


def test_an_unknown_name_is_told_from_a_wrong_value() -> None:
    with pytest.raises(UnknownName):
        settings("collect.histroy=1m")


@pytest.mark.parametrize(
    "toml", ["[collect", "collect = 3 = 4", b"\xff\xfe\x00", "[collect]\nhistory = '1m'\nhistory = '2m'"]
)
def test_a_file_that_is_no_toml_is_named(toml: str | bytes, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gapless.toml is not valid TOML"):
        settings(toml=toml, folder=tmp_path)


def test_a_wrong_key_in_the_file_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"there is no setting serve.port; .*"):
        settings(toml="[serve]\nport = 3\n", folder=tmp_path)


def test_what_print_config_writes_loads_again_to_the_same_settings(tmp_path: Path) -> None:
    written = settings(toml=commented(VENUES), folder=tmp_path)
    plain = settings()
    for name in VENUES:
        plain.venue(name)
    assert written == plain


def test_print_config_shows_each_venues_own_limits_where_nothing_is_set() -> None:
    shown = [line.partition(" #")[0].rstrip() for line in commented(VENUES).splitlines()]
    assert [line for line in shown if "weight_per_minute" in line] == [
        "# weight_per_minute = 2400", "# weight_per_minute = 6000",
    ]  # fmt: skip
    assert [line for line in shown if "connects_per_5m" in line] == ["# connects_per_5m = 300"] * 2


def test_every_setting_is_explained() -> None:
    text = commented(VENUES)
    for line in text.splitlines():
        if "=" in line and not line.startswith("# gapless.toml"):
            assert line.rpartition("# ")[2].strip() in EXPLAINED.values(), line


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("ENABLE_WEBSOCKET_FEEDS", "false", "collect.streams", False),
        ("ENABLE_WEBSOCKET_FEEDS", "True", "collect.streams", True),
        ("PRIMARY_EXCHANGE", "binance-spot", "consolidate.primary", "binance-spot"),
        ("ENABLE_FAILOVER", "0", "consolidate.failover", False),
        ("MAX_SOURCE_LATENCY", "250", "consolidate.max_latency_ms", 250),
        ("CONFLICT_RESOLUTION", "average", "consolidate.resolution", "average"),
        ("MONITORING_CRYPTOS", "BTC-USD, ETH-USD,", "collect.products", ["BTC-USD", "ETH-USD"]),
        ("TOP_USD_PAIRS", "100", "collect.top", 100),
        ("PRODUCTS_PER_CONNECTION", "15", "collect.products_per_connection", 15),
        ("VOLUME_THRESHOLD", "2.25", "signals.volume_spike.threshold", 2.25),
        ("VOLUME_THRESHOLD", "2", "signals.volume_spike.threshold", 2.0),
        ("WINDOW_MINUTES", "15", "signals.volume_spike.window_minutes", 15),
    ],
)
def test_a_variable_of_the_seeds_sets_what_it_set_there(variable: str, text: str, key: str, value: object) -> None:
    found: object = settings(environ={variable: text})
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value
    if isinstance(value, bool):
        by_set: object = settings(f"{key}={str(not value).lower()}", environ={variable: text})
        for part in key.split("."):
            by_set = getattr(by_set, part)
        assert by_set is not value


def test_products_of_a_connection_are_those_of_its_venue_before_those_of_all() -> None:
    both = settings("venues.binance.products_per_connection=4", environ={"PRODUCTS_PER_CONNECTION": "15"})
    assert both.venue("binance").products_per_connection == 4
    assert both.venue("binance-spot").products_per_connection == 15
    assert settings().venue("binance").products_per_connection is None


BAD_VARIABLES = {
    "ENABLE_WEBSOCKET_FEEDS=perhaps": "^ENABLE_WEBSOCKET_FEEDS: 'perhaps' is not allowed; allowed are true and false$",
    "MAX_SOURCE_LATENCY=fast": "^MAX_SOURCE_LATENCY: 'fast' is not allowed; allowed is a whole number$",
    f"MAX_SOURCE_LATENCY={'9' * 400}": "^MAX_SOURCE_LATENCY: '9+' is not allowed; allowed is a whole number$",
    "MAX_SOURCE_LATENCY=0": "^MAX_SOURCE_LATENCY: 0 is not allowed; 1 or more is$",
    "PRIMARY_EXCHANGE=binanse": "^PRIMARY_EXCHANGE: there is no venue 'binanse'; allowed are binance, ",
    "TOP_USD_PAIRS=all": "^TOP_USD_PAIRS: 'all' is not allowed; allowed is a whole number$",
    "TOP_USD_PAIRS=-1": "^TOP_USD_PAIRS: -1 is not allowed; allowed are 0 to 10000$",
    "PRODUCTS_PER_CONNECTION=0": "^PRODUCTS_PER_CONNECTION: 0 is not allowed; 1 or more is$",
    "VOLUME_THRESHOLD=high": "^VOLUME_THRESHOLD: 'high' is not allowed; allowed is a number$",
    "VOLUME_THRESHOLD=0": "^VOLUME_THRESHOLD: 0.0 is not allowed; allowed are 0.1 to 1000$",
    "WINDOW_MINUTES=90": "^WINDOW_MINUTES: 90 is not allowed; allowed are 1 to 60$",
    "CONFLICT_RESOLUTION=best": "^CONFLICT_RESOLUTION: .*best.*allowed are primary, latest, average",
}


@pytest.mark.parametrize("text", BAD_VARIABLES)
def test_a_bad_variable_is_told_by_its_own_name(text: str) -> None:
    variable, _, value = text.partition("=")
    with pytest.raises(BadInput, match=BAD_VARIABLES[text]):
        settings(environ={variable: value})


def test_a_source_belongs_to_one_consolidated_instrument() -> None:
    named = 'consolidate.instruments={"A/B" = {sources = ["x:AB"]}, "C/B" = {sources = ["x:AB"]}}'
    with pytest.raises(BadInput, match=r"C/B.sources: x:AB is a source of A/B already"):
        settings(named)


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ('sources = ["binanse:BTCUSDT"]', r"A/B\.sources: there is no venue 'binanse'; allowed are binance, "),
        ('primary = "binanse"', r"A/B\.primary: there is no venue 'binanse'; allowed are binance, "),
        ('primary = "binanse:BTCUSDT"', r"A/B\.primary: there is no venue 'binanse'; allowed are binance, "),
    ],
)
def test_a_source_of_no_venue_is_named_and_not_waited_for(own: str, sentence: str) -> None:
    with pytest.raises(UnknownName, match=r"^consolidate\.instruments\." + sentence):
        settings(f'consolidate.instruments={{"A/B" = {{{own}}}}}')
    assert settings('consolidate.instruments={"A/B" = {primary = "binance-spot"}}')


PEM = (
    generate_private_key(SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)  # fmt: skip
KEYS = {"GAPLESS_COINBASE_ADVANCED_API_KEY": "organizations/o/apiKeys/k", "GAPLESS_COINBASE_ADVANCED_API_SECRET": PEM}


def test_every_venue_takes_its_key_from_the_environment(tmp_path):
    told = load(environ=KEYS | {"GAPLESS_BINANCE_API_KEY": "b"}, file=tmp_path / "none")
    assert told.venue("binance").api_key == "b"
    own = told.venue("coinbase-advanced")
    assert [own.api_key, own.api_secret] == [text.strip() for text in KEYS.values()]


@pytest.mark.parametrize(
    ("environ", "sets", "sentence"),
    [
        (KEYS | {"GAPLESS_COINBASE_ADVANCED_API_SECRET": "shown-to-nobody"}, [],
         "GAPLESS_COINBASE_ADVANCED_API_SECRET: this is no private key that signs tokens; "
         "allowed are PEM of an ECDSA P-256 key, and an Ed25519 key"),
        ({}, ['venues.coinbase-advanced.api_secret="shown-to-nobody"'],
         "venues.coinbase-advanced.api_key: an api_secret goes with the name of its key"),
        ({}, ['venues.binance.api_secret="shown-to-nobody"'],
         "venues.binance.api_secret: nothing is signed at binance; leave it empty"),
        ({}, ['venues.coinbase-advanced.sides="both"'],
         "venues.coinbase-advanced.sides: 'both' is not allowed; allowed are maker, taker"),
        ({}, ['venues.coinbase.sides="maker"'],
         "venues.coinbase.sides: 'maker' is not allowed; whose side the venue tells is known"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_sign_is_refused_before_anything_starts_and_never_shown(tmp_path, environ, sets, sentence):
    with pytest.raises(BadInput) as refused:
        load(environ=environ, sets=sets, file=tmp_path / "none")
    assert str(refused.value) == sentence
