"""Make dataset folders of the published sets by several raters in $SEGASSAY_DATA/multirater.

    python benchmarks/multirater.py lidc-nodules labs/lidc-nodules       39 lung nodules in CT, 4 readers of each
    python benchmarks/multirater.py lidc-texture labs/lidc-texture       27 of them, 3 classes of texture
    python benchmarks/multirater.py bubil3 labs/bubil3                   47 cells by 5 persons with 2 tools each

Images and masks are copied as they are; only dataset.yaml is written. An existing folder is not touched.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]

BUBIL_RATERS = {
    f"person_{person}_{tool}": {"person": f"person_{person}", "tool": tool}
    for person in range(1, 6)
    for tool in ("amira", "imagej")
}

SETS = {
    "lidc-nodules": (
        "lidc_nodules_3d",
        {
            "name": "lidc-nodules",
            "raters": {"exchangeable": True},  # reader_1 of two nodules need not be one person
            "experiment": "experiment.csv",
            "control_group": "thin",  # slices of at most 1.5 mm
            "measurements": ["count", "volume"],
            "min_object_size": 100,  # voxels: readers' slips have up to 22, their nodules at least 152
        },
    ),
    "lidc-texture": (
        "lidc_texture_3d",
        {
            "name": "lidc-texture-3d",
            "classes": {"ground_glass": 1, "part_solid": 2, "solid": 3},
            "raters": {"exchangeable": True},
            "experiment": "experiment.csv",
            "control_group": "thin",
        },
    ),
    "bubil3": (
        "bubil3_16bit_crops",
        {"name": "bubil3", "raters": BUBIL_RATERS, "reference": "gold", "min_object_size": 100},
    ),
}
"""Name here -> folder of the published set, and its dataset.yaml."""


def make(name: str, out: Path, called: str | None = None) -> None:
    """Copy a set and describe it; `called` replaces the name in its dataset.yaml, of a set that is changed further."""
    data = Path(os.environ.get("SEGASSAY_DATA", ROOT / ".." / "shared" / "data"))
    folder, settings = SETS[name]
    source = data / "multirater" / folder
    if not source.is_dir():
        sys.exit(f"{source} is missing; set SEGASSAY_DATA to the folder that holds multirater")
    if out.exists():
        sys.exit(f"{out} exists; remove it first, or give another folder")
    shutil.copytree(source, out, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("dataset.yaml"))
    described = settings | ({} if called is None else {"name": called})
    (out / "dataset.yaml").write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")
    print(f"written: {out}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=SETS)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    make(given.name, given.out)


if __name__ == "__main__":
    main()
