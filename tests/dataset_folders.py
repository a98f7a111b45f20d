"""A small dataset folder of two cases and two raters, with whatever a test adds or leaves out."""

from pathlib import Path
from typing import Any

import yaml

from drawing import draw
from segassay.io.images import write_mask

MASK = draw("######.. #....... ........ ........ .......#")
FILES = (
    "images/0002.png",
    "images/0010.tif",
    "labels/expert_2/0002_cFOS.png",
    "labels/expert_2/0010_cFOS.png",
    "labels/expert_10/0002_cFOS.png",
)
EXPERIMENT = "case,group,region\n0010,H,CA1\n0002,C,CA3\n"


def make(folder: Path, *files: str, without: str | None = None, table: str = "", **settings: Any) -> Path:
    """A small dataset: two cases, two raters; `without` leaves out the files that begin so, "" all of them."""
    usual = [name for name in FILES if without is None or not name.startswith(without)]
    for path in [folder / name for name in [*usual, *files]]:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mask(path, MASK)
    if table:
        (folder / "experiment.csv").write_text(table, encoding="utf-8")
        settings["experiment"] = "experiment.csv"
    if settings:
        (folder / "dataset.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder
