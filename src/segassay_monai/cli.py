"""Commands that train: `segassay train` and `segassay study`, found by an entry point.

Torch is loaded only when a command runs.
"""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from segassay.cli import OF_TRAINING, TRAIN, examples
from segassay.errors import UsageError
from segassay_monai.bundle.needs import training_needs

app = typer.Typer(rich_markup_mode="rich")


@app.command(
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
    dataset: Annotated[Path, typer.Argument(help="Folder with images/ and labels/<rater>/.")],
    rater: Annotated[
        str,
        typer.Option(
            help="Whose masks to learn: a rater; staple, majority, union, intersection or object: the consensus; "
            "soft, the share of raters; random_rater, one for each tile; expert, one model for every rater."
        ),
    ] = "staple",
    fold: Annotated[int, typer.Option(help="Fold to hold out and score at the end.")] = 0,
    seed: Annotated[int, typer.Option(help="Random seed, the only source of randomness.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the model; by default bundle/models/, or models/ in the current folder."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder of --out.")] = False,
) -> None:
    """Train one model, or one per rater."""
    with training_needs():
        from segassay_monai.bundle.settings import find_own_error
        from segassay_monai.bundle.workflow import OF_MONAI, run_config
    settings = _extra_settings(context.args)
    if taken := settings.keys() & {"dataset_dir", *OF_MONAI}:
        raise UsageError(
            f"--{min(taken)} is set by `segassay train` itself; to change it: python -m monai.bundle run training"
        )
    if "output_dir" in settings:
        raise UsageError(f"--output_dir is a name of the bundle; give the folder as --out {settings['output_dir']}")
    settings |= {"dataset_dir": str(dataset), "fold": fold, "seed": seed}
    settings |= {} if out is None else {"output_dir": str(out)}
    settings |= {"overwrite": True} if overwrite else {}
    try:
        for changed in _in_turn(dataset, settings) if rater == "expert" else [{"rater": rater}]:
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
        settings[name] = _value(text)
    return settings


def _value(text: str) -> Any:
    """Number, list or boolean in a word; YAML alone would read `1e-3` as text, and 0144 as 100."""
    import yaml

    try:
        value = yaml.safe_load(re.sub(r"(?<![\w.\"'-])(0\d+)(?![\w.\"'-])", r"'\1'", text))
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    if isinstance(value, (bool, int, float, list)):
        return value
    return float(text) if re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", text) else text


study = typer.Typer(
    no_args_is_help=True,
    help=OF_TRAINING["study"],
    epilog=examples("segassay study plan study.yaml", "segassay study run study.yaml"),
)
app.add_typer(study, name="study", rich_help_panel=TRAIN)
_StudyFile = Annotated[
    Path, typer.Argument(metavar="STUDY.yaml", help="Dataset, strategies, folds and seeds, see docs/study.md.")
]


@study.command(epilog=examples("segassay study plan study.yaml", "segassay study plan study.yaml --ids"))
def plan(
    path: _StudyFile,
    ids: Annotated[bool, typer.Option("--ids", help="Print only the ids of the members, one per line.")] = False,
) -> None:
    """Show the members of the study, how many are done, and about how long the rest takes."""
    with training_needs():
        from segassay_monai.study.estimate import estimate
        from segassay_monai.study.plan import plan_study
        from segassay_monai.study.show import print_plan
    planned = plan_study(path)
    if ids:
        typer.echo("\n".join(member.id for member in planned.members))
        return
    print_plan(planned, estimate(planned))


@study.command(
    epilog=examples("segassay study run study.yaml", "segassay study run study.yaml --member $SLURM_ARRAY_TASK_ID")
)
def run(
    path: _StudyFile,
    member: Annotated[
        str | None, typer.Option(help="Train only this member: its id, or its number from 1.", metavar="ID")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, show_default="as cores, memory or GPUs allow", help="Trainings at once.")
    ] = None,
    keep_old: Annotated[
        bool,
        typer.Option("--keep-old", help="Keep members of an earlier version if settings and data are the same."),
    ] = False,
) -> None:
    """Train, predict and evaluate all that is not done; run it again to resume after an interruption."""
    with training_needs():
        from segassay_monai.study.earlier import find_earlier, keep_earlier
        from segassay_monai.study.plan import find_member, plan_study
        from segassay_monai.study.run import run_member, run_study
        from segassay_monai.study.show import print_earlier, print_outcome, show_run
    planned = plan_study(path)
    if keep_old:
        keep_earlier(planned)
    print_earlier(planned, find_earlier(planned))
    if member is not None:
        run_member(planned, find_member(planned, member))
        return
    with show_run(planned) as report:
        outcome = run_study(planned, jobs=jobs, report=report)
    print_outcome(planned, outcome)
    if outcome.failed:
        raise typer.Exit(1)


@study.command(epilog=examples("segassay study status study.yaml"))
def status(path: _StudyFile) -> None:
    """Show the state of each member; on a terminal, update it until all are done, or until Ctrl-C."""
    with training_needs():
        from segassay_monai.study.plan import plan_study
        from segassay_monai.study.show import show_status
    show_status(plan_study(path))
