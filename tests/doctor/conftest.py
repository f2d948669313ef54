"""Makes the processes of tests/engine and the tiny markets of tests/derive importable here."""

import sys
from pathlib import Path

for folder in ("engine", "derive"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
