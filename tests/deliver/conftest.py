"""Makes the tiny market of tests/derive and the ports of tests/collect importable here."""

import sys
from pathlib import Path

for name in ("derive", "collect"):
    sys.path.insert(0, str(Path(__file__).parents[1] / name))
