"""`gapless cleanup` says what goes before it goes, and a mistake costs nothing."""

import json

import pytest
from aging import ROWS, market
from tapes import ID

from gapless.cli.app import run
from gapless.query.audit import audit_tape
from gapless.store.sqlite import SqliteStore


@pytest.fixture(scope="module")
def aged(tmp_path_factory) -> str:
    return market(ROWS, path=str(tmp_path_factory.mktemp("aged") / "market.db")).store.path


@pytest.fixture
def gapless(aged, capsys, monkeypatch, tmp_path):
    """Run a command on a copy of the store; gives its status and what it printed."""
    monkeypatch.delenv("GAPLESS_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "market.db"
    with SqliteStore(aged).connection as connection:
        connection.execute("VACUUM INTO ?", (str(path),))

    def call(*arguments: str, store: object = path):
        status = run([*arguments, "--store", f"sqlite:///{store}"])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


def rows(path) -> int:
    return SqliteStore(str(path), readonly=True).counts(1, 0, 10**9)


def test_a_plan_drops_nothing(gapless, tmp_path):
    status, out, err = gapless("cleanup", "--trades", "3d", "--plan")
    assert (status, err) == (0, "")
    assert f"{ID} trade: " in out
    assert out.splitlines()[-1] == "this would go"
    assert rows(tmp_path / "market.db") == len(ROWS)


def test_what_went_is_counted_and_the_audit_lists_it_without_effect_on_its_status(gapless, tmp_path):
    status, out, _ = gapless("cleanup", "--trades", "3d", "--json")
    told = json.loads(out)
    assert status == 0
    (planned,) = (one for one in told["plan"] if one["kind"] == "trades")
    assert planned["rows"] == told["done"]["trades"] == len(ROWS) - rows(tmp_path / "market.db")
    reader = SqliteStore(str(tmp_path / "market.db"), readonly=True)
    found = audit_tape(reader, reader.tapes()[0])
    status, out, _ = gapless("audit")
    assert status == 0
    assert f"  expired: {found.expired:,} ids, and the ladders of 0 minutes" in out
    assert "no hole: complete" in out
    assert gapless("cleanup", "--trades", "3d")[1] == "nothing was too old\n"


def test_explain_says_that_trades_have_expired(gapless):
    gapless("cleanup", "--trades", "3d")
    status, out, _ = gapless("explain", ID, "2026-01-07T13:00Z", "30m")
    assert status == 0
    assert "its trades have expired: as it was judged, it stands; venue and tape equal" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--trades", "0d"], "--trades: '0d' is not allowed; allowed are 1h and more"),
        (["--ladders", "soon"], "--ladders: 'soon' is no duration; allowed are a number and s, m, h, d or w"),
        (["--imported", "binance:NOPE"], "the store holds no instrument 'binance:NOPE'"),
        (["--set", "store.keep_events=1s"], "store.keep_events: '1s' is not allowed"),
    ],
)
def test_a_mistake_is_one_sentence_and_drops_nothing(gapless, tmp_path, arguments, sentence):
    status, out, err = gapless("cleanup", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"gapless: {sentence}")
    assert err.count("\n") == 1
    assert rows(tmp_path / "market.db") == len(ROWS)


def test_a_store_that_is_not_there_is_not_made(gapless, tmp_path):
    status, _, err = gapless("cleanup", store=tmp_path / "none.db")
    assert (status, "there is no store" in err) == (2, True)
    assert not (tmp_path / "none.db").exists()
