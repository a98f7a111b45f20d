"""The workflow: it knows its configuration, raises our errors as they are, and is what MONAI's command line runs."""

import itertools
import logging
import sys
from logging.handlers import BufferingHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import monai
import monai.bundle
import pytest
import yaml
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle.reference_resolver import ReferenceResolver

from segassay.errors import DataError, UsageError
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.settings import find_own_error
from segassay_monai.bundle.workflow import WORKFLOW, Workflow, running_config
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.training.train import train_member

FIRST = "$__import__('segassay_monai').check_settings('train.yaml', {})"


def write(path: Path, **items: Any) -> str:
    """A configuration whose id `run` is an expression."""
    path.write_text(yaml.safe_dump(items, allow_unicode=True), encoding="utf-8")
    return str(path)


def test_no_configuration_running_is_a_clear_error():
    with pytest.raises(UsageError, match="no configuration is running"):
        running_config()


def test_a_training_does_not_begin_without_the_workflow(tmp_path):
    unused: Any = None
    settings = {"member": unused, "dataset": unused, "trainer": unused, "evaluator": unused, "evaluation": {}}
    with pytest.raises(UsageError, match=r'give workflow_name="segassay_monai\.Workflow" to monai\.bundle\.run'):
        train_member(output_dir=tmp_path / "out", overwrite=False, experiment="", **settings)
    assert list(tmp_path.iterdir()) == []


def test_the_configuration_in_effect_is_written_with_its_overrides(tmp_path):
    place = f"__import__('pathlib').Path({str(tmp_path)!r}) / 'config.yaml'"
    write_config = f"$__import__('segassay_monai.bundle.workflow').bundle.workflow.write_config({place})"
    settings = {"epochs": 3, "rater": "ännchen", "initialize": [write_config]}
    Workflow(config_file=str(config_path("train.yaml")), logging_file=False, **settings).initialize()
    written = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert (written["epochs"], written["rater"], written["seed"]) == (3, "ännchen", 0)
    assert written["channels"] == [16, 32, 64, 128]
    assert "_meta_" not in written
    again = ConfigParser()
    again.read_config(str(tmp_path / "config.yaml"))
    assert again["epochs"] == 3


def test_a_workflow_inside_another_gives_the_word_back(tmp_path, monkeypatch):
    seen = []

    def look() -> None:
        seen.append(running_config()["name"])

    def nest() -> None:
        look()
        workflow = Workflow(config_file=inner, logging_file=False)
        workflow.initialize()
        workflow.run()
        look()

    monkeypatch.setattr(monai, "look", look, raising=False)  # expressions know the module `monai`
    monkeypatch.setattr(monai, "nest", nest, raising=False)
    inner = write(tmp_path / "inner.yaml", name="inner", run="$monai.look()")
    outer = write(tmp_path / "outer.yaml", name="outer", run="$monai.nest()", finalize="$monai.look()")
    monai.bundle.run(config_file=outer, workflow_name=WORKFLOW, logging_file=False)
    assert seen == ["outer", "inner", "outer", "outer"]
    with pytest.raises(UsageError, match="no configuration is running"):
        running_config()


def chained(*errors: Exception) -> Exception:
    """Each error raised from the next."""
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def test_our_own_error_is_found_under_others():
    ours = DataError("images/0144.png: truncated")
    assert find_own_error(chained(RuntimeError("transform"), ValueError("x"), ours, OSError())) is ours
    assert find_own_error(ours) is ours
    assert find_own_error(chained(RuntimeError("a"), KeyError("b"))) is None
    assert find_own_error(None) is None


def test_our_own_error_is_found_where_it_was_only_being_handled():
    error = RuntimeError("while cleaning up")
    error.__context__ = UsageError("--fold 9")
    assert str(find_own_error(error)) == "--fold 9"


def test_an_error_of_the_exported_part_reaches_the_user_as_one_of_ours():
    found = find_own_error(chained(RuntimeError("applying transform"), PredictionError("0144.png: 3 channels")))
    assert isinstance(found, DataError)
    assert str(found) == "0144.png: 3 channels"


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A configuration that fails with an error, when it is initialised or run."""

    def config(error: Exception, when: str) -> str:
        def fail() -> None:
            raise error

        monkeypatch.setattr(monai, "fail", fail, raising=False)
        return write(tmp_path / "failing.yaml", **{"run": "$1"} | {when: "$monai.fail()"})

    return config


@pytest.mark.parametrize("when", ["initialize", "run", "finalize"])
@pytest.mark.parametrize("error", [DataError("0144.png: truncated"), UsageError("--fold 9"), PredictionError("x.pt")])
def test_a_program_gets_an_error_of_ours_itself(failing, error, when):
    expected = DataError if isinstance(error, PredictionError) else type(error)
    with pytest.raises(expected) as caught:
        monai.bundle.run(config_file=failing(error, when), workflow_name=WORKFLOW, logging_file=False)
    assert str(caught.value) == str(error)
    assert any(frame.name == "fail" for frame in caught.traceback), "where it arose is still known"


def test_a_program_gets_an_error_that_is_not_ours_with_its_cause(failing):
    with pytest.raises(RuntimeError) as caught:
        monai.bundle.run(config_file=failing(KeyError("bug"), "run"), workflow_name=WORKFLOW, logging_file=False)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_program_that_names_no_workflow_is_told_how(caplog, tmp_path):
    config = yaml.safe_load(config_path("train.yaml").read_text()) | {"training": "$1", "initialize": [FIRST]}
    monai.bundle.run(run_id="training", config_file=write(tmp_path / "c.yaml", **config), logging_file=False)
    text = 'settings are not checked; give workflow_name="segassay_monai.Workflow" to monai.bundle.run'
    assert [record.getMessage() for record in caplog.records if record.name == "segassay"] == [text]


@pytest.fixture
def monai_command(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`python -m monai.bundle run …` in this process, as MONAI's `__main__` does it; returns its exit code."""
    import fire

    def run(*words: str) -> int:
        monkeypatch.setitem(
            sys.modules, "__main__", SimpleNamespace(__spec__=SimpleNamespace(name="monai.bundle.__main__"))
        )
        monkeypatch.setattr(sys, "argv", ["monai.bundle", "run", *words])
        monkeypatch.delenv("SEGASSAY_DEBUG", raising=False)
        try:
            fire.Fire({"run": monai.bundle.run})
        except SystemExit as end:
            return int(end.code or 0)
        pytest.fail("MONAI's own workflow went on")

    return run


def test_the_command_ends_with_the_message_and_its_exit_code(monai_command, capsys):
    hook = sys.excepthook
    words = ["training", "--config_file", str(config_path("train.yaml")), "--dataset_dir", "data"]
    assert monai_command(*words, "--logging_file", "False", "--epoch", "3") == 2
    shown = capsys.readouterr().err
    assert shown.splitlines()[-1] == "error: unknown setting --epoch; did you mean --epochs?"
    assert "Traceback" not in shown
    assert sys.excepthook is hook


def test_the_command_gets_every_setting_to_our_workflow(monai_command, tmp_path, monkeypatch, capsys):
    seen: list[Any] = []
    monkeypatch.setattr(monai, "look", lambda: seen.append(running_config()), raising=False)
    config = yaml.safe_load(config_path("train.yaml").read_text()) | {"training": "$monai.look()"}
    config |= {"initialize": [FIRST]}
    words = ["--config_file", write(tmp_path / "c.yaml", **config), "--dataset_dir", "0144", "--channels", "[4,8]"]
    assert monai_command("training", *words, "--logging_file=False", "--train#sampler#replacement", "False") == 0
    (found,) = seen
    assert (found["channels"], found["train"]["sampler"]["replacement"]) == ([4, 8], False)
    monkeypatch.setattr(monai, "look", lambda: (_ for _ in ()).throw(DataError("0144.png: truncated")))
    assert monai_command("training", *words, "--logging_file=False") == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: 0144.png: truncated"


def test_the_command_shows_the_traceback_of_an_error_that_is_not_ours(monai_command, tmp_path, monkeypatch):
    config = yaml.safe_load(config_path("train.yaml").read_text()) | {"training": "$1 / 0", "initialize": [FIRST]}
    with pytest.raises(RuntimeError) as caught:
        monai_command("training", "--config_file", write(tmp_path / "c.yaml", **config), "--dataset_dir", "data")
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, ZeroDivisionError):
        error = error.__cause__ or error.__context__
    assert error is not None


def test_monai_is_the_pinned_version():
    assert monai.__version__.partition("+")[0] == "1.6.1"


def test_monai_runs_the_workflow_that_is_named_from_initialize_to_finalize(tmp_path):
    calls = []

    class Watched(ConfigWorkflow):
        def initialize(self) -> Any:
            calls.append("initialize")
            return super().initialize()

        def run(self) -> Any:
            calls.append("run")
            return super().run()

        def finalize(self) -> Any:
            calls.append("finalize")
            return super().finalize()

    config = write(tmp_path / "c.yaml", run="$1")
    monai.bundle.run(config_file=config, workflow_name=Watched, logging_file=False)
    monai.bundle.run_workflow(config_file=config, workflow_name=Watched, logging_file=False)
    assert calls == ["initialize", "run", "finalize"] * 2


def test_monai_keeps_the_configuration_as_the_parser_of_the_workflow(tmp_path):
    config = write(tmp_path / "c.yaml", epochs=1, half="$@epochs / 2", part={"size": 3}, run="$@half")
    workflow = ConfigWorkflow(config_file=config, logging_file=False, epochs=4, **{"part#size": 5})
    assert isinstance(workflow.parser, ConfigParser)
    workflow.initialize()
    assert workflow.run() == [2.0]
    found = workflow.parser.get()
    assert (found["epochs"], found["half"], found["part"]) == (4, "$@epochs / 2", {"size": 5}), "as before evaluation"


def test_monai_evaluates_initialize_in_order_and_wraps_errors_as_their_cause(tmp_path, monkeypatch):
    seen: list[int] = []
    monkeypatch.setattr(monai, "note", seen.append, raising=False)
    config = write(tmp_path / "c.yaml", initialize=["$monai.note(1)", "$monai.note(2)", "$1 / 0"], run="$1")
    with pytest.raises(RuntimeError) as caught:
        ConfigWorkflow(config_file=config, logging_file=False).initialize()
    assert seen == [1, 2]
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_monai_lets_the_end_of_a_program_pass(tmp_path):
    config = write(tmp_path / "c.yaml", initialize=["$__import__('sys').exit(2)"], run="$1")
    with pytest.raises(SystemExit, match="2"):
        monai.bundle.run(config_file=config, logging_file=False)


def test_monai_s_command_line_is_fire_over_run_and_run_workflow():
    code = Path(monai.bundle.__file__).with_name("__main__.py").read_text()
    assert "fire.Fire()" in code
    assert "    run,\n" in code
    assert "    run_workflow,\n" in code


def test_monai_finds_references_and_components_as_the_check_of_settings_reads_them():
    assert set(ReferenceResolver.match_refs_pattern("$[@width, 2 * @part::size]")) == {"width", "part::size"}
    assert ConfigParser().locator.get_component_module_name("SupervisedTrainer") == "monai.engines.trainer"


def test_the_logging_of_the_bundle_is_that_of_the_command_alone(tmp_path):
    """`logging_file=False`, as every program gives it that has its own, and MONAI needs not warn of it."""
    levels = {name: logging.getLogger(name).level for name in ("monai", "ignite.engine.engine", "segassay", "")}
    said, of_monai = BufferingHandler(100), logging.getLogger("monai.bundle.workflows")
    of_monai.addHandler(said)
    monai.bundle.run(config_file=write(tmp_path / "c.yaml", run="$1"), workflow_name=WORKFLOW, logging_file=False)
    of_monai.removeHandler(said)
    assert not [record for record in said.buffer if "skipping logging" in record.getMessage()]
    assert of_monai.filters == []
    assert {name: logging.getLogger(name).level for name in levels} == levels
