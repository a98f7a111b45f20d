"""Command for members of an earlier version, which lack `familiar.json`: `segassay describe`."""

from pathlib import Path
from typing import Annotated

import typer

from segassay.commands import OF_TRAINING, TRAIN, examples, say
from segassay_monai.bundle.needs import training_needs

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    rich_help_panel=TRAIN,
    help=f"{OF_TRAINING['describe']} Needed only for members of an earlier version, which have no familiar.json.",
    epilog=examples("segassay describe STUDY DATASET"),
)
def describe(
    model: Annotated[
        str, typer.Argument(help="Study (its best ensemble), folder of members of one strategy, model.pt.")
    ],
    dataset: Annotated[Path, typer.Argument(help="The dataset that the members were trained on.")],
) -> None:
    """Write familiar.json beside members."""
    with training_needs():
        from segassay.data.dataset import read_dataset
        from segassay_monai.prediction.familiar import describe_members
    written = describe_members(model, read_dataset(dataset))
    for path in written:
        say(f"written: {path}")
    if not written:
        say("nothing to do: every member already records what its training images look like")
