"""What a service of our own leaves out of memory."""

import subprocess
import sys


def test_a_service_carries_no_data_frames_along_and_its_patterns_are_found_all_the_same() -> None:
    code = (
        "import sys, numpy; from gapless.startup import lean; lean(); import talib; from talib import abstract;"
        "print(talib.SMA(numpy.arange(9.0), 3)[-1], abstract.CDLDOJI.info['name'],"
        "      'pandas' in sys.modules, 'polars' in sys.modules, 'pyarrow' in sys.modules); import polars"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["7.0", "CDLDOJI", "False", "False", "False"]
