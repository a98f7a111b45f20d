"""The command line: `segassay simulate`, `evaluate`, `train`. Each command loads the heavy libraries it needs."""

import inspect
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from segassay.errors import SegAssayError, UsageError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Train segmentation models on images annotated by several experts, and learn whether the result is objective, "
    "reliable and valid.",
)


@app.callback()
def _options(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    if debug:
        os.environ["SEGASSAY_DEBUG"] = "1"


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    settings: Annotated[
        Path | None, typer.Option(help="YAML of settings, or the simulation.json of an earlier one.")
    ] = None,
    cases: Annotated[int | None, typer.Option(help="Number of images.", show_default="16")] = None,
    size: Annotated[
        str | None, typer.Option(help="Pixels per axis; 32,128,128 for volumes.", show_default="256,256")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same bytes.", show_default="0")] = None,
    effect: Annotated[str, typer.Option(help="Effects of the groups: both, count, intensity or none.")] = "both",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Simulate nuclei annotated by raters with known habits, in groups with known effects."""
    import dataclasses

    from segassay.simulation.dataset import simulate as write
    from segassay.simulation.settings import Simulation, keep_effect, read_simulation

    if settings is not None and settings.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{out} holds {settings} and would replace it; give another OUT")
    stated: dict[str, Any] = {"n_cases": cases, "shape": _shape(size), "seed": seed}
    plan = read_simulation(settings) if settings is not None else Simulation()
    plan = dataclasses.replace(plan, **{name: value for name, value in stated.items() if value is not None})
    write(out, keep_effect(plan, effect), overwrite=overwrite)
    count = "1 rater" if len(plan.raters) == 1 else f"{len(plan.raters)} raters"
    typer.echo(f"{plan.n_cases} images by {count}, with truth: {out}")


def _shape(size: str | None) -> tuple[int, ...] | None:
    try:
        return None if size is None else tuple(int(number) for number in size.split(","))
    except ValueError:
        raise UsageError(f"--size {size}: expected whole numbers such as 256,256") from None


@app.command()
def download(
    data: Annotated[str, typer.Argument(metavar="segebarth2020", help="Which published data; there is one.")],
    out: Annotated[Path, typer.Argument(help="Folder that gets one dataset folder per lab.")],
    labs: Annotated[str | None, typer.Option(help="Some of wue1,inns1,mue,inns2,wue2; by default all.")] = None,
    mirror: Annotated[
        str | None, typer.Option(metavar="DIR_OR_URL", help="Folder, .zip archive or URL instead of the repository.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a lab that is not as published.")] = False,
) -> None:
    """Fetch real images with masks by several experts, checked by SHA-256, ready to use; goes on where it stopped."""
    from segassay.data.published.download import download as fetch

    if data != "segebarth2020":
        raise UsageError(f"no data {data!r} to download; expected segebarth2020")
    for lab in fetch(out, labs=None if labs is None else labs.split(","), mirror=mirror, overwrite=overwrite):
        typer.echo(f"{lab.folder}: {lab.n_files} files as published{'' if lab.is_new else ', nothing to do'}")


@app.command()
def consensus(
    *,
    dataset: Annotated[Path, typer.Argument(help="Dataset folder.")],
    out: Annotated[Path, typer.Option(help="Folder to write; must not exist.")],
    method: Annotated[
        str, typer.Option(help="staple, majority, soft, union, intersection (pixels), or object.")
    ] = "staple",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Fuse the raters of each image into one mask, with a figure per image."""
    from segassay.consensus.write import describe_consensus, write_consensus

    for line in describe_consensus(write_consensus(dataset, out, method=method, overwrite=overwrite), method):
        typer.echo(line)
    typer.echo(f"written: {out.resolve()}")


@app.command()
def check(
    dataset: Annotated[Path, typer.Argument(help="Dataset folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Find every problem of a dataset at once, and show what it holds."""
    from functools import partial

    from rich.console import Console

    from segassay.checks import report as check_report
    from segassay.checks.check import check_dataset
    from segassay.io.progress import show_progress

    found = check_dataset(dataset, progress=partial(show_progress, doing="checking images", done="checked"))
    if as_json:
        typer.echo(check_report.as_json(found))
    else:
        check_report.print_check(found, Console())
    if found.errors:
        raise typer.Exit(1)


@app.command()
def evaluate(
    *,
    dataset: Annotated[Path | None, typer.Argument(help="Dataset folder; not needed with --annotations.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write; must not exist.")],
    annotations: Annotated[Path | None, typer.Option(help="Table of further masks: case,annotator,kind,path.")] = None,
    masks: Annotated[
        list[str] | None, typer.Option(metavar="NAME=DIR", help="Folder of masks of one more annotator; may repeat.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
    mlflow: Annotated[bool, typer.Option("--mlflow/--no-mlflow", help="Log to MLflow.")] = True,
    jobs: Annotated[int, typer.Option(min=1, show_default="all cores", help="Processes.")] = os.cpu_count() or 1,
    experiment: Annotated[str | None, typer.Option(help="MLflow experiment; by default the dataset's name.")] = None,
) -> None:
    """Compare all annotators: raters alone, or with masks from any tool."""
    from segassay.assay import evaluate as write
    from segassay.judgement.summary import QUALITIES

    found = write(
        dataset,
        out,
        annotations_csv=annotations,
        mask_dirs=_mask_dirs(masks or []),
        overwrite=overwrite,
        n_jobs=jobs,
        track=mlflow,
        experiment=experiment,
    )
    for quality in QUALITIES:
        judged = found.summary[quality]
        typer.echo(f"{quality}: {judged['sentence']} Verdict: {judged['verdict']}.")
    typer.echo(f"written: {out.resolve() / 'report.html'}")
    if mlflow:
        from segassay.tracking import ui_command

        typer.echo(f"to see all runs: {ui_command()}")


@app.command()
def planner(
    *,
    result: Annotated[Path, typer.Argument(help="Folder written by segassay evaluate: a pilot or a finished study.")],
    out: Annotated[Path, typer.Option(help="Folder to write; must not exist.")],
    width: Annotated[float, typer.Option(help="Wanted width of the 95 % interval of the mean F1.")] = 0.1,
    phi: Annotated[float, typer.Option(help="Wanted reliability of the count of an image.")] = 0.9,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """How many images, raters and seeds the next study needs, as a table and a figure."""
    from segassay.planning.write import describe_plan, write_plan

    pilot, plan = write_plan(result, out, width=width, min_phi=phi, overwrite=overwrite)
    for line in describe_plan(pilot, plan, width=width, min_phi=phi):
        typer.echo(line)
    typer.echo(f"written: {out.resolve()}")


def _mask_dirs(words: list[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for word in words:
        name, equals, folder = word.partition("=")
        if not (name and equals and folder):
            raise UsageError(f"--masks {word}: expected a name and a folder, such as nnunet=predictions")
        if name in folders:
            raise UsageError(f"--masks {word}: {name!r} is named twice; choose another name")
        folders[name] = Path(folder)
    return folders


@app.command()
def selftest(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The downloaded lab-wue1, for the checks of real images.")
    ] = None,
) -> None:
    """Show every estimator beside its published value; exit 1 if one differs. Needs no data and no network."""
    from segassay.selftest.run import run_checks, run_checks_of_images
    from segassay.selftest.show import print_outcomes

    outcomes = [*run_checks(), *run_checks_of_images(data, n_jobs=os.cpu_count() or 1)]
    print_outcomes(outcomes)
    if not all(outcome.passed or outcome.skipped for outcome in outcomes):
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
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
    seed: Annotated[int, typer.Option(help="The only source of randomness.")] = 0,
) -> None:
    """Train one model; short for the bundle's `training`, and takes all its settings (`--epochs 40`).

    With `--rater expert` one model per rater; an `--output_dir` then gets a folder for each.
    """
    with _training_needs():
        import monai.bundle

        from segassay_monai.bundle.paths import config_path
        from segassay_monai.bundle.settings import find_own_error
    settings = _extra_settings(context.args)
    if taken := settings.keys() & {"dataset_dir", *inspect.signature(monai.bundle.run).parameters}:
        raise UsageError(
            f"--{min(taken)} is set by `segassay train` itself; for others: python -m monai.bundle run training"
        )
    settings |= {"dataset_dir": str(dataset), "fold": fold, "seed": seed}
    try:
        for changed in _in_turn(dataset, settings) if rater == "expert" else [{"rater": rater}]:
            monai.bundle.run(run_id="training", config_file=str(config_path("train.yaml")), **settings | changed)
    except Exception as error:
        ours = find_own_error(error)
        if ours is None or os.environ.get("SEGASSAY_DEBUG"):
            raise
        raise ours from None


@contextmanager
def _training_needs() -> Iterator[None]:
    """Imports of what `segassay[monai]` brings."""
    warnings.filterwarnings("ignore", message="parsing config_file", category=UserWarning)  # it is our own file
    try:
        yield
    except ImportError as error:
        raise UsageError(f'training needs {error.name}; install it with: pip install "segassay[monai]"') from error


study_app = typer.Typer(no_args_is_help=True, help="Strategies × folds × seeds, trained, compared and judged.")
app.add_typer(study_app, name="study")
_StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="What is trained, see docs/study.md.")]


@study_app.command()
def plan(
    study: _StudyFile,
    ids: Annotated[bool, typer.Option("--ids", help="Print the ids of the members alone, one a line.")] = False,
) -> None:
    """Show what the study consists of, what is done, and about how long the rest takes; trains nothing for good."""
    with _training_needs():
        from segassay_monai.study.estimate import estimate
        from segassay_monai.study.plan import plan_study
        from segassay_monai.study.show import print_plan
    planned = plan_study(study)
    if ids:
        typer.echo("\n".join(member.id for member in planned.members))
        return
    print_plan(planned, estimate(planned))


@study_app.command()
def run(
    study: _StudyFile,
    member: Annotated[
        str | None, typer.Option(help="Train this one alone: its id, or its number from 1 on.", metavar="ID")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, show_default="as the machine has room for", help="Trainings at once.")
    ] = None,
) -> None:
    """Do all that is left to do: train, predict, evaluate; the same call goes on after a break."""
    with _training_needs():
        from segassay_monai.study.plan import find_member, plan_study
        from segassay_monai.study.run import run_member, run_study
        from segassay_monai.study.show import print_outcome, show_run
    planned = plan_study(study)
    if member is not None:
        run_member(planned, find_member(planned, member))
        return
    with show_run(planned) as report:
        outcome = run_study(planned, jobs=jobs, report=report)
    print_outcome(planned, outcome)
    if outcome.failed:
        raise typer.Exit(1)


@study_app.command()
def status(study: _StudyFile) -> None:
    """Show how far each member is; on a terminal until all is done, or Ctrl-C."""
    with _training_needs():
        from segassay_monai.study.plan import plan_study
        from segassay_monai.study.show import show_status
    show_status(plan_study(study))


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
            raise UsageError(f"{name}: expected a setting of train.yaml and its value, such as --epochs 40")
        text = value if equals else rest.pop(0)
        name = name[2:].replace("-", "_")
        if name in settings:
            raise UsageError(f"--{name} is given twice; keep one")
        settings[name] = _value(text)
    return settings


def _value(text: str) -> Any:
    """Number, list or truth value that a word stands for; YAML alone takes `1e-3` for text, and 0144 for 100."""
    try:
        value = yaml.safe_load(re.sub(r"(?<![\w.\"'-])(0\d+)(?![\w.\"'-])", r"'\1'", text))
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    if isinstance(value, (bool, int, float, list)):
        return value
    return float(text) if re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", text) else text


def main() -> None:
    """Run the command line; an error of the data or the call is one message and an exit code."""
    try:
        app()
    except SegAssayError as error:
        if os.environ.get("SEGASSAY_DEBUG"):
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
