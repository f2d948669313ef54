"""A price of several sources must be one that can be explained: no outlier in it, no stale one, every share named."""

from fractions import Fraction
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from gapless.consolidate.price import Offer, priced


def offer(source: str, price: int, *, weight: int | None = 1, received: int = 0, unfit: str = "") -> Offer:
    known = None if weight is None else Fraction(weight)
    return Offer(source=source, price=price, time=0, received=received, weight=known, unfit=unfit)


THREE = (offer("a", 100, weight=3, received=5), offer("b", 104, weight=1, received=9), offer("c", 102, received=7))


def test_primary_is_the_active_sources_and_latest_the_last_that_was_received() -> None:
    assert priced(THREE, "primary", active="c").price == 102
    assert priced(THREE, "latest", active="c").price == 104
    assert priced(THREE[:2], "primary", active="c").price is None


def test_an_average_is_weighted_by_what_was_traded_in_a_day() -> None:
    found = priced(THREE, "average", active="a")
    assert found.price == Fraction(100 * 3 + 104 + 102, 5)
    assert [(one.source, share) for one, share in found.parts] == [
        ("a", Fraction(3, 5)), ("b", Fraction(1, 5)), ("c", Fraction(1, 5)),
    ]  # fmt: skip


def test_an_outlier_is_left_out_and_named() -> None:
    found = priced([*THREE, offer("d", 500, weight=1_000)], "average", active="d")
    assert found.price == priced(THREE, "average", active="a").price
    assert [(one.source, one.reason) for one in found.left_out] == [("d", "outlier")]


def test_a_tick_beside_equal_prices_is_no_outlier() -> None:
    found = priced([offer("a", 100), offer("b", 100), offer("c", 101)], "average", active="a")
    assert found.left_out == ()
    assert priced([offer("a", 100), offer("b", 100), offer("c", 102)], "average", active="a").left_out != ()


def test_who_is_stale_is_no_part_of_an_average_and_is_named() -> None:
    found = priced([*THREE[:2], offer("c", 90, unfit="stale: nothing came")], "average", active="c")
    assert found.price == Fraction(100 * 3 + 104, 4)
    assert [one.source for one in found.left_out] == ["c"]
    assert priced([offer("a", 1, unfit="stale")], "average", active="a").price is None


def test_where_a_weight_is_not_known_all_count_alike() -> None:
    assert priced([offer("a", 100, weight=9), offer("b", 102, weight=None)], "average", active="a").price == 101


@given(
    st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**6)), min_size=1, max_size=7),
    st.integers(1, 5),
)
def test_an_average_lies_among_the_prices_that_are_its_parts(rows: list[tuple[int, int]], mads: int) -> None:
    offers = [offer(str(number), price, weight=weight) for number, (price, weight) in enumerate(rows)]
    found = priced(offers, "average", active="0", mads=mads)
    kept = [one.price for one, _ in found.parts]
    assert found.price is not None
    assert min(kept) <= found.price <= max(kept)
    assert sum(share for _, share in found.parts) == 1
    assert len(kept) + len(found.left_out) == len(rows)
    middle = median(one.price for one in offers)
    spread = median(abs(one.price - middle) for one in offers)
    assert all(abs(price - middle) <= max(mads * spread, 1) for price in kept)
