"""Numbers and times at the edge: exact, or refused."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gapless.errors import BadInput, BadNumber
from gapless.model import DAY, HOUR, MINUTE, SECOND, iso, parse_duration, parse_time
from gapless.model.instrument import Instrument
from gapless.model.number import INT64, decimal, digits_of, plain, scaled, wide
from gapless.model.times import epoch_ns, in_epoch
from gapless.query.resolve import resolve

NOW = 1_767_787_200_000_000_000


@given(st.integers(-INT64, INT64), st.integers(0, 18))
def test_a_number_written_and_read_is_the_same(value, digits):
    assert scaled(plain(value, digits), digits) == value
    total = value * 10**digits
    assert wide(plain(total, digits), digits) == total


@example(10**30 + 1, 16)
@given(st.integers(-(10**40), 10**40), st.integers(0, 18))
def test_a_decimal_is_exact_however_many_digits_it_has(value, digits):
    """Sums pass the 28 digits to which decimal arithmetic rounds by default."""
    found = decimal(value, digits)
    assert found.as_tuple().exponent == -digits
    assert int(f"{found:f}".replace(".", "")) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_reading_agrees_with_decimal(value):
    assert scaled(f"{value:f}", 6) == int(value * 10**6)
    assert digits_of(f"{value:f}") == max(0, -int(value.normalize().as_tuple().exponent)) or value == 0


@pytest.mark.parametrize(("text", "digits"), [
    ("1.23", 1), ("0.001", 2), ("9223372036854775808", 0), ("92233720368547758.08", 2), ("", 2), (".5", 2), ("1e5", 2),
    ("+1", 2), ("nan", 2), ("1,5", 2), (" 1", 2), ("1 ", 2), ("٣", 2), ("1.2.3", 2), ("--1", 2), ("1_000", 2),
])  # fmt: skip
def test_what_is_not_exact_is_refused(text, digits):
    with pytest.raises(BadNumber):
        scaled(text, digits)


def test_a_sum_whose_whole_part_passes_64_bits_is_refused():
    with pytest.raises(BadNumber, match="does not fit into 64 bits"):
        wide("9223372036854775808.5", 2)


def test_trailing_zeros_need_no_digits():
    assert scaled("61800.3000", 1) == 618_003
    assert digits_of("61800.3000") == 1
    assert digits_of("61800") == 0
    assert wide("9223372036854775807.50", 1) == 92_233_720_368_547_758_075


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-07T12:00:00Z", NOW),
        ("2026-01-07T12:00Z", NOW),
        ("2026-01-07T12:00", NOW),
        ("2026-01-07 12:00:00", NOW),
        ("2026-01-07T13:00:00+01:00", NOW),
        ("2026-01-07", NOW - 12 * HOUR),
        ("1767787200", NOW),
        ("1767787200000", NOW),
        ("1767787200000000", NOW),
        ("1767787200000000000", NOW),
        ("2026-01-07T12:00:00.000001Z", NOW + 1_000),
        ("now", NOW),
        ("-6h", NOW - 6 * HOUR),
        ("+90s", NOW + 90 * SECOND),
        ("-2w", NOW - 14 * DAY),
        (" -30m ", NOW - 30 * MINUTE),
    ],
)
def test_times_are_read_as_people_type_them(text, expected):
    assert parse_time(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "6h", "2026-13-01", "12:00", "-6x", "1e9", "٣"])
def test_what_is_no_time_is_refused_with_what_is_allowed(text):
    with pytest.raises(BadInput, match="is no time; allowed are ISO 8601"):
        parse_time(text, NOW)


@pytest.mark.parametrize("text", ["180", "-6h", "6 h", "h", "1.5h", ""])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(BadInput, match="is no duration"):
        parse_duration(text)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)))
def test_times_are_written_so_that_they_are_read_back(moment):
    ns = int((moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1_000
    assert parse_time(iso(ns), NOW) == ns
    assert datetime.fromisoformat(iso(ns)) == moment.replace(tzinfo=UTC)


def test_an_epoch_is_read_by_its_magnitude():
    for unit in (1, 10**3, 10**6, 10**9):
        assert epoch_ns(1_767_787_200 * unit) == NOW
    assert [in_epoch(NOW, unit) for unit in ("ms", "us", "ns", None)] == [
        1_767_787_200_000, 1_767_787_200_000_000, NOW, "2026-01-07T12:00:00Z",
    ]  # fmt: skip


def test_sub_seconds_are_written_with_the_digits_they_need():
    assert [iso(NOW + more) for more in (500_000_000, 1_000, 1)] == [
        "2026-01-07T12:00:00.500Z", "2026-01-07T12:00:00.000001Z", "2026-01-07T12:00:00.000000001Z",
    ]  # fmt: skip


# Names


def listed(*ids: str) -> list[Instrument]:
    kinds = {"binance": "perpetual", "binance-spot": "spot"}
    return [
        Instrument(venue=(v := one.partition(":")[0]), symbol=(s := one.partition(":")[2]), base=s.removesuffix("USDT"),
                   quote="USDT", kind=kinds[v], price_digits=2, size_digits=3, tick=1)
        for one in ids
    ]  # fmt: skip


FUTURES = listed("binance:BTCUSDT", "binance:ETHUSDT")
BOTH = [*FUTURES, *listed("binance-spot:BTCUSDT")]


@pytest.mark.parametrize(
    "text", ["binance:BTCUSDT", "BTCUSDT", "btcusdt", "BTC-USDT", "BTC/USDT", "BTC/USDT:USDT", "binance:btc_usdt"]
)
def test_any_usual_spelling_finds_the_instrument(text):
    assert resolve(text, FUTURES, where="the store holds").id == "binance:BTCUSDT"


def test_an_ambiguous_spelling_is_answered_with_what_it_could_mean():
    with pytest.raises(BadInput, match="'BTCUSDT' could mean binance-spot:BTCUSDT, binance:BTCUSDT; name one of them"):
        resolve("BTCUSDT", BOTH, where="the store holds")
    assert resolve("BTC/USDT:USDT", BOTH, where="x").id == "binance:BTCUSDT"
    assert resolve("binance-spot:BTC/USDT", BOTH, where="x").id == "binance-spot:BTCUSDT"


@pytest.mark.parametrize(
    ("text", "known", "hint"),
    [
        ("BTCUSD", FUTURES, "did you mean binance:BTCUSDT"),
        ("binance:BTCUSTD", FUTURES, "did you mean binance:BTCUSDT"),
        ("XYZ", FUTURES, "allowed are binance:BTCUSDT, binance:ETHUSDT"),
        ("XYZ", [], "it holds none yet"),
    ],
)
def test_an_unknown_instrument_is_answered_with_the_nearest(text, known, hint):
    with pytest.raises(BadInput, match=f"the store holds no instrument {text!r}; {hint}"):
        resolve(text, known, where="the store holds")


def test_decimals_add_up_without_floats():
    assert decimal(1, 1) + decimal(2, 1) == Decimal("0.3")
