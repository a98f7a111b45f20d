"""Command that trains one model, or one per rater: `segassay train`."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from segassay.commands import OF_TRAINING, TRAIN, Command, Quiet, SystemMetrics, examples
from segassay.errors import UsageError
from segassay.io.yaml_files import parse_yaml
from segassay_monai.bundle.needs import training_needs
from segassay_monai.bundle.typed import TEXTS, as_path, device_named

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    cls=Command,
    rich_help_panel=TRAIN,
    help=f"{OF_TRAINING['train']} Accepts every setting of the bundle's train.yaml, such as --epochs 40.\n\n"
    "With --rater expert, train one model per rater, each in a separate folder below --out.",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog=examples(
        "segassay train DATASET --fold 0 --seed 0 --out MODEL",
        "segassay train NEW --initialise_from MODEL/model.pt --learning_rate 0.003 --out TUNED",
    ),
)
def train(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Folder with images/ and labels/<rater>/, or its address.")],
    rater: Annotated[
        str,
        typer.Option(
            help="Masks to train on: a rater, by name; a consensus: staple, majority, union, intersection or object; "
            "soft, the share of raters; random_rater, one rater for each tile; expert, one model for every rater."
        ),
    ] = "staple",
    fold: Annotated[int, typer.Option(help="Fold to hold out and score at the end.")] = 0,
    seed: Annotated[int, typer.Option(help="Random seed, the only source of randomness.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the model; by default bundle/models/, or models/ in the current folder."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder of --out.")] = False,
    system_metrics: SystemMetrics = False,
    quiet: Quiet = False,
) -> None:
    """Train one model, or one per rater."""
    from segassay.io.transfers import transfers

    with training_needs():
        from segassay.tracking import with_system_metrics
        from segassay_monai.bundle.settings import find_own_error
        from segassay_monai.bundle.workflow import OF_MONAI, run_config
        from segassay_monai.training.progress import without_progress
    settings = _extra_settings(context.args)
    settings |= {"device": device_named(str(settings["device"]))} if "device" in settings else {}
    if taken := settings.keys() & {"dataset_dir", *OF_MONAI}:
        raise UsageError(
            f"--{min(taken)} is set by `segassay train` itself; to change it: python -m monai.bundle run training"
        )
    settings |= {"fold": fold, "seed": seed}
    settings |= {} if out is None else {"output_dir": as_path(str(out))}
    settings |= {"overwrite": True} if overwrite else {}
    with transfers(progress=not quiet) as at:
        folder = Path(at.copied(dataset))
        settings |= {"dataset_dir": as_path(str(folder))}
        try:
            with with_system_metrics(system_metrics), without_progress(quiet):
                for changed in _in_turn(folder, settings) if rater == "expert" else [{"rater": rater}]:
                    run_config("training", "train.yaml", settings | changed, options=("--out", "--overwrite"))
        except Exception as error:
            ours = find_own_error(error)
            if ours is None or context.find_root().params["debug"]:
                raise
            raise ours from None


def _in_turn(dataset: Path, settings: dict[str, Any]) -> list[dict[str, str]]:
    """Settings of each rater: the target, and a folder of its own if the user gave `--out`."""
    from segassay.data.dataset import read_dataset

    folder = settings.get("output_dir")
    places = {} if folder is None else {"output_dir": Path(str(folder))}
    raters = read_dataset(dataset).raters
    return [{"rater": rater} | {key: str(place / rater) for key, place in places.items()} for rater in raters]


def _extra_settings(words: list[str]) -> dict[str, Any]:
    """Settings from `--name value` or `--name=value`; numbers and lists are read as in the configuration."""
    settings: dict[str, Any] = {}
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("--") or (not equals and not rest):
            flag = " (--overwrite takes none)" if name.lower() in ("true", "false") else ""
            raise UsageError(f"{name}: expected a setting of train.yaml and its value{flag}, such as --epochs 40")
        text = value if equals else rest.pop(0)
        name = name[2:].replace("-", "_")
        if name in settings:
            raise UsageError(f"--{name} is given twice; keep one")
        settings[name] = text if name in TEXTS and text != "None" else _value(text)
    return settings


def _value(text: str) -> Any:
    """Number, list or boolean in a word; YAML alone would read `1e-3` as text, and 0144 as 100."""
    try:
        value = parse_yaml(re.sub(r"(?<![\w.\"'-])(0\d+)(?![\w.\"'-])", r"'\1'", text))
    except ValueError:
        return text
    if isinstance(value, (bool, int, float, list)):
        return value
    return float(text) if re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", text) else text
