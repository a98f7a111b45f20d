"""Picture of the images that each member of a study uses, for the plan of lab-wue1.

    python benchmarks/study_picture.py            needs $SEGASSAY_DATA (default ../shared/data); nothing is trained

Draws docs/figures/study_held_out.png.
"""

import tempfile

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from measuring import ROOT, data_dir

from segassay.data.dataset import Dataset, read_dataset, strata
from segassay.data.published.download import download
from segassay.figures.style import plot_style
from segassay_monai.training.folds import plan_member

COLOURS = {
    "learns from it": "#9ecae1",
    "chooses its best state on it": "#fdae6b",
    "held out: predicted, scored": "#31a354",
}
FOLDS, SEEDS = 4, 2


def uses(dataset: Dataset, order: list[str]) -> np.ndarray:
    """`(members, cases)`: 0 for training, 1 for selection, 2 held out."""
    rows = []
    for fold in range(FOLDS):
        for seed in range(SEEDS):
            member = plan_member(dataset, trained_on="staple", fold=fold, n_folds=FOLDS, seed=seed, val_fraction=0.125)
            rows.append([1 if case in member.val else 2 if case in member.held_out else 0 for case in order])
    return np.array(rows)


def draw(table: np.ndarray, groups: list[str]) -> plt.Figure:
    """Draw members as rows and images as columns, by group."""
    figure, axes = plt.subplots(figsize=(9, 3.4))
    axes.pcolormesh(table, cmap=ListedColormap(list(COLOURS.values())), edgecolors="white", linewidth=1.2)
    axes.set_yticks(np.arange(len(table)) + 0.5, [f"fold {n // SEEDS}, seed {n % SEEDS}" for n in range(len(table))])
    starts = [n for n, group in enumerate(groups) if n == 0 or groups[n - 1] != group]
    ends = [*starts[1:], len(groups)]
    for start in starts[1:]:
        axes.axvline(start, color="black", linewidth=1)
    for fold in range(1, FOLDS):
        axes.axhline(fold * SEEDS, color="black", linewidth=0.6)
    centres = [(start + end) / 2 for start, end in zip(starts, ends, strict=True)]
    axes.set_xticks(centres, [groups[start] for start in starts])
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.set_xlabel("the 36 images of lab-wue1, by group of the experiment")
    for side in axes.spines.values():
        side.set_visible(False)
    handles = [Patch(color=colour, label=name) for name, colour in COLOURS.items()]
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    return figure


def main() -> None:
    """Draw the plan."""
    with tempfile.TemporaryDirectory() as folder, plot_style():
        (lab,) = download(folder, labs=["wue1"], mirror=str(data_dir()))
        dataset = read_dataset(lab.folder)
        table = strata(dataset).sort_values(["group", "region"], kind="stable")
        figure = draw(uses(dataset, list(table.index)), list(table["group"]))
        path = ROOT / "docs" / "figures" / "study_held_out.png"
        figure.savefig(path, dpi=150, bbox_inches="tight")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
