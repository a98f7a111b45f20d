"""Commands that share a model: `segassay export zoo`, `bioimageio`, `onnx`."""

from pathlib import Path
from typing import Annotated

import typer

from segassay.commands import OF_TRAINING, examples, say
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
    say(f"written: {folder}")


Both = Annotated[
    bool,
    typer.Option(
        "--both-channels", help="Write the probabilities of background and foreground, not of the foreground alone."
    ),
]


@app.command(
    epilog=examples(
        "segassay export bioimageio STUDY --out cfos-nuclei",
        "segassay export bioimageio STUDY --about about.yaml --sample image.tif --out cfos-nuclei --overwrite",
    )
)
def bioimageio(
    model: Model,
    *,
    out: Annotated[
        Path, typer.Option(help="Folder to write; its name becomes that of the model, unless --about has a title.")
    ],
    about: Annotated[
        Path | None, typer.Option(help="YAML file: authors, license of the data and what else only you know.")
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(help="Image that becomes public as an example.", show_default="a simulated image"),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(
            help="Order of the axes in the training files: zyx (TIFF) or xyz (NIfTI).",
            show_default="found from thick slices, else zyx",
        ),
    ] = None,
    both_channels: Both = False,
    tiles: Annotated[
        bool,
        typer.Option(
            "--tiles",
            help="Write the model for prediction in tiles with a halo, as images too large for the memory need; "
            "less exact.",
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a model package for bioimage.io, which Fiji, QuPath, ilastik and others run."""
    with training_needs():
        from segassay_monai.sharing.bioimageio.export import export_bioimageio
    folder = export_bioimageio(
        model,
        out,
        about=about,
        sample=sample,
        axes=axes,
        both_channels=both_channels,
        tiles=tiles,
        overwrite=overwrite,
    )
    say(f"written: {folder}")


@app.command(epilog=examples("segassay export onnx STUDY --out model.onnx"))
def onnx(
    model: Model,
    *,
    out: Annotated[Path, typer.Option(help="File to write, ending in .onnx.")],
    both_channels: Both = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --out.")] = False,
) -> None:
    """Write one ONNX file that takes raw intensities of any size."""
    with training_needs():
        from segassay_monai.sharing.onnx import export_onnx
    found = export_onnx(model, out, both_channels=both_channels, overwrite=overwrite)
    say(f"written: {out}")
    say(f"ONNX Runtime against torch {found}" if found else "not compared: onnxruntime is not installed")
