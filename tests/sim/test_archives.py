"""Archive files: equal to what REST says, checked by their checksum, absent for today."""

import asyncio
import csv
import hashlib
import io
import zipfile

import pytest

from gapless.sim.capture.load import load_capture
from gapless.sim.synthetic.market import START_MS, synthetic_market

DAY = "2026-01-06"
DAY_MS = 1_767_657_600_000


@pytest.mark.parametrize(("venue", "root", "unit"), [("binance", "futures/um", 1), ("binance-spot", "spot", 1000)])
def test_an_archive_day_is_the_market_of_that_day(running, probing, tmp_path, venue, root, unit):
    futures = venue == "binance"
    names = {"aggTrades": "XRPUSDT-aggTrades", "trades": "XRPUSDT-trades", "klines": "XRPUSDT-1m"}

    async def main():
        got = {}
        async with running(venue=venue, instruments=4) as url, probing(url) as probe:
            for kind, name in names.items():
                folder = "klines/XRPUSDT/1m" if kind == "klines" else f"{kind}/XRPUSDT"
                path = f"{url}/data/{root}/daily/{folder}/{name}-{DAY}.zip"
                async with probe.session.get(path) as reply, probe.session.get(path + ".CHECKSUM") as check:
                    assert reply.status == 200
                    got[kind] = (await reply.read(), await check.text())
            today = f"/data/{root}/daily/trades/XRPUSDT/XRPUSDT-trades-2026-01-07.zip"
            assert (await probe.get(today))[0] == 404
        return got

    got = asyncio.run(main())
    symbol = synthetic_market(1, 4, None, futures=futures).symbols["XRPUSDT"]
    for kind, (data, check) in got.items():
        assert check == f"{hashlib.sha256(data).hexdigest()}  {names[kind]}-{DAY}.zip\n"
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.namelist() == [f"{names[kind]}-{DAY}.csv"]
            rows = list(csv.reader(io.TextIOWrapper(archive.open(archive.namelist()[0]))))
        assert rows[0][0].isdigit() != futures  # only futures have a header
        rows = rows[1:] if futures else rows
        if kind == "klines":
            assert [int(row[0]) for row in rows] == [(DAY_MS + k * 60_000) * unit for k in range(1440)]
            bar = symbol.bars.bar("1m", DAY_MS + 600_000, START_MS)
            assert rows[10][5] == symbol.size.text(bar.volume)
        elif kind == "aggTrades":
            ids = [int(row[0]) for row in rows]
            assert ids == list(range(ids[0], ids[0] + len(ids)))
            assert int(rows[0][5]) // unit >= DAY_MS
        else:
            assert rows[0][5] in (("true", "false") if futures else ("True", "False"))
    (path := tmp_path / f"XRPUSDT-trades-{DAY}.zip").write_bytes(got["trades"][0])
    market = load_capture([path], futures=futures)
    read, minute = market.symbols["XRPUSDT"], DAY_MS + 3_600_000
    assert read.bars.bar("1m", minute, market.end_ms) == symbol.bars.bar("1m", minute, START_MS)
