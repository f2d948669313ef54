"""Fixtures that every suite shares."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of recorded data; a test that needs it skips, with the reason, where it is absent."""
    folder = Path(os.environ.get("GAPLESS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "CATALOGUE.md").is_file():
        pytest.skip(f"no recorded data at {folder} (set GAPLESS_TEST_DATA)")
    return folder
