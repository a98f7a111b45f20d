"""What reading and importing leave as it was: logs of other libraries and the environment."""

import logging
import sys
import textwrap
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pytest
import tifffile

from forked import Forked, forgetting
from segassay.errors import DataError
from segassay.io.images import read_image

IMPORT_ALL = """
    import importlib, logging, os, pkgutil
    import imagecodecs, matplotlib, nibabel, pandas, pydantic, rich.console, scipy.stats, tifffile, yaml

    def state():
        loggers = {name: logging.getLogger(name) for name in known}
        return dict(os.environ), {name: (logger.level, logger.handlers[:]) for name, logger in loggers.items()}

    known = {*logging.Logger.manager.loggerDict, "tifffile", ""}
    assert "nibabel.global" in known
    for name in known:
        logging.getLogger(name).setLevel(logging.WARNING if name == "" else logging.NOTSET)
        logging.getLogger(name).handlers.clear()
    before = state()
    import segassay
    for room in ROOMS:
        package = importlib.import_module(f"segassay.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    assert state() == before
"""
ROOMS = ("io", "masks", "statistics", "data", "consensus", "tables", "checks", "simulation", "planning")


def test_importing_changes_no_log_and_no_environment() -> None:
    """In a copy of this process that forgets our modules, and what they might have changed when they were imported."""
    code = forgetting("segassay", "segassay_monai") + textwrap.dedent(IMPORT_ALL).replace("ROOMS", repr(ROOMS))
    with Forked([sys.executable, "-c", code], env=psutil.Process().environ()) as process:
        assert process.wait(300) == 0


@pytest.mark.parametrize("name", ["a.tif", "a.nii"])
def test_reading_writes_no_log_and_leaves_level_and_filters_as_they_were(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / name
    if name.endswith("tif"):
        tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
        path.write_bytes(path.read_bytes()[:-90])
    else:
        nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8), np.uint8), np.eye(4)), path)
        data = bytearray(path.read_bytes())
        data[70:72] = (999).to_bytes(2, "little")  # a number type that does not exist
        path.write_bytes(bytes(data))
    loggers = [logging.getLogger(logger) for logger in ("tifffile", "nibabel.global")]
    filters = [list(logger.filters) for logger in loggers]
    with caplog.at_level(logging.DEBUG, "tifffile"), caplog.at_level(logging.DEBUG, "nibabel.global"):
        with pytest.raises(DataError):
            read_image(path)
        assert [logger.level for logger in loggers] == [logging.DEBUG] * 2
        assert [logger.filters for logger in loggers] == filters
    assert not caplog.records
