"""The workflow of the bundle's configurations: MONAI's own, which knows what it runs and raises our errors as they are.

    run_config, or monai.bundle.run(…, workflow_name="segassay_monai.Workflow")    in a program: an error is raised
    python -m monai.bundle run training …                          on the command line: one message and an exit code

An expression of a configuration sees single settings, never the configuration as a whole; code that it calls asks
`running_config`. A configuration cannot name its workflow either, so `check_settings`, which stands first in each of
ours, starts MONAI's command line again with this one. Which parts of MONAI this relies on is a test.
"""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

import monai.bundle
import yaml

from segassay.errors import SegAssayError, UsageError
from segassay.io.outputs import OPTIONS
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.settings import check_config, find_own_error

__all__ = [
    "OF_MONAI",
    "WORKFLOW",
    "Workflow",
    "check_settings",
    "config_text",
    "run_config",
    "running_config",
    "write_config",
]

WORKFLOW = "segassay_monai.Workflow"
"""What `monai.bundle.run` is given as `workflow_name`."""

OF_MONAI = frozenset(inspect.signature(monai.bundle.run).parameters) | {"workflow_name"}
"""Names that `monai.bundle.run` takes for itself, so that no setting can have them."""


class Workflow(monai.bundle.ConfigWorkflow):
    """MONAI's workflow, whose configuration is `running_config` for all that it calls, and whose errors are ours.

    Raises:
        SegAssayError: In place of MONAI's errors, wherever one of ours is their cause.

    Example:
        monai.bundle.run(
            run_id="training", config_file=str(config_path("train.yaml")), workflow_name=WORKFLOW, dataset_dir="mydata"
        )
    """

    def initialize(self) -> Any:
        """Evaluate the expressions under `initialize`."""
        with _running(self):
            return super().initialize()

    def run(self) -> Any:
        """Evaluate the expressions under the run id."""
        with _running(self):
            return super().run()

    def finalize(self) -> Any:
        """Evaluate the expressions under `finalize`."""
        with _running(self):
            return super().finalize()


_current: ContextVar[Workflow | None] = ContextVar("workflow", default=None)


@contextmanager
def _running(workflow: Workflow) -> Iterator[None]:
    """Inside the block this is the workflow that runs; one may run inside another, as an evaluation in a training."""
    token = _current.set(workflow)
    try:
        yield
    except Exception as error:
        ours = find_own_error(error)
        if ours is None or ours is error:
            raise
        raise ours from None
    finally:
        _current.reset(token)


def run_config(
    run_id: str,
    config_name: str,
    settings: Mapping[str, Any],
    *,
    options: tuple[str, str] | None = None,
    **words: Any,
) -> None:
    """Run a configuration of the bundle in this process, without MONAI's warning that a configuration is code.

    Args:
        run_id: `training`, `evaluating` or `inference`.
        config_name: Such as `train.yaml`.
        settings: Of the configuration.
        options: How the user names the folder to write, and allows to overwrite it; by default as the bundle does.
        **words: Other arguments of `monai.bundle.run`.

    Raises:
        SegAssayError: As from `Workflow`.
    """
    token = OPTIONS.set(options or OPTIONS.get())
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="parsing config_file", category=UserWarning)
            config_file = str(config_path(config_name))
            monai.bundle.run(run_id=run_id, config_file=config_file, workflow_name=WORKFLOW, **words, **settings)
    finally:
        OPTIONS.reset(token)


def check_settings(config_name: str, required: Mapping[str, str]) -> None:
    """Check the settings of the running configuration; stands first in its `initialize`.

    Args:
        config_name: The configuration of the bundle that it should agree with, such as `train.yaml`.
        required: Settings without default -> what to give.

    Raises:
        UsageError: As from `check_config`; or if another workflow runs the configuration.
        SystemExit: On MONAI's command line, when all is done.
    """
    if _current.get() is None:
        _start_over()
    check_config(running_config(), config_name, required)


def running_config() -> dict[str, Any]:
    """The configuration in effect, command-line overrides included, as plain values before evaluation.

    Raises:
        RuntimeError: Outside a workflow.
    """
    workflow = _current.get()
    if workflow is None:
        raise RuntimeError("no configuration is running: call this from a bundle's configuration")
    return dict(workflow.parser.get())


def _start_over() -> NoReturn:
    """Start the command line of MONAI again with our workflow; another program is told to name it."""
    if not _is_monai_command():
        raise UsageError(
            f'this configuration needs the workflow of SegAssay; give workflow_name="{WORKFLOW}" to monai.bundle.run'
        )
    import fire

    command, *words = sys.argv[1:]
    commands = {"run": monai.bundle.run, "run_workflow": monai.bundle.run_workflow}
    try:
        fire.Fire(commands, command=[command, f"--workflow_name={WORKFLOW}", *words], name="monai.bundle")
    except SegAssayError as error:
        if os.environ.get("SEGASSAY_DEBUG"):
            raise
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    sys.exit(0)


def _is_monai_command() -> bool:
    """Whether this process is `python -m monai.bundle …`, alone or started by torchrun."""
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    return main is not None and main.name == "monai.bundle.__main__"


def write_config(path: Path) -> None:
    """Write the configuration in effect as YAML, so that the run can be repeated from it."""
    path.write_text(config_text(), encoding="utf-8")


def config_text() -> str:
    """The configuration in effect as YAML."""
    config = {key: value for key, value in running_config().items() if key != "_meta_"}
    return yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)


def _plain(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_plain(value) for value in node]
    return node if isinstance(node, (str, int, float, bool, type(None))) else str(node)
