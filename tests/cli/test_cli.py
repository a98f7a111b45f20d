"""The command line: what it writes, and what it says when the call is wrong."""

import io
import json
import logging.config
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from command import run
from segassay import cli
from segassay.data.dataset import read_dataset
from segassay.errors import DataError, SegAssayError, UsageError
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.bundle.paths import config_path
from segassay_monai.cli.train import _extra_settings


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A dataset of three small images."""
    return simulate(tmp_path_factory.mktemp("three") / "sim", Simulation(n_cases=3, shape=(48, 48), seed=3))


def test_simulate_writes_a_dataset_that_can_be_read(tmp_path, monkeypatch, capsys):
    words = ["simulate", "--out", tmp_path / "sim", "--cases", 2, "--size", "40,64", "--seed", 3]
    assert run(monkeypatch, *words) == 0
    dataset = read_dataset(tmp_path / "sim")
    assert (len(dataset.cases), len(dataset.raters)) == (2, 3)
    assert str(tmp_path / "sim") in capsys.readouterr().out.replace("\n", "")
    assert run(monkeypatch, *words) == 2
    assert "exists already" in capsys.readouterr().err
    assert run(monkeypatch, *words, "--overwrite") == 0


@pytest.mark.parametrize("size", ["big", "64", "64,64,64,64", "0,64", "64,", "64x64"])
def test_simulate_with_an_impossible_size_is_one_message(tmp_path, monkeypatch, capsys, size):
    assert run(monkeypatch, "simulate", "--out", tmp_path / "sim", "--size", size) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert len(shown.splitlines()) <= 2
    assert not list(tmp_path.iterdir())


def test_simulate_below_a_file_is_one_message(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    assert run(monkeypatch, "simulate", "--out", tmp_path / "file" / "sim", "--cases", 1, "--size", "32,32") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_an_unknown_command_or_option_is_a_wrong_call(tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "simulat", tmp_path) == 2
    assert run(monkeypatch, "simulate", "--out", tmp_path / "sim", "--number", 3) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [["check", "{data}"], ["consensus", "{data}", "--out", "{out}"]], ids=" ".join)
def test_quiet_shows_no_progress_but_the_result(three, tmp_path, monkeypatch, capsys, words):
    words = [str(word).format(data=three, out=tmp_path / "out") for word in words]
    code = run(monkeypatch, *words, "--quiet")
    quiet = capsys.readouterr()
    assert run(monkeypatch, *words, *(["--overwrite"] if "--out" in words else [])) == code == 0
    loud = capsys.readouterr()
    assert "3 of 3 images" in loud.err
    assert quiet.err == ""
    assert quiet.out == loud.out != ""


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["evaluate", "lab", "--out", "result"], "segassay.assay.evaluate"),
        (["download", "segebarth2020", "--out", "labs"], "segassay.data.published.download.download"),
        (["predict", "model", "images", "--out", "result"], "segassay_monai.prediction.run.predict"),
    ],
    ids=["evaluate", "download", "predict"],
)
def test_quiet_reaches_the_long_work(monkeypatch, words, place):
    asked = []

    def stop(*args, progress, **settings):
        asked.append(progress)
        raise UsageError("far enough")

    monkeypatch.setattr(place, stop)
    assert [run(monkeypatch, *words), run(monkeypatch, *words, "--quiet")] == [2, 2]
    assert asked == [True, False]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["--epochs", "3", "--tile_size=64"], {"epochs": 3, "tile_size": 64}),
        (["--learning-rate", "1e-3"], {"learning_rate": 0.001}),
        (["--learning_rate", "0.01", "--channels", "[8, 16]"], {"learning_rate": 0.01, "channels": [8, 16]}),
        (["--overwrite", "true", "--device", "cuda:0"], {"overwrite": True, "device": "cuda:0"}),
        (["--experiment", "a: b", "--output_dir=x=y"], {"experiment": "a: b", "output_dir": "x=y"}),
        (["--experiment", "[draft", "--name", "2024-01-01"], {"experiment": "[draft", "name": "2024-01-01"}),
        (["--cases", "[0144,0092]", "--experiment", "0144"], {"cases": ["0144", "0092"], "experiment": "0144"}),
        (["--train#trainer#max_epochs", "2", "--device", "$torch.device('cpu')"],
         {"train#trainer#max_epochs": 2, "device": "$torch.device('cpu')"}),
    ],
)  # fmt: skip
def test_settings_of_a_training_are_numbers_lists_or_text(words, expected):
    found = _extra_settings(words)
    assert found == expected
    assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


@pytest.mark.parametrize("words", [["--epochs"], ["epochs", "3"], ["--epochs", "3", "more"]])
def test_a_setting_without_value_or_dashes_is_one_message(tmp_path, monkeypatch, capsys, words):
    assert run(monkeypatch, "train", tmp_path, *words) == 2
    assert "expected a setting of train.yaml and its value, such as --epochs 40" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["--output_dir", "M"], ["--output-dir=M"], ["--out", "N", "--output_dir", "M"]])
@pytest.mark.parametrize(
    "words", [["train", "data"], ["evaluate", "data"], ["predict", "model", "images"]], ids=" ".join
)
def test_the_folder_of_a_result_is_called_out(monkeypatch, capsys, words, given):
    assert run(monkeypatch, *words, *given) == 2
    assert capsys.readouterr().err.endswith("is a name of the bundle; give the folder as --out M\n")


def test_a_former_name_of_that_folder_is_told_the_present_one_at_once(three, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "train", three, "--output", tmp_path / "m") == 2
    assert "unknown setting --output; did you mean --out?" in capsys.readouterr().err
    assert run(monkeypatch, "train", three, "--dataset", "data") == 2
    assert "dataset_dir" not in capsys.readouterr().err


def test_overwrite_of_train_takes_no_value(tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr("monai.bundle.run", lambda **words: calls.append(words))
    assert run(monkeypatch, "train", tmp_path, "--overwrite", "--epochs", 3) == 0
    assert (calls[0]["overwrite"], calls[0]["epochs"]) == (True, 3)
    assert run(monkeypatch, "train", tmp_path, "--overwrite", "True") == 2
    assert "--overwrite takes none" in capsys.readouterr().err
    assert len(calls) == 1


def test_a_quiet_training_shows_only_warnings(tmp_path, monkeypatch, capsys):
    def training(**words):
        logging.config.fileConfig(config_path("logging.conf"), disable_existing_loggers=False)
        logging.getLogger("segassay").info("epoch 1/2")
        logging.getLogger("segassay").warning("an image is empty")

    monkeypatch.setattr("monai.bundle.run", training)
    assert run(monkeypatch, "train", tmp_path) == 0
    assert "epoch 1/2" in capsys.readouterr().err
    assert run(monkeypatch, "train", tmp_path, "--quiet") == 0
    assert [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()] == ["an image is empty"]
    assert logging.getLogger("segassay").isEnabledFor(logging.INFO)


def test_messages_of_train_speak_of_its_options(tmp_path, monkeypatch, capsys):
    (tmp_path / "model").mkdir()
    assert run(monkeypatch, "simulate", "--out", tmp_path / "sim", "--cases", 8, "--size", "64,64") == 0
    assert run(monkeypatch, "train", tmp_path / "sim", "--out", tmp_path / "model") == 2
    assert "exists already; give another --out, or --overwrite to replace it" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["config_file", "run_id", "dataset_dir", "meta_file", "workflow_name"])
def test_what_train_sets_itself_cannot_be_given(tmp_path, monkeypatch, capsys, name):
    assert run(monkeypatch, "train", tmp_path, f"--{name}", "x") == 2
    assert f"--{name} is set by `segassay train` itself" in capsys.readouterr().err


def test_a_setting_given_twice_is_one_message(tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "train", tmp_path, "--epochs", 3, "--epochs=4") == 2
    assert "--epochs is given twice" in capsys.readouterr().err


def test_train_is_the_training_of_the_bundle(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("monai.bundle.run", lambda **words: calls.append(words))
    assert run(monkeypatch, "train", tmp_path, "--rater", "0144", "--fold", 2, "--seed=7", "--epochs", 3) == 0
    (call,) = calls
    assert Path(call.pop("config_file")).name == "train.yaml"
    settings = {"dataset_dir": str(tmp_path), "rater": "0144", "fold": 2, "seed": 7, "epochs": 3}
    assert call == {"run_id": "training", "workflow_name": "segassay_monai.Workflow"} | settings


def test_an_error_of_ours_under_one_of_monai_is_its_message_alone(tmp_path, monkeypatch, capsys):
    def fail(**words: object) -> None:
        raise RuntimeError("Failed to evaluate") from DataError("images/0144.png: truncated; copy it again")

    monkeypatch.setattr("monai.bundle.run", fail)
    assert run(monkeypatch, "train", tmp_path) == 1
    assert capsys.readouterr().err == "error: images/0144.png: truncated; copy it again\n"
    with pytest.raises(RuntimeError, match="Failed to evaluate"):
        run(monkeypatch, "--debug", "train", tmp_path)


def test_an_error_that_is_not_ours_keeps_its_cause(tmp_path, monkeypatch):
    def fail(**words: object) -> None:
        raise RuntimeError("Failed to instantiate") from KeyError("the reason")

    monkeypatch.setattr("monai.bundle.run", fail)
    with pytest.raises(RuntimeError) as caught:
        run(monkeypatch, "train", tmp_path)
    assert isinstance(caught.value.__cause__, KeyError)
    assert not caught.value.__suppress_context__ or caught.value.__cause__


def test_debug_shows_the_traceback_and_leaves_the_environment_alone(tmp_path, monkeypatch, capsys):
    words = ["consensus", tmp_path / "nowhere", "--out", tmp_path / "out"]
    with pytest.raises(SegAssayError, match="is not a folder"):
        run(monkeypatch, "--debug", *words)
    assert "SEGASSAY_DEBUG" not in os.environ
    assert run(monkeypatch, *words) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_the_environment_asks_for_tracebacks_too(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["segassay", "planner", str(tmp_path / "nowhere"), "--out", "plan"])
    monkeypatch.setenv("SEGASSAY_DEBUG", "1")
    with pytest.raises(SegAssayError):
        cli.main()


@pytest.mark.parametrize("words", [["simulate", "sim"], ["download", "segebarth2020", "sim"]])
def test_an_output_without_its_option_is_told_where_to_stand(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *words) == 2
    assert capsys.readouterr().err == "error: sim is an unexpected argument; give the folder as --out sim\n"
    assert not list(tmp_path.iterdir())


def test_the_former_name_of_the_mlflow_experiment_is_told_the_present_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for words in (["evaluate", tmp_path, "--out", tmp_path / "out"], ["mlflow", "ui"]):
        assert run(monkeypatch, *words, "--experiment", "mine") == 2
        assert "give it as --mlflow-experiment mine" in capsys.readouterr().err
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["run", "plan", "status"])
def test_a_study_says_where_its_folder_is_named(tmp_path, monkeypatch, capsys, command):
    assert run(monkeypatch, "study", command, tmp_path / "study.yaml", "--out", "mine") == 2
    assert "write `output_dir: mine` into STUDY.yaml" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_mlflow_experiment_is_handed_on(tmp_path, monkeypatch):
    def stop(*_: object, mlflow_experiment: str, **__: object) -> None:
        raise DataError(mlflow_experiment)

    monkeypatch.setattr("segassay.assay.evaluate", stop)
    words = ["--debug", "evaluate", tmp_path, "--out", tmp_path / "out", "--mlflow-experiment", "mine"]
    with pytest.raises(DataError, match=r"^mine$"):
        run(monkeypatch, *words)


def test_version(monkeypatch, capsys):
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"segassay {version('segassay')}\n"


def test_it_runs_as_a_module(tmp_path):
    words = [sys.executable, "-m", "segassay", "consensus", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("words", [["train", "data", "--epochs", 3], ["study", "run", "study.yaml"]])
@pytest.mark.parametrize("missing", [["monai", "monai.bundle", "torch"], ["segassay_monai", "segassay_monai.cli"]])
def test_without_the_extra_training_says_what_to_install(tmp_path, monkeypatch, capsys, words, missing):
    """Whether the extra is missing, or the training package itself."""
    loaded = ("segassay_monai.study", "segassay_monai.bundle.settings", "segassay_monai.bundle.workflow")
    for name in [*missing, *(name for name in sys.modules if name.startswith(loaded))]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *words) == 2
    assert 'pip install "segassay[monai]"' in capsys.readouterr().err


def test_help_lists_the_commands_of_training_where_they_are_not_installed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "segassay_monai.cli", None)
    assert run(monkeypatch, "--help") == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert 'train Train one model. Not installed: pip install "segassay[monai]"' in shown
    assert " study " in shown


def test_a_module_of_ours_that_is_missing_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("segassay_monai.cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "segassay_monai.bundle.typed", None)
    with pytest.raises(ModuleNotFoundError, match=r"segassay_monai\.bundle\.typed"):
        run(monkeypatch, "--help")


def test_help_and_import_load_no_heavy_library():
    heavy = ["mlflow", "seaborn", "matplotlib", "numpy", "torch", "monai"]
    lines = (
        "import sys, segassay\n"
        "from segassay import cli\n"
        "sys.argv = ['segassay', '--help']\n"
        "try:\n    cli.main()\n"
        f"finally:\n    print([name for name in {heavy} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=120, check=True)
    assert "evaluate" in done.stdout
    assert "--epochs" in done.stdout  # of `train`, from the entry point
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "data"], "Missing option"),
        (["evaluate", "data", "--out"], "requires an argument"),
        (["evaluate", "data", "--out", "o", "--jobs", 0], "--jobs"),
    ],
)
def test_evaluate_called_the_wrong_way_says_so(monkeypatch, capsys, words, message):
    assert run(monkeypatch, *words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_that_lacks_letters_is_no_error_and_json_stays_json(tmp_path, monkeypatch, encoding):
    (tmp_path / "mäuse 李" / "images").mkdir(parents=True)
    for words in (["check", "mäuse 李"], ["check", "mäuse 李", "--json"]):
        written = io.BytesIO()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["segassay", *words])
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding, write_through=True))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 1
    assert "mäuse 李" in json.loads(written.getvalue().decode(encoding))["problems"][0]["file"]
