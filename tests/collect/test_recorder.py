"""What `--record` keeps: every frame as received, in files that the simulator plays."""

import gzip
from pathlib import Path

import pytest
from manual import EPOCH
from tiny_market import TinyMarket

from gapless.collect.recorder import Recorder
from gapless.errors import BadInput
from gapless.model import HOUR, MS
from gapless.sim.capture.load import load_capture


def test_every_frame_is_kept_as_received_with_its_time(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "deep" / "folder")
    recorder.frames("binance/market/1", [b'{"a":1}', b'{"a":'], EPOCH)
    recorder.frames("binance/market/1", [b'{"a":3}'], EPOCH + 1)
    recorder.close()
    (file,) = (tmp_path / "deep" / "folder").iterdir()
    assert file.name == "binance-market-1-2026-01-07T120000Z.gz"
    # A frame that is no JSON is kept as a JSON string: a capture holds one payload a line.
    kept = b'%d {"a":1}\n%d "{\\"a\\":"\n%d {"a":3}\n' % (EPOCH, EPOCH, EPOCH + 1)
    assert gzip.decompress(file.read_bytes()) == kept


def test_a_file_begins_anew_with_every_hour_connection_and_run(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for name, at in (("binance/market/1", 0), ("binance/market/1", HOUR), ("binance/public/1", 0)):
        recorder.frames(name, [b"{}"], EPOCH + at)
    recorder.close()
    again = Recorder(tmp_path)
    again.frames("binance/market/1", [b"[]"], EPOCH + 5 * 60 * 1_000 * MS)
    again.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "binance-market-1-2026-01-07T120000Z.gz",
        "binance-market-1-2026-01-07T120500Z.gz",
        "binance-market-1-2026-01-07T130000Z.gz",
        "binance-public-1-2026-01-07T120000Z.gz",
    ]


def test_a_folder_that_cannot_be_written_is_a_mistake_named_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"--record: .* cannot be written"):
        Recorder(tmp_path / "file")


def test_the_simulator_plays_what_was_recorded(tmp_path: Path) -> None:
    import msgspec

    market, recorder = TinyMarket(), Recorder(tmp_path)
    for number in range(190):
        frames = [market.trade_frame(number)]
        if number % 60 == 1 and number > 60:
            frames.append(market.bar_frame(number // 60 - 1))
        recorder.frames("binance/public/1", [msgspec.json.encode(f) for f in frames], market.time(number) * MS + 5)
    recorder.close()
    played = load_capture(tuple(tmp_path.iterdir()), True)
    symbol = played.symbols["BTCUSDT"]
    assert symbol.fills is not None
    rows = symbol.fills.cut(symbol.fills.numbered(0), symbol.fills.numbered(189) + 1)
    assert rows.ids.tolist() == list(range(190))
    assert [symbol.price.text(p) for p in rows.price.tolist()] == [market.price(number) for number in range(190)]
    assert rows.time.tolist() == [market.time(number) for number in range(190)]
