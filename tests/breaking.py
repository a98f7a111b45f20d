"""A small good dataset for tests to break, and how they call the command line and look at what it left behind."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from segassay.io.images import write_mask

CASES = ("001", "002", "010")
IMAGE = (np.arange(12 * 16).reshape(12, 16)).astype(np.uint8)
MASK = np.zeros((12, 16), dtype=bool)
MASK[2:6, 3:9] = True
SETTINGS = (
    "raters: labels/rater_*\nreference: labels/published\nmask_suffix: _c\nignore: ignored\n"
    "experiment: experiment.csv\ncontrol_group: H\nmin_object_size: 2\nspacing_um: [0.5, 0.25]\n"
)
EXPERIMENT = "case,group,split\n001,H,\n002,A,train\n010,A,\n"


def good_dataset(folder: Path) -> Path:
    """Three cases by two raters and a published reference, an ignored area and an experiment."""
    for name in ("images", "labels/rater_a", "labels/rater_b", "labels/published", "ignored"):
        (folder / name).mkdir(parents=True)
    for number, case in enumerate(CASES):
        Image.fromarray(IMAGE + np.uint8(number)).save(folder / "images" / f"{case}.png")
        for rater in ("rater_a", "rater_b", "published"):
            write_mask(folder / "labels" / rater / f"{case}_c.png", np.roll(MASK, len(rater) + number, axis=1))
    write_mask(folder / "ignored" / "010.png", MASK)
    (folder / "dataset.yaml").write_text(SETTINGS)
    (folder / "experiment.csv").write_text(EXPERIMENT)
    return folder


def content(folder: Path) -> str:
    """Hash of the names and bytes of everything in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)}\0".encode(errors="surrogateescape"))
        digest.update(path.read_bytes() if path.is_file() else b"folder")
    return digest.hexdigest()


def error_of(captured: str) -> str:
    """The one message of a command; progress may stand before it."""
    assert "Traceback" not in captured
    _, found, message = captured.partition("error: ")
    assert found, captured
    assert len(message.strip().splitlines()) <= 6, message  # a missing image is missed by each mask and the table
    return message


def put(path: str, data: str | bytes) -> Callable[[Path], object]:
    """Write a file in place of an older one."""
    return lambda folder: (folder / path).write_bytes(data if isinstance(data, bytes) else data.encode())
