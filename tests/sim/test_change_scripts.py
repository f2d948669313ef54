"""What a script of changes may say, and how it is told what is wrong with it."""

import msgspec
import pytest
from test_changes import changed

from gapless.sim.errors import SimError
from gapless.sim.faults.engine import Faults
from gapless.sim.faults.script import Entry, entry_from
from gapless.sim.journal import Journal
from gapless.sim.options import SimOptions
from gapless.sim.server import build


def test_count_says_how_often_a_pending_fault_strikes_each_time_it_is_due():
    faults = Faults([Entry("wrong_page", at=0.0, every=10.0, count=2)], Journal(None), active=True)
    for second in (0.0, 10.0):
        faults.advance(second)
        for left in (True, False):
            faults.spend(faults.pending[0])
            assert faults.waiting("wrong_page") is left


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"kind": "wrong_page", "mode": "sideways"}, "unknown mode 'sideways'; allowed are outside"),
        ({"kind": "slow_source", "path": "all"}, "unknown path 'all'; allowed are aggTrades"),
        ({"kind": "forget", "first": 4}, "must be given together"),
        ({"kind": "delisting", "late": 1}, "wrong type"),
    ],
)
def test_a_change_says_what_is_wrong_with_it(raw, words):
    with pytest.raises(SimError, match=words):
        entry_from(raw)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ('kind = "listing"\nsymbol = "BTCUSDT"', "BTCUSDT is listed already"),
        ('kind = "listing"\nsymbol = "NEW"', "is no symbol such as"),
        ('kind = "delisting"\nsymbol = "NOUSDT"', "there is no symbol 'NOUSDT'"),
        ('kind = "forget"\nfirst = 1\nlast = 2', "give `symbol` too"),
    ],
)
def test_a_change_that_the_market_cannot_make_is_refused(tmp_path, fault, words):
    script = tmp_path / "script.toml"
    script.write_text(f"[[fault]]\n{fault}\nat = 1\n")
    with pytest.raises(SimError, match=words):
        build(SimOptions(instruments=2, faults=str(script)))
    script.write_text('[[fault]]\nat = 1\nkind = "listing"\nsymbol = "NEWUSDT"\n')
    build(SimOptions(instruments=2, faults=str(script))).close()


def test_an_injected_change_that_cannot_be_is_a_sentence(running, probing):
    async def act(probe, socket):
        return await probe.post("/sim/fault", {"kind": "delisting", "symbol": "NOUSDT"})

    told, _ = changed(running, probing, act, instruments=1)
    assert "there is no symbol 'NOUSDT'" in msgspec.json.encode(told).decode()
