"""The comparison lies beside the package, as the attack does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
