"""The command line: `segassay check`, `evaluate`, `planner`. Each command loads the heavy libraries it needs."""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated, Any
from unicodedata import normalize

import typer

from segassay.commands import COMPARE, DATA, PLAN, Command, Commands, OfCluster, Quiet, examples, say
from segassay.errors import UsageError, number_of, printable
from segassay.io.addresses import is_address

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Train segmentation models on images annotated by several raters, and find out whether the result is "
    "objective, reliable and valid.",
    epilog=examples("segassay simulate --out mydata", "segassay check mydata", "segassay evaluate mydata --out result"),
)


def _show_version(asked: bool) -> None:
    if asked:
        from segassay import __version__

        say(f"segassay {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="SEGASSAY_DEBUG", help="Show the traceback of an error.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options of all commands."""


def _refuse_positional_out(word: str | None) -> str | None:
    if word is not None:
        raise UsageError(f"{word} is an unexpected argument; give the folder as --out {word}")
    return word


def _refuse_experiment(word: str | None) -> str | None:
    if word is not None:
        raise UsageError(f"--experiment is called --mlflow-experiment; give it as --mlflow-experiment {word}")
    return word


_Out = Annotated[Path, typer.Option(help="Folder to write; must not exist.")]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the folder of --out.")]
_Dataset = Annotated[Path, typer.Argument(help="Dataset folder.")]
_StoredDataset = Annotated[str, typer.Argument(help="Dataset folder, or its address, such as s3://bucket/lab.")]
_Jobs = Annotated[int, typer.Option("--jobs", min=1, show_default="all cores", help="Maximum number of processes.")]
_ALL = os.cpu_count() or 1
_Misplaced = Annotated[
    str | None, typer.Argument(hidden=True, metavar="OUT", is_eager=True, callback=_refuse_positional_out)
]


@app.command(
    rich_help_panel=DATA,
    epilog=examples("segassay check mydata", "segassay check mydata --json"),
)
def check(
    dataset: _StoredDataset,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
    jobs: _Jobs = _ALL,
    cluster: OfCluster = None,
    quiet: Quiet = False,
) -> None:
    """Find all problems of a dataset at once, and summarise its content."""
    from functools import partial

    from rich.console import Console

    from segassay.checks import report as check_report
    from segassay.checks.check import check_dataset
    from segassay.io.progress import show_progress
    from segassay.workers.cluster import workers_for

    progress = partial(show_progress, doing="checking images", done="checked", shown=not quiet)
    with workers_for(jobs, cluster, progress=not quiet) as workers:
        found = check_dataset(dataset, n_jobs=workers, progress=progress, quiet=quiet)
    if as_json:
        say(_as_written(check_report.as_json(found)))
    else:
        check_report.print_check(found, Console())
    if found.errors:
        raise typer.Exit(1)


def _as_written(text: str) -> str:
    """JSON as it is, or in ASCII if standard output takes no other letters, as on some Windows consoles."""
    import json

    takes_all = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    if takes_all and printable(text) == text:
        return text
    return json.dumps(json.loads(text), indent=2)


@app.command(
    cls=Command,
    rich_help_panel=DATA,
    epilog=examples(
        "segassay download segebarth2020 --out labs --labs wue1",
        "segassay download segebarth2020 --out labs --labs mue --mirror downloads",
    ),
)
def download(
    *,
    data: Annotated[str, typer.Argument(metavar="segebarth2020", help="Published dataset to download; only this one.")],
    misplaced: _Misplaced = None,
    out: Annotated[Path, typer.Option(help="Folder for the dataset folders, one per lab.")],
    labs: Annotated[
        str | None, typer.Option(help="Labs, separated by commas: wue1,inns1,mue,inns2,wue2; by default all.")
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="DIR_OR_URL", help="Folder, .zip archive or URL to use instead of the repository."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a lab that differs from the published files.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Download real images with masks by several raters, checked by SHA-256; resumes after an interruption."""
    from segassay.data.published.download import download as fetch

    if data != "segebarth2020":
        raise UsageError(f"no dataset {data!r} to download; expected segebarth2020")
    for lab in fetch(
        out, labs=None if labs is None else labs.split(","), mirror=mirror, overwrite=overwrite, progress=not quiet
    ):
        say(f"{lab.folder}: {number_of(lab.n_files, 'file')} as published{'' if lab.is_new else ', nothing to do'}")


@app.command(
    cls=Command,
    rich_help_panel=DATA,
    epilog=examples(
        "segassay simulate --out sim --cases 4 --size 96,96",
        "segassay simulate --out null --effect none",
        "segassay simulate --out volumes --cases 2 --size 8,64,64",
        "segassay simulate --out again --settings sim/simulation.json",
    ),
)
def simulate(
    *,
    misplaced: _Misplaced = None,
    out: _Out,
    settings: Annotated[
        Path | None, typer.Option(help="YAML file of settings, or the simulation.json of an earlier simulation.")
    ] = None,
    cases: Annotated[int | None, typer.Option(help="Number of images.", show_default="16")] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Pixels along each axis; a volume needs three, such as 32,128,128.", show_default="256,256"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed; the same seed gives the same bytes.", show_default="0")
    ] = None,
    effect: Annotated[
        str, typer.Option(help="Effects of the groups: both, count, intensity, size, marker or none.")
    ] = "both",
    overwrite: _Overwrite = False,
) -> None:
    """Simulate nuclei annotated by raters with known habits, in groups with known effects."""
    import dataclasses

    from segassay.simulation.dataset import simulate as write
    from segassay.simulation.settings import Simulation, keep_effect
    from segassay.simulation.settings_file import read_simulation

    if settings is not None and settings.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{out} contains {settings} and would replace it; give another --out")
    stated: dict[str, Any] = {"n_cases": cases, "shape": _shape(size), "seed": seed}
    plan = read_simulation(settings) if settings is not None else Simulation()
    plan = dataclasses.replace(plan, **{name: value for name, value in stated.items() if value is not None})
    write(out, keep_effect(plan, effect), overwrite=overwrite)
    images, raters = number_of(plan.n_cases, "image"), number_of(len(plan.raters), "rater")
    say(f"{images} by {raters}, with truth: {out}")


def _shape(size: str | None) -> tuple[int, ...] | None:
    try:
        return None if size is None else tuple(int(number) for number in size.split(","))
    except ValueError:
        raise UsageError(f"--size {size}: expected whole numbers such as 256,256") from None


@app.command(
    rich_help_panel=DATA,
    epilog=examples(
        "segassay consensus mydata --out consensus", "segassay consensus mydata --method object --out objects"
    ),
)
def consensus(
    *,
    dataset: _Dataset,
    out: _Out,
    method: Annotated[
        str, typer.Option(help="Pixel by pixel: staple, majority, soft, union, intersection; object by object: object.")
    ] = "staple",
    overwrite: _Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Fuse the raters' masks of each image into one, with a figure per image."""
    from segassay.consensus.describe import describe_consensus
    from segassay.consensus.write import write_consensus

    for line in describe_consensus(
        write_consensus(dataset, out, method=method, overwrite=overwrite, progress=not quiet), method
    ):
        say(line)
    say(f"written: {out.resolve()}")


@app.command(
    cls=Command,
    rich_help_panel=COMPARE,
    epilog=examples(
        "segassay evaluate mydata --out raters",
        "segassay evaluate mydata --masks nnunet=predictions --out with_nnunet",
    ),
)
def evaluate(
    *,
    dataset: Annotated[
        str | None,
        typer.Argument(help="Dataset folder, or its address, such as s3://bucket/lab; not needed with --annotations."),
    ] = None,
    out: Annotated[str, typer.Option(help="Folder to write, or its address; must not exist.")],
    annotations: Annotated[
        str | None, typer.Option(help="Table of further masks, with the columns case, annotator, kind, path.")
    ] = None,
    masks: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DIR", help="Folder of masks of another annotator; may be repeated."),
    ] = None,
    overwrite: _Overwrite = False,
    mlflow: Annotated[bool, typer.Option("--mlflow/--no-mlflow", help="Log to MLflow.")] = True,
    jobs: _Jobs = _ALL,
    cluster: OfCluster = None,
    mlflow_experiment: Annotated[
        str | None, typer.Option(help="MLflow experiment; by default the dataset's name.")
    ] = None,
    xlsx: Annotated[bool, typer.Option("--xlsx", help="Write the tables also as an Excel workbook.")] = False,
    quiet: Quiet = False,
    experiment: Annotated[str | None, typer.Option(hidden=True, is_eager=True, callback=_refuse_experiment)] = None,
) -> None:
    """Compare all annotators: raters alone, or with masks from any tool."""
    if dataset is None and annotations is None and not masks:
        raise UsageError("nothing to evaluate; give a dataset folder, --annotations or --masks")
    from segassay.workers.memory import spend_memory

    spend_memory()  # before anything large is loaded
    from segassay.assay import evaluate as write
    from segassay.judgement.summary import judged_in, outcome_of

    found = write(
        dataset,
        out,
        annotations=annotations,
        masks=_mask_dirs(masks or []),
        overwrite=overwrite,
        n_jobs=jobs,
        cluster=cluster,
        track=mlflow,
        mlflow_experiment=mlflow_experiment,
        progress=not quiet,
        xlsx=xlsx,
    )
    for quality in judged_in(found.summary):
        judged = found.summary[quality]
        say(f"{quality}: {judged['sentence']} Verdict: {judged['verdict']}.")
    for name, one in found.classes.items():
        shown = judged_in(one.summary)[: 1 if "raters" in one.summary else None]  # others need a model
        words = [f"{quality} {outcome_of(one.summary[quality])[0]}" for quality in shown]
        say(f"class {printable(name)}: {', '.join(words)}.")
    say(f"written: {_inside(out, 'report.html')}")
    if mlflow:
        from segassay.tracking import ui_command

        say(f"to see all runs: {ui_command()}")


def _inside(place: str, name: str) -> str:
    """A file of a folder or address, to be shown."""
    return f"{place.rstrip('/')}/{name}" if is_address(place) else str(Path(place).resolve() / name)


def _mask_dirs(words: list[str]) -> dict[str, str]:
    folders: dict[str, str] = {}
    for word in words:
        name, equals, folder = word.partition("=")
        name = normalize("NFC", name)
        if not (name and equals and folder):
            raise UsageError(f"--masks {word}: expected a name and a folder, such as nnunet=predictions")
        if name in folders:
            raise UsageError(f"--masks {word}: {name!r} is given twice; choose another name")
        folders[name] = folder
    return folders


@app.command(
    rich_help_panel=COMPARE,
    epilog=examples(
        "segassay report result",
        "segassay report result --out figures --style talk --format svg,pdf",
        "segassay report --run 0a1b2c --out again",
        "segassay report compare result with_nnunet --out compared",
    ),
)
def report(
    *,
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FOLDER | compare A B …",
            help="Folder of an evaluation or study; or compare, then two or more folders or MLflow runs.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; by default the report in FOLDER is replaced.")
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="RUN_ID", help="MLflow run of an evaluation or study, instead of FOLDER.")
    ] = None,
    style: Annotated[
        str | None, typer.Option(help="Style of all figures: paper, or talk for slides; needs --out.")
    ] = None,
    formats: Annotated[
        str | None, typer.Option("--format", metavar="svg,png,pdf", help="Formats of these figures; needs --out.")
    ] = None,
    overwrite: _Overwrite = False,
) -> None:
    """Make a report again from its tables, draw its figures for a paper, or put evaluations side by side."""
    from contextlib import nullcontext

    from segassay.assay.rebuild import evaluation_of_run, rebuild, rebuild_in_place

    words = list(places or [])
    if words[:1] == ["compare"]:
        _compare(words[1:], out, overwrite, unused={"--run": run, "--style": style, "--format": formats})
        return
    if len(words) + (run is not None) != 1:
        raise UsageError("expected one folder, or --run and the id of a run; or compare, then two or more of them")
    if out is None and (run is not None or style is not None or formats is not None):
        raise UsageError("--run, --style and --format write another folder; give it as --out DIR")
    with nullcontext(Path(words[0])) if run is None else evaluation_of_run(run) as folder:
        if out is None:
            path = rebuild_in_place(folder)
        else:
            kinds = None if formats is None else formats.split(",")
            path = rebuild(folder, out, overwrite=overwrite, style=style, formats=kinds)
    say(f"written: {path.resolve()}")


@app.command(
    rich_help_panel=COMPARE,
    epilog=examples("segassay selftest", "segassay selftest --data labs"),
)
def selftest(
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the downloaded lab-wue1, for the checks on real images."),
    ] = None,
) -> None:
    """Compare every estimator with its published value; exit 1 if one differs. Needs no data and no network."""
    from segassay.selftest.run import run_checks, run_checks_of_images
    from segassay.selftest.show import print_outcomes

    outcomes = [*run_checks(), *run_checks_of_images(data, n_jobs=os.cpu_count() or 1)]
    print_outcomes(outcomes)
    if not all(outcome.passed or outcome.skipped for outcome in outcomes):
        raise typer.Exit(1)


mlflow_app = typer.Typer(no_args_is_help=True)
app.add_typer(mlflow_app, name="mlflow", rich_help_panel=COMPARE)


@mlflow_app.callback(epilog=examples("segassay mlflow ui"))
def _of_mlflow() -> None:
    """Look at the runs of trainings, studies and evaluations."""


@mlflow_app.command(
    epilog=examples("segassay mlflow ui", "segassay mlflow ui --mlflow-experiment demo --store study/mlflow.db")
)
def ui(
    *,
    mlflow_experiment: Annotated[
        str | None, typer.Option(help="MLflow experiment to open.", show_default="the one that was changed last")
    ] = None,
    experiment: Annotated[str | None, typer.Option(hidden=True, is_eager=True, callback=_refuse_experiment)] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="FILE_OR_URI",
            help="mlflow.db, or the address of a store.",
            show_default="MLFLOW_TRACKING_URI, else mlflow.db in the current folder",
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, show_default="5000, or the next free one", help="Port.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
) -> None:
    """Open MLflow's user interface on this computer, on the page of the last study."""
    from segassay.tracking.address import as_uri, using
    from segassay.tracking.ui import open_ui

    with using(None if store is None else as_uri(store)):
        open_ui(mlflow_experiment, port=port, browser=browser, say=say)


@mlflow_app.command(epilog=examples("segassay mlflow send"))
def send() -> None:
    """Send the runs that wait in mlflow-waiting/ of the current folder to the server at MLFLOW_TRACKING_URI.

    Trainings log there while the server does not answer; the next command that logs sends it as well.
    """
    from segassay.tracking.address import shown, store_uri
    from segassay.tracking.sending import send as send_waiting

    say(f"runs sent to {shown(store_uri())}: {send_waiting()}")


@app.command(
    rich_help_panel=PLAN,
    epilog=examples("segassay planner raters --out plan", "segassay planner raters --width 0.05 --out narrow"),
)
def planner(
    *,
    result: Annotated[Path, typer.Argument(help="Folder written by segassay evaluate: a pilot or a finished study.")],
    out: _Out,
    width: Annotated[float, typer.Option(help="Wanted width of the 95 % interval of the mean F1.")] = 0.1,
    phi: Annotated[float, typer.Option(help="Wanted reliability of the count of an image.")] = 0.9,
    overwrite: _Overwrite = False,
) -> None:
    """Estimate how many images, raters and seeds the next study needs, in a table and a figure."""
    from segassay.planning.write import describe_plan, write_plan

    found = write_plan(result, out, width=width, min_phi=phi, overwrite=overwrite)
    for line in describe_plan(found, width=width, min_phi=phi):
        say(line)
    say(f"written: {out.resolve()}")


def _compare(places: list[str], out: Path | None, overwrite: bool, *, unused: dict[str, str | None]) -> None:
    """Put evaluations side by side: say what changed, and write tables and a page if there is an `out`."""
    from segassay.assay.side_by_side import write_side_by_side

    if wrong := [option for option, value in unused.items() if value is not None]:
        raise UsageError(f"{wrong[0]} is not for `segassay report compare`; name runs like folders, by their ids")
    comparison, page = write_side_by_side(places, out, overwrite=overwrite)
    for label, sentences in comparison.changes.items():
        say(f"{label}, compared with {comparison.labels[0]}:")
        for sentence in sentences:
            say(f"  {sentence}")
    if page is not None:
        say(f"written: {page.resolve()}")


def main() -> None:
    """Run the command line; what the terminal cannot write becomes a question mark, never an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    gc.set_threshold(700, 10, 100)  # what libraries load stays: it is sought through for garbage less often
    app()
