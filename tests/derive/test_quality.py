"""The score says no more than the table allows, at every border, and never hides a hole."""

import pytest
from msgspec.structs import replace

from gapless.derive.quality import Held, quality_of
from gapless.model import HOUR, Proof

OLD_AND_REPAIRED = Held(
    trades=1_000, ids=100, streamed=50, proof=Proof.REPAIRED, hole=False, volume=100, official=100, age=HOUR
)


def score(**other: object) -> int:
    return quality_of(replace(OLD_AND_REPAIRED, **other)).score


@pytest.mark.parametrize(
    ("trades", "streamed", "least", "most"),
    [
        (1_000_000, 100, 8, 10), (1_000, 50, 8, 10), (1_000, 49, 7, 7), (1_000, 0, 7, 7),
        (999, 100, 6, 7), (999, 0, 6, 7), (500, 100, 6, 7), (499, 100, 4, 5), (100, 0, 4, 5),
        (99, 100, 1, 3), (0, 0, 1, 3),
    ],
)  # fmt: skip
def test_every_band_of_the_table_is_reached_and_never_left(trades, streamed, least, most):
    plain = {"trades": trades, "streamed": streamed}
    assert score(**plain) == least
    assert score(**plain, proof=Proof.PROVEN, age=HOUR - 1) == most
    assert score(**plain, proof=Proof.PROVEN) == min(least + 1, most)
    assert score(**plain, age=HOUR - 1) == min(least + 1, most)


@pytest.mark.parametrize("proof", [proof for proof in Proof if proof is not Proof.PROVEN])
def test_no_other_proof_than_proven_adds_a_point(proof):
    assert score(proof=proof) == 8


@pytest.mark.parametrize(
    ("other", "most"),
    [
        ({"hole": True}, 5),
        ({"volume": 98}, 5), ({"volume": 99}, 10), ({"volume": 9_899, "official": 10_000}, 5),
        ({"volume": 101}, 10), ({"volume": 0, "official": 0}, 10),
        ({"official": None}, 7), ({"official": None, "hole": True}, 5),
    ],
)  # fmt: skip
def test_what_is_not_held_caps_the_score(other, most):
    assert score(**other, proof=Proof.PROVEN, age=0) == most


def test_a_cap_never_raises_a_thin_bar():
    assert score(trades=3, hole=True) == 1
    assert score(trades=3, official=None) == 1


@pytest.mark.parametrize(
    ("volume", "official", "completeness"), [(0, 0, 1.0), (1, 2, 0.5), (3, 2, 1.0), (0, 5, 0.0), (5, None, None)]
)
def test_completeness_is_the_share_of_the_venues_volume(volume, official, completeness):
    assert quality_of(replace(OLD_AND_REPAIRED, volume=volume, official=official)).completeness == completeness


def test_the_reasons_name_what_made_the_score():
    good = quality_of(replace(OLD_AND_REPAIRED, trades=2_500, streamed=100, proof=Proof.PROVEN, age=0))
    assert good.reasons == ("2,500 trades", "100 % of them by stream", "proven", "younger than an hour")
    bad = quality_of(replace(OLD_AND_REPAIRED, streamed=0, hole=True, volume=1))
    assert bad.reasons == (
        "1,000 trades", "0 % of them by stream", "not held whole: at most 5",
        "less than 99 % of the venue's volume: at most 5",
    )  # fmt: skip
