"""Commands that train and predict: `segassay train`, `study`, `predict`; found by an entry point.

Torch is loaded only when a command runs.
"""

import typer

from segassay.cli import TRAIN
from segassay_monai.cli import predict, study, train

app = typer.Typer(rich_markup_mode="rich")
app.add_typer(train.app)
app.add_typer(predict.app)
app.add_typer(study.app, name="study", rich_help_panel=TRAIN)
