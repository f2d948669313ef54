"""Makes the soak, which lies beside the package, and the tiny market of tests/derive importable here."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "derive")]
