"""What the commands of both packages share: their order, errors, examples and common options.

The training package adds its commands by an entry point, so that nothing here imports it.
"""

from importlib.metadata import distribution
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from segassay.errors import SegAssayError, UsageError, current_folder, printable

__all__ = [
    "COMPARE",
    "DATA",
    "OF_TRAINING",
    "PLAN",
    "TRAIN",
    "Command",
    "Commands",
    "OfCluster",
    "Quiet",
    "SystemMetrics",
    "examples",
    "say",
]

DATA, TRAIN, COMPARE, PLAN = "Data", "Train", "Compare", "Plan"
_PANELS = (DATA, TRAIN, COMPARE, PLAN)
OF_TRAINING = {  # help of the commands of the training package, whether it is installed or not
    "train": "Train one model.",
    "study": "Train, compare and judge strategies × folds × seeds.",
    "predict": "Predict images: masks, objects, counts per image.",
    "describe": "Record what the training images of a model look like, so that predict can mark images that differ.",
    "export": "Share a model with people who do not have this package.",
    "verify": "Check the certificate of a study or export: hashes, numbers, trainings.",
}
_INSTALL = 'pip install "segassay[monai]"'

Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
OfCluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS|local:N|slurm:N",
        help="Share the work with a Dask cluster: the one at ADDRESS, N processes here, or N jobs of Slurm "
        "(or of another queue: pbs:N, lsf:N).",
    ),
]
SystemMetrics = Annotated[
    bool, typer.Option("--system-metrics", help="Also log how busy processor, memory and GPU are.")
]


def say(text: str, *, err: bool = False) -> None:
    """Print a text, in which letters that a terminal would obey are written out."""
    typer.echo(printable(text), err=err)


class Commands(TyperGroup):
    """All commands in the order of the workflow; an error of the data or the call is one message and an exit code."""

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        for name, command in _training_commands().items():
            self.add_command(command, name)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the panels."""
        commands: Any = self.commands
        return sorted(commands, key=lambda name: _PANELS.index(commands[name].rich_help_panel))

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            current_folder()
            return super().invoke(ctx)
        except SegAssayError as error:
            if ctx.params["debug"]:
                raise
            say(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from error


class Command(TyperCommand):
    """A command whose usage line omits hidden arguments, and that knows how the bundle calls the folder to write."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words, none of which may be an option of the bundle."""
        for word, following in zip(args, [*args[1:], ""], strict=True):
            name, _, folder = word.partition("=")
            if name in ("--output_dir", "--output-dir"):
                given = f"--out {folder or following}".rstrip()
                raise UsageError(f"{name} is a name of the bundle; give the folder as {given}")
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Options, then the arguments that are not hidden."""
        params: list[Any] = self.params
        hidden = [piece for param in params if param.hidden for piece in param.get_usage_pieces(ctx)]
        return [piece for piece in super().collect_usage_pieces(ctx) if piece not in hidden]


def _training_commands() -> dict[str, Any]:
    found = {name: _not_installed(name) for name in OF_TRAINING}
    for entry in distribution("segassay").entry_points.select(group="segassay.commands"):
        try:
            commands = entry.load()
        except ModuleNotFoundError as error:
            if error.name not in (entry.module, entry.module.partition(".")[0]):  # it is there, and broken
                raise
            continue
        found |= typer.main.get_group(commands).commands
    return found


def _not_installed(name: str) -> Any:
    """A command that only says how to install the training package."""
    missing = typer.Typer(rich_markup_mode="rich")

    @missing.command(
        name,
        help=f"{OF_TRAINING[name]} Not installed: {_INSTALL.replace('[', chr(92) + '[')}",
        rich_help_panel=TRAIN,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def _say() -> None:
        raise UsageError(f"`segassay {name}` needs the training package; install it with: {_INSTALL}")

    return typer.main.get_command(missing)


def examples(*lines: str) -> str:
    """Examples for the end of a help text, one per paragraph."""
    return "\n\n".join(["Examples:", *lines])
