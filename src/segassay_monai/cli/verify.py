"""Command that checks a certificate: `segassay verify`."""

from pathlib import Path
from typing import Annotated

import typer

from segassay.commands import OF_TRAINING, TRAIN, examples, say
from segassay_monai.bundle.needs import training_needs

app = typer.Typer(rich_markup_mode="rich")

_WORDS = {True: "agrees", False: "DIFFERS", None: "note"}


@app.command(
    rich_help_panel=TRAIN,
    help=OF_TRAINING["verify"],
    epilog=examples("segassay verify RESULTS", "segassay verify RESULTS --retrain 1"),
)
def verify(
    certificate: Annotated[
        Path, typer.Argument(help="certificate.json, the folder of a study or an export, or an exported ONNX file.")
    ],
    study: Annotated[
        Path | None, typer.Option(help="STUDY.yaml: needed if it was moved, or to compare an export with its study.")
    ] = None,
    retrain: Annotated[int, typer.Option(min=0, help="Number of members to train again and compare.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Number of processes that compute the numbers again.")] = 1,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Allow settings that run code (docs/trust.md); only if you trust the author."),
    ] = False,
) -> None:
    """Compare hashes, evaluate again, train again, and say what agrees; exit 1 if anything differs."""
    with training_needs():
        from segassay_monai.sharing.verify import verify as findings
    n_wrong = 0
    for found in findings(certificate, study=study, retrain=retrain, n_jobs=jobs, trust=trust):
        say(f"{_WORDS[found.agrees]:<8} {found.claim}: {found.detail}")
        n_wrong += found.agrees is False
    say("differs from its certificate" if n_wrong else "all that was checked agrees")
    if n_wrong:
        raise typer.Exit(1)
