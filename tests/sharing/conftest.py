"""What the tests of this room share."""

import pytest

from shared_members import FLAT, VOLUME, members


@pytest.fixture(scope="session", params=[FLAT, VOLUME], ids=["flat", "volume"])
def ensemble(request, tmp_path_factory):
    """Settings and checkpoints of an ensemble: of images with two channels, and of volumes."""
    return request.param, members(tmp_path_factory.mktemp("models"), request.param)
