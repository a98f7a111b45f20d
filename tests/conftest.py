"""What several test files share: the real data."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with the real labs (`segebarth2020/…`): `$SEGASSAY_DATA`, by default `../shared/data`."""
    folder = Path(os.environ.get("SEGASSAY_DATA", Path(__file__).parents[1] / ".." / "shared" / "data")).resolve()
    if not (folder / "segebarth2020").is_dir():
        message = f"real data not found: {folder / 'segebarth2020'} is no folder; set SEGASSAY_DATA"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder
