"""Commands that train: `segassay train` and `segassay study`; the command line finds them by an entry point.

Nothing here loads torch before a command runs.
"""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from segassay.cli import TRAIN, examples
from segassay.errors import UsageError
from segassay_monai.bundle.needs import training_needs

app = typer.Typer(rich_markup_mode="rich")


@app.command(
    rich_help_panel=TRAIN,
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
            "soft, the share of raters; random_rater, one for each tile; expert, every rater in turn."
        ),
    ] = "staple",
    fold: Annotated[int, typer.Option(help="Which fold is held out and scored at the end.")] = 0,
    seed: Annotated[int, typer.Option(help="Random seed, the only source of randomness.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the model; by default bundle/models/, or models/ beside you.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder of --out.")] = False,
) -> None:
    """Train one model; takes every setting of the bundle's train.yaml, such as --epochs 40.

    With --rater expert it trains one model per rater, each in a folder of its own below --out.
    """
    with training_needs():
        from segassay_monai.bundle.settings import find_own_error
        from segassay_monai.bundle.workflow import OF_MONAI, run_config
    settings = _extra_settings(context.args)
    if taken := settings.keys() & {"dataset_dir", *OF_MONAI}:
        raise UsageError(
            f"--{min(taken)} is set by `segassay train` itself; for others: python -m monai.bundle run training"
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
    """Settings that differ from rater to rater: whose masks, and a folder each where the user named one."""
    from segassay.data.dataset import read_dataset

    folder = settings.get("output_dir")
    places = {} if folder is None else {"output_dir": Path(str(folder))}
    raters = read_dataset(dataset).raters
    return [{"rater": rater} | {key: str(place / rater) for key, place in places.items()} for rater in raters]


def _extra_settings(words: list[str]) -> dict[str, Any]:
    """Settings from `--name value` or `--name=value`; numbers and lists are recognised as in the configuration."""
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
    """Number, list or truth value that a word stands for; YAML alone takes `1e-3` for text, and 0144 for 100."""
    import yaml

    try:
        value = yaml.safe_load(re.sub(r"(?<![\w.\"'-])(0\d+)(?![\w.\"'-])", r"'\1'", text))
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    if isinstance(value, (bool, int, float, list)):
        return value
    return float(text) if re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", text) else text


study = typer.Typer(no_args_is_help=True, help="Train, compare and judge strategies × folds × seeds.")
app.add_typer(study, name="study", rich_help_panel=TRAIN)
_StudyFile = Annotated[
    Path, typer.Argument(metavar="STUDY.yaml", help="Dataset, strategies, folds and seeds, see docs/study.md.")
]


@study.command(epilog=examples("segassay study plan study.yaml", "segassay study plan study.yaml --ids"))
def plan(
    path: _StudyFile,
    ids: Annotated[bool, typer.Option("--ids", help="Print the ids of the members alone, one a line.")] = False,
) -> None:
    """Show what the study consists of, what is done, and about how long the rest takes."""
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
        str | None, typer.Option(help="Train this member alone: its id, or its number from 1 on.", metavar="ID")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, show_default="as the machine has room for", help="Trainings at once.")
    ] = None,
    keep_old: Annotated[
        bool,
        typer.Option("--keep-old", help="Keep members of an earlier version, where settings and data are the same."),
    ] = False,
) -> None:
    """Train, predict and evaluate whatever is not done yet; run it again to resume after an interruption."""
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
    """Show how far each member is; on a terminal until all is done, or Ctrl-C."""
    with training_needs():
        from segassay_monai.study.plan import plan_study
        from segassay_monai.study.show import show_status
    show_status(plan_study(path))
