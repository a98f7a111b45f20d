"""Command that applies a model to new images: `segassay predict`."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from segassay.commands import OF_TRAINING, TRAIN, Command, OfCluster, Quiet, examples
from segassay.errors import number_of, printable
from segassay.io.addresses import is_address
from segassay_monai.bundle.needs import training_needs

if TYPE_CHECKING:
    from segassay_monai.prediction.results import Predicted

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    cls=Command,
    rich_help_panel=TRAIN,
    help=f"{OF_TRAINING['predict']} Run it again to resume after an interruption.",
    epilog=examples(
        "segassay predict STUDY IMAGES --out RESULT",
        "segassay predict MODEL IMAGES --save all --split-touching --out RESULT",
        "segassay predict models:/NAME@best IMAGES --experiment experiment.csv --control-group H --out RESULT",
    ),
)
def predict(
    model: Annotated[
        str,
        typer.Argument(
            help="A study (its best ensemble), a folder of members, model.pt, models:/NAME@best, or an exported bundle."
        ),
    ],
    images: Annotated[
        str,
        typer.Argument(help="An image, a folder of images, a dataset folder, or an address, such as s3://bucket/lab."),
    ],
    out: Annotated[str, typer.Option(help="Folder to write, or to resume; or its address.")],
    save: Annotated[
        str | None,
        typer.Option(
            help="What to write for each image, separated by commas: mask, instances, prob, uncertainty, "
            "rois (ImageJ), geojson (QuPath), overlay; or all.",
            show_default="mask,instances,rois,overlay",
        ),
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help="Which members to average, if the folder holds several strategies.")
    ] = None,
    min_object_size: Annotated[
        int | None,
        typer.Option(help="Leave out objects of fewer pixels.", show_default="as in the dataset or the study"),
    ] = None,
    split_touching: Annotated[bool, typer.Option("--split-touching", help="Separate objects that touch.")] = False,
    flips: Annotated[
        bool,
        typer.Option("--flips", help="Average over all mirror images; takes 4 times as long, for volumes 8 times."),
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:1.", show_default="a GPU if any")] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="Side in pixels of the windows in which large images are predicted; smaller ones need less memory.",
            show_default="1024",
        ),
    ] = None,
    backend: Annotated[
        str, typer.Option(help="torch, onnxruntime or openvino; the last two are faster on a CPU, if installed.")
    ] = "torch",
    recursive: Annotated[bool, typer.Option("--recursive", help="Search subfolders, too.")] = False,
    experiment: Annotated[
        str | None, typer.Option(help="CSV table with the columns case and group, and perhaps subject, region, batch.")
    ] = None,
    control_group: Annotated[str | None, typer.Option(help="Group with which the others are compared.")] = None,
    xlsx: Annotated[bool, typer.Option("--xlsx", help="Write the tables also as an Excel workbook.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder of --out.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Maximum number of processes.")] = 1,
    cluster: OfCluster = None,
    quiet: Quiet = False,
) -> None:
    """Predict images."""
    with training_needs():
        from segassay_monai.prediction.files import DEFAULT
        from segassay_monai.prediction.run import predict as run
    done = run(
        model,
        images,
        out=out,
        save=DEFAULT if save is None else [word.strip() for word in save.split(",") if word.strip()],
        strategy=strategy,
        min_object_size=min_object_size,
        split_touching=split_touching,
        flips=flips,
        device=device,
        tile=tile,
        backend=backend,
        recursive=recursive,
        experiment=experiment,
        control_group=control_group,
        xlsx=xlsx,
        overwrite=overwrite,
        n_jobs=jobs,
        cluster=cluster,
        progress=not quiet,
    )
    _say(done, out)


def _say(done: "Predicted", out: str) -> None:
    """Print what was done, and exit with 1 if images failed."""
    from segassay_monai.prediction.notebook import counted

    where = out.rstrip("/") if is_address(out) else str(done.out)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    console.print(counted(done.cases, done.objects, where))
    for note in done.notes:
        console.print(note)
    console.print(f"report: {where}/report.html" if is_address(out) else f"report: {done.out / 'report.html'}")
    for row in done.failed.to_dict("records"):
        console.print(printable(f"failed: {row['file']} {row['what']}; {row['action']}"))
    if len(done.failed):
        count = number_of(len(done.failed), "image")
        console.print(f"{count} failed, see failed.csv there; fix the causes, then repeat the command")
        raise typer.Exit(1)
