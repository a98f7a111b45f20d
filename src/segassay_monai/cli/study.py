"""Commands of a study: `segassay study plan`, `run`, `status`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from segassay.commands import OF_TRAINING, OfCluster, SystemMetrics, examples, say
from segassay.errors import UsageError
from segassay_monai.bundle.needs import training_needs

app = typer.Typer(
    no_args_is_help=True,
    help=OF_TRAINING["study"],
    epilog=examples("segassay study plan study.yaml", "segassay study run study.yaml"),
)
_StudyFile = Annotated[
    Path,
    typer.Argument(metavar="STUDY.yaml", help="File that names dataset, strategies, folds and seeds (docs/study.md)."),
]


def _refuse_out(word: str | None) -> str | None:
    if word is not None:
        raise UsageError(f"a study names its own folder: write `output_dir: {word}` into STUDY.yaml, and remove --out")
    return word


_Misplaced = Annotated[str | None, typer.Option("--out", hidden=True, is_eager=True, callback=_refuse_out)]
_Trust = Annotated[
    bool,
    typer.Option("--trust", help="Allow settings that run code (docs/trust.md); only if you trust the author."),
]


@app.command(epilog=examples("segassay study plan study.yaml", "segassay study plan study.yaml --ids"))
def plan(
    path: _StudyFile,
    ids: Annotated[bool, typer.Option("--ids", help="Print only the ids of the members, one per line.")] = False,
    trust: _Trust = False,
    out: _Misplaced = None,
) -> None:
    """Show the members of the study, how many are done, and about how long the rest takes."""
    from segassay.io.transfers import transfers

    with training_needs():
        from segassay_monai.study.estimate import estimate
        from segassay_monai.study.plan import plan_study
        from segassay_monai.study.show import print_plan
        from segassay_monai.study.there import tasks_there
    with transfers(progress=not ids) as at:
        planned = plan_study(path, trust=trust, at=at)
        if ids:
            say("\n".join(member.id for member in planned.members))
            return
        print_plan(planned, estimate(planned), tasks_there(planned))


@app.command(
    epilog=examples("segassay study run study.yaml", "segassay study run study.yaml --member $SLURM_ARRAY_TASK_ID")
)
def run(
    path: _StudyFile,
    member: Annotated[
        str | None, typer.Option(help="Train only this member: its id, or its number from 1.", metavar="ID")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, show_default="as cores, memory or GPUs allow", help="Number of trainings at the same time."
        ),
    ] = None,
    cluster: OfCluster = None,
    keep_old: Annotated[
        bool,
        typer.Option("--keep-old", help="Keep members of an earlier version if settings and data are the same."),
    ] = False,
    system_metrics: SystemMetrics = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print failures and the verdicts only.")] = False,
    trust: _Trust = False,
    out: _Misplaced = None,
) -> None:
    """Train, predict and evaluate all that is not done; run it again to resume after an interruption."""
    from segassay.io.transfers import transfers

    with training_needs():
        from segassay.tracking import with_system_metrics
        from segassay_monai.sharing.certificate import study_certificate, write_certificate
        from segassay_monai.sharing.methods import write_methods
        from segassay_monai.study.earlier import find_earlier, keep_earlier
        from segassay_monai.study.live import show_run
        from segassay_monai.study.plan import find_member, plan_study
        from segassay_monai.study.run import run_member, run_study
        from segassay_monai.study.show import print_outcome
        from segassay_monai.study.status import print_earlier
        from segassay_monai.study.stored import send_rest
    with transfers(progress=not quiet) as at:
        planned = plan_study(path, trust=trust, at=at)
        if keep_old:
            keep_earlier(planned)
        print_earlier(planned, find_earlier(planned))
        if member is not None:
            with with_system_metrics(system_metrics):
                run_member(planned, find_member(planned, member))
            return
        with with_system_metrics(system_metrics), show_run(planned, quiet=quiet) as report:
            words: dict[str, Any] = {"progress": not quiet, "is_last": False}
            outcome = run_study(planned, jobs=jobs, cluster=cluster, report=report, **words)
        print_outcome(planned, outcome, at.named)
        if not outcome.failed:
            write_certificate(planned.out, study_certificate(planned))
            write_methods(planned)
        send_rest(planned, progress=not quiet)
        if outcome.failed:
            raise typer.Exit(1)


@app.command(epilog=examples("segassay study status study.yaml"))
def status(path: _StudyFile, trust: _Trust = False, out: _Misplaced = None) -> None:
    """Show the state of each member; on a terminal, update it until all are done, or until Ctrl-C."""
    from segassay.io.transfers import transfers

    with training_needs():
        from segassay_monai.study.plan import plan_study
        from segassay_monai.study.status import show_status

        with transfers() as at:
            study = plan_study(path, trust=trust, at=at)  # asks for the version of torch without loading it
            show_status(study)
