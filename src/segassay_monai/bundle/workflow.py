"""The workflow of the bundle: MONAI's, extended to give access to the running configuration and raise our errors.

    run_config, or monai.bundle.run(…, workflow_name="segassay_monai.Workflow")    in a program: raises a SegAssayError
    python -m monai.bundle run training …                          on the command line: one message and an exit code

An expression of a configuration sees single settings, never the whole configuration; code that it calls reads it from
`running_config`. A configuration cannot name its workflow either, so `check_settings`, the first expression of each of
ours, starts MONAI's command line again with this workflow. A test checks the parts of MONAI that this relies on.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

import monai.bundle
import psutil
import yaml

from segassay.errors import SegAssayError, UsageError
from segassay.io.outputs import OPTIONS
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.settings import check_config, check_required, find_own_error
from segassay_monai.bundle.typed import as_typed

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

logger = logging.getLogger("segassay")

WORKFLOW = "segassay_monai.Workflow"
"""Value of `workflow_name` for `monai.bundle.run`."""

_NAME_IT = f'give workflow_name="{WORKFLOW}" to monai.bundle.run'
_COMMANDS = ("run", "run_workflow")

OF_MONAI = frozenset(inspect.signature(monai.bundle.run).parameters) | {"workflow_name"}
"""Names that `monai.bundle.run` takes for itself, so that no setting can have them."""


class Workflow(monai.bundle.ConfigWorkflow):
    """MONAI's workflow, with `running_config` for all code that it calls, and with our errors.

    Raises:
        SegAssayError: Instead of an error of MONAI that it caused.

    Example:
        monai.bundle.run(
            run_id="training", config_file=str(config_path("train.yaml")), workflow_name=WORKFLOW, dataset_dir="mydata"
        )
    """

    required: Mapping[str, str]
    """Settings without which the configuration cannot run, and what to give; set by `check_settings`."""

    begun: bool
    """Whether `run` was called."""

    def __init__(self, *words: Any, tracking: Any = None, **settings: Any) -> None:
        if tracking is not None:
            _check_tracking(tracking)
        with _without_hint():
            super().__init__(*words, **settings)
        self.required, self.begun = {}, False
        if tracking is not None and _is_monai_command():
            _forget_tracking(self.parser)

    def initialize(self) -> Any:
        """Evaluate the expressions under `initialize`."""
        with _running(self):
            return super().initialize()

    def run(self) -> Any:
        """Evaluate the expressions under the run id."""
        self.begun = True
        with _running(self):
            check_required(running_config(), self.required)
            return super().run()

    def finalize(self) -> Any:
        """Evaluate the expressions under `finalize`."""
        with _running(self):
            return super().finalize()


@contextmanager
def _without_hint() -> Iterator[None]:
    """MONAI warns that `logging_file=False` leaves the logging as it is, which is why somebody gives it."""

    def is_other(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Logging file is set to False")

    of_monai = logging.getLogger("monai.bundle.workflows")
    of_monai.addFilter(is_other)
    try:
        yield
    finally:
        of_monai.removeFilter(is_other)


_current: ContextVar[Workflow | None] = ContextVar("workflow", default=None)


@contextmanager
def _running(workflow: Workflow) -> Iterator[None]:
    """Make this the running workflow inside the block; workflows can be nested, as an evaluation in a training."""
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
    """Check the settings of the running configuration; the first expression of its `initialize`.

    Args:
        config_name: The configuration of the bundle that it belongs to, such as `train.yaml`.
        required: Setting without default -> what to give.

    Raises:
        UsageError: As `check_config`.
        SystemExit: On MONAI's command line, after the run.

    What is missing is said when the configuration runs, since a program may look at its parts before it gives data. In
    another workflow settings are not checked, and a training does not begin.
    """
    workflow = _current.get()
    if workflow is None:
        if _is_monai_command():
            _start_over()
        logger.warning(f"settings are not checked; {_NAME_IT}")
        return
    workflow.required = required
    check_config(running_config(), config_name)
    if workflow.begun:
        check_required(running_config(), required)


def running_config() -> dict[str, Any]:
    """The running configuration, command-line overrides included, before evaluation.

    Raises:
        UsageError: Outside such a workflow.
    """
    workflow = _current.get()
    if workflow is None:
        raise UsageError(f"no configuration is running in the workflow of SegAssay; {_NAME_IT}")
    return dict(workflow.parser.get())


def _check_tracking(tracking: Any) -> None:
    """Accept MONAI's name for MLflow, and refuse other settings of MONAI's tracking."""
    if tracking != "mlflow":
        raise UsageError(
            f"--tracking {tracking}: SegAssay logs every training and evaluation to MLflow itself, to the store in "
            "MLFLOW_TRACKING_URI; leave it out, or give mlflow"
        )
    logger.info("--tracking mlflow: SegAssay logs to MLflow itself, one run for each training; MONAI adds none")


def _forget_tracking(parser: monai.bundle.ConfigParser) -> None:
    """Remove what MONAI's own workflow wrote for `--tracking` before ours began: a file in the folder of the output."""
    folder = Path(str(parser.get_parsed_content("output_dir")))
    parser.parse(True)  # as if nothing had been evaluated
    begun = psutil.Process().create_time() - 1
    for file in folder.glob(f"config_{'[0-9]' * 8}_{'[0-9]' * 6}.json"):
        if file.stat().st_mtime >= begun:
            file.unlink()
            with suppress(OSError):  # it holds other files
                folder.rmdir()


def _start_over() -> NoReturn:
    """Start MONAI's command line again with our workflow."""
    import fire

    command, *words = sys.argv[1:]
    commands = {name: getattr(monai.bundle, name) for name in _COMMANDS}
    try:
        words = [f"--workflow_name={WORKFLOW}", *as_typed(words)]
        fire.Fire(commands, command=[command, *words], name="monai.bundle")
    except SegAssayError as error:
        if os.environ.get("SEGASSAY_DEBUG"):
            raise
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    sys.exit(0)


def _is_monai_command() -> bool:
    """Whether this process is `python -m monai.bundle run …`, alone or started by torchrun."""
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    return main is not None and main.name == "monai.bundle.__main__" and sys.argv[1:2] in ([one] for one in _COMMANDS)


def write_config(path: Path) -> None:
    """Write the running configuration as YAML, so that the run can be repeated from it."""
    path.write_text(config_text(), encoding="utf-8")


def config_text() -> str:
    """The running configuration as YAML."""
    config = {key: value for key, value in running_config().items() if key != "_meta_"}
    return yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)


def _plain(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_plain(value) for value in node]
    return node if isinstance(node, (str, int, float, bool, type(None))) else str(node)
