"""Commands that share a model: `segassay export zoo`."""

from pathlib import Path
from typing import Annotated

import typer

from segassay.cli import OF_TRAINING, examples
from segassay_monai.bundle.needs import training_needs

app = typer.Typer(
    no_args_is_help=True,
    help=OF_TRAINING["export"],
    epilog=examples("segassay export zoo STUDY --out neurons_fluorescence_segmentation"),
)
Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="Study, folder of members of one strategy, model.pt or models:/NAME@best."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the folder of --out.")]


@app.command(
    epilog=examples(
        "segassay export zoo STUDY --out neurons_fluorescence_segmentation",
        "segassay export zoo STUDY --about about.yaml --out neurons_fluorescence_segmentation --overwrite",
    )
)
def zoo(
    model: Model,
    *,
    out: Annotated[
        Path, typer.Option(help="Folder to write; its name becomes that of the bundle: organ_modality_segmentation.")
    ],
    about: Annotated[
        Path | None, typer.Option(help="YAML file: authors, license of the data and what else only you know.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a bundle for the MONAI Model Zoo, which runs without this package."""
    with training_needs():
        from segassay_monai.sharing.zoo.export import export_zoo
    folder = export_zoo(model, out, about=about, overwrite=overwrite)
    typer.echo(f"written: {folder}")
