"""The labs of Segebarth et al. 2020 as dataset folders: what their files do not say themselves.

Sizes and names are those of the publication (eLife 9:e59780, data doi:10.5061/dryad.4b8gtht9d). The groups of lab-wue1
are our reading: its table holds codes from 0 to 8 without names; code % 3 is the region and code // 3 the condition,
where condition 2 has the fewest nuclei in every region and is taken for the home-cage control `H`. The two groups that
were exposed to the training context cannot be told apart and are called `context_0` and `context_1`.
"""

import shutil
from pathlib import Path

import pandas as pd
import yaml

from segassay.errors import DataError, UsageError

MIN_OBJECT_SIZE = {"lab-wue1": 30, "lab-inns1": 16, "lab-mue": 30, "lab-inns2": 60, "lab-wue2": 112}
"""Smallest object of each lab in pixels, as published."""

_CONDITIONS = {"0": "context_0", "1": "context_1", "2": "H"}


def prepare_lab(source: Path, out: Path) -> Path:
    """Copy a lab as published into a dataset folder with `dataset.yaml` and, for lab-wue1, `experiment.csv`.

    Args:
        source: Folder of one lab, such as `segebarth2020/lab-wue1`, with `images/` and `labels/`.
        out: Folder to write; must not exist.

    Returns:
        `out`.

    Raises:
        DataError: If `source` is not the folder of a known lab.
        UsageError: If `out` exists.
    """
    source, out = Path(source), Path(out)
    if source.name not in MIN_OBJECT_SIZE or not (source / "labels").is_dir():
        raise DataError(
            f"{source} is not the folder of a lab; expected one of {', '.join(MIN_OBJECT_SIZE)} with labels/"
        )
    if out.exists():
        raise UsageError(f"{out} exists already; give another folder")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, copy_function=shutil.copyfile)
    settings: dict[str, object] = {
        "name": source.name,
        "raters": "labels/expert_*",
        "mask_suffix": "_GABA" if source.name == "lab-wue2" else "_cFOS",
        "reference": "labels/est_GT",
        "min_object_size": MIN_OBJECT_SIZE[source.name],
    }
    if (source / "ignored_regions").is_dir():
        settings |= {"ignore": "ignored_regions", "ignore_suffix": "_ignore"}
    groups = partial / "groups_wue1.csv"
    if groups.is_file():
        _experiment(groups).to_csv(partial / "experiment.csv", index=False)
        settings |= {"experiment": "experiment.csv", "control_group": "H", "spacing_um": [0.62, 0.62]}
    (partial / "dataset.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return partial.rename(out)


def _experiment(path: Path) -> pd.DataFrame:
    """Case, group and region of lab-wue1 from its table of codes."""
    codes = pd.read_csv(path, dtype=str)
    code = codes["group_id"].astype(int)
    return pd.DataFrame(
        {
            "case": codes["file_id"],
            "group": (code // 3).astype(str).map(_CONDITIONS),
            "region": "region_" + (code % 3).astype(str),
        }
    )
