"""An engine inside somebody else's program: the README's own example, beside a simulated venue."""

import re
import subprocess
import sys
from pathlib import Path

from living import Sim, free_port, living

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_example_of_the_readme_prints_trades_and_bars(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(import asyncio\n.*?engine\.run\(\).*?)```", README, re.S)
    with living(sim := Sim(tmp_path, "--speed", "240", "--instruments", "1")):
        (tmp_path / "gapless.toml").write_text(
            f'serve.listen = ["127.0.0.1:{free_port()}"]\nstore.min_free = 0\n'
            f'venues.binance = {{environment = "sim", sim_url = "{sim.url}"}}\n'
        )
        code = example.replace("binance:BTCUSDT", f"binance:{sim.symbols[0]}")
        with subprocess.Popen(
            [sys.executable, "-u", "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
            env={"GAPLESS_STATE": str(tmp_path / "state"), "PYTHONPATH": ":".join(sys.path)},
        ) as program:  # fmt: skip
            assert program.stdout
            trades, line = 0, ""
            try:
                while "CandleEvent(" not in line:  # its thread may print in the middle of a trade's line
                    if line:
                        exchange, symbol, price, volume = line.split()
                        assert (exchange, symbol) == ("binance", sim.symbols[0])
                        assert float(price) > 0 < float(volume)
                        trades += 1
                    line = program.stdout.readline()
                    assert line
            finally:
                program.terminate()
            assert trades > 10
            assert f"candles:binance:{sim.symbols[0]}:5m" in line
            assert program.wait(20) == 0
