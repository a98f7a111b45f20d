"""What the tests of this room share."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared_members import FLAT, VOLUME, members


@pytest.fixture(scope="session", params=[FLAT, VOLUME], ids=["flat", "volume"])
def ensemble(request, tmp_path_factory):
    """Settings and checkpoints of an ensemble: of images with two channels, and of volumes."""
    return request.param, members(tmp_path_factory.mktemp("models"), request.param)


@pytest.fixture(scope="module", autouse=True)
def _nothing_compiled() -> Iterator[None]:
    """Running the code of a bundle leaves nothing compiled in it, which a certificate does not name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        yield


@pytest.fixture(autouse=True)
def _forget_scripts() -> Iterator[None]:
    """Each bundle has a package `scripts`; a program that uses two of them must import the second one anew."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] == "scripts"]:
        del sys.modules[name]


@pytest.fixture
def without_this_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that cannot import this package, in a folder elsewhere."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("segassay", "segassay_monai")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("segassay", "segassay_monai"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.chdir(tmp_path)
