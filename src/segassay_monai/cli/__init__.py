"""Commands that train, predict and share: `segassay train`, `study`, `predict`, `describe`, `export`, `verify`.

An entry point finds them; torch is loaded only when a command runs.
"""

import typer

from segassay.commands import TRAIN
from segassay_monai.cli import describe, export, predict, study, train, verify

app = typer.Typer(rich_markup_mode="rich")
app.add_typer(train.app)
app.add_typer(predict.app)
app.add_typer(study.app, name="study", rich_help_panel=TRAIN)
app.add_typer(describe.app)
app.add_typer(export.app, name="export", rich_help_panel=TRAIN)
app.add_typer(verify.app)
