"""Table and curve of the study of transfer: new and fine-tuned members against the number of annotated images.

    python benchmarks/transfer.py benchmarks/studies/bubil3-transfer_results/evaluation [FIGURE.png]

Of each test image the mean over seeds, against the consensus of all raters but one, averaged over these; intervals are
those of t over images.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from segassay.figures.style import figure_on, plot_style

SIZES = (2, 4, 6)
"""Annotated images; one of them selects the best state, the others are trained on."""

MEASURES = {"f1": "F1 of objects", "dice": "Dice"}


def of_images(folder: Path) -> pd.DataFrame:
    """Means of each strategy and test image, over raters left out and seeds."""
    table = pd.read_csv(folder / "tables/leave_one_out.csv", dtype={"case": str})
    table = table[(table["iou_threshold"] == 0.5) & table["annotator"].str.match(r"(?:new|tuned) \d/")]
    of_model = table.groupby(["annotator", "case"])[list(MEASURES)].mean().reset_index()
    return of_model.groupby([of_model["annotator"].str.split("/").str[0], "case"])[list(MEASURES)].mean()


def interval(values: pd.Series) -> tuple[float, float, float]:
    """Mean and 95 % interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def main() -> None:
    """Print the table; draw the curve if a file is named."""
    means = of_images(Path(sys.argv[1]))
    print("| images trained on | annotated | measure | new | fine-tuned | difference |\n|---|---|---|---|---|---|")
    for size in SIZES:
        for measure, words in MEASURES.items():
            new, tuned = (means.loc[f"{name} {size}"][measure] for name in ("new", "tuned"))
            cells = ["{:.2f} ({:.2f} to {:.2f})".format(*interval(values)) for values in (new, tuned, tuned - new)]
            print(f"| {size - 1} | {size} | {words} | {' | '.join(cells)} |".replace("-0", "−0"))
    if len(sys.argv) > 2:
        draw(means, Path(sys.argv[2]))


def draw(means: pd.DataFrame, path: Path) -> None:
    """Both measures against the number of images, with intervals."""
    with plot_style():
        figure = figure_on(None, 7, 3)
    for axes, (measure, words) in zip(figure.subplots(1, 2), MEASURES.items(), strict=True):
        for shift, (name, label) in zip((-0.06, 0.06), {"new": "new", "tuned": "fine-tuned"}.items(), strict=True):
            mean, low, high = np.transpose([interval(means.loc[f"{name} {size}"][measure]) for size in SIZES])
            axes.errorbar(np.array(SIZES) + shift, mean, [mean - low, high - mean], marker="o", capsize=3, label=label)
        axes.set(xlabel="annotated images", ylabel=words, xticks=SIZES, ylim=(0, 1))
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
