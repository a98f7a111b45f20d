"""Volumes of readers and models in mm3: bias and limits of agreement with the median reader.

    python benchmarks/volume_agreement.py EVALUATION       folder of an evaluation whose dataset measures `volume`

Readers are exchangeable, so that of each nodule every reader is compared with the median of the others, and all these
differences are pooled. Differences grow with size, so they are also given as a share: the geometric mean of the ratio,
and its limits.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd


def compared(volumes: pd.DataFrame, raters: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Annotator -> its volumes and those of the median (other) rater, of the cases where both found something."""
    found = {}
    own, others = [], []
    for rater in raters:
        own.append(volumes[rater].to_numpy())
        others.append(volumes[[name for name in raters if name != rater]].median(axis=1).to_numpy())
    found["a reader"] = np.concatenate(own), np.concatenate(others)
    median = volumes[raters].median(axis=1).to_numpy()
    for name in volumes.columns.difference(raters, sort=False):
        found[str(name)] = volumes[name].to_numpy(), median
    return found


def main() -> None:
    """Print a row per annotator."""
    folder = Path(sys.argv[1]) / "tables"
    table = pd.read_csv(folder / "measured.csv", dtype={"case": str})
    table = table[table["measure"] == "volume"]
    kinds = (
        pd.read_csv(folder / "annotations.csv", dtype=str).drop_duplicates("annotator").set_index("annotator")["kind"]
    )
    if set(table["unit"]) != {"mm3"}:
        sys.exit(f"{folder}: volumes are in {set(table['unit'])}, not in mm3")
    volumes = table.pivot(index="case", columns="annotator", values="value")
    raters = [name for name in volumes if kinds[name] == "human"]
    models = [name for name in volumes if name not in raters]
    complete = volumes[[*raters, *models]].dropna()
    print(f"{len(complete)} cases; median reader: {complete[raters].median(axis=1).median():.0f} mm3")
    print("| annotator | n | bias, mm³ | limits of agreement, mm³ | ratio | its limits | nothing found |")
    print("|---|---|---|---|---|---|---|")
    for name, (own, other) in compared(complete, raters).items():
        difference = own - other
        ratio = np.log(own[(own > 0) & (other > 0)] / other[(own > 0) & (other > 0)])
        low, high = difference.mean() + np.array([-1.96, 1.96]) * difference.std(ddof=1)
        ends = np.exp(ratio.mean() + np.array([-1.96, 1.96]) * ratio.std(ddof=1))
        shares = f"{np.exp(ratio.mean()):.2f} | {ends[0]:.2f} to {ends[1]:.2f}"
        cells = (name, len(own), f"{difference.mean():+.0f}", f"{low:+.0f} to {high:+.0f}", shares, (own == 0).sum())
        print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
