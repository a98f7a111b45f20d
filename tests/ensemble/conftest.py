"""What the tests of this room share."""

from pathlib import Path

import pytest

from networks import save, unet


@pytest.fixture
def checkpoints(tmp_path: Path) -> list[Path]:
    """Three members that differ."""
    return save(tmp_path, [unet(seed) for seed in range(3)])
