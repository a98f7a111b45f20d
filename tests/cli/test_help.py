"""Help texts: nothing of them is lost on a terminal, and every example in them runs."""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from command import run, without_pictures
from published_lab import use_tables
from segassay import cli
from segassay.simulation.dataset import Simulation, simulate

ROOT = Path(__file__).resolve().parents[2]


def walk(command: Any, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below this one with the words that call it."""
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, *words, name)


COMMANDS = dict(walk(typer.main.get_command(cli.app)))
EXAMPLES = {words: (command.epilog or "").split("\n\n")[1:] for words, command in COMMANDS.items()}


def examples_of(*names: str) -> list[str]:
    return [line for words, lines in EXAMPLES.items() if words[:1] in [(name,) for name in names] for line in lines]


def test_the_commands_are_those_of_both_packages():
    names = {words[0] for words in COMMANDS if words}
    training = {"train", "study", "predict", "describe", "export", "verify"}
    evaluation = {"check", "download", "simulate", "consensus", "evaluate", "selftest", "planner", "report", "mlflow"}
    assert names == training | evaluation


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_every_word_of_its_texts(monkeypatch, capsys, words, width):
    """No `<rater>` and no `[monai]` is taken for a sign of formatting."""
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", width)
    assert run(monkeypatch, *words, "--help") == 0
    output = capsys.readouterr().out
    shown = set(output.split())
    command = COMMANDS[words]
    for text in [command.help, command.epilog, *(param.help for param in command.params if not param.hidden)]:
        assert set((text or "").split()) <= shown
    assert "OUT" not in shown  # the place where --out once stood
    assert max(map(len, output.splitlines())) <= width


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_and_a_panel(words):
    assert EXAMPLES[words]
    assert all(line.split()[1 : 1 + len(words)] == list(words) for line in EXAMPLES[words])
    assert all(line.split()[1] in {name for name, *_ in filter(None, COMMANDS)} for line in EXAMPLES[words])
    assert not words or COMMANDS[words[:1]].rich_help_panel in ("Data", "Train", "Compare", "Plan")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Current folder with `mydata` and masks of another tool."""
    monkeypatch.chdir(tmp_path)
    simulate(tmp_path / "mydata", Simulation(shape=(64, 64), n_cases=4, n_nuclei=5, images_per_subject=1, regions={}))
    shutil.copytree("mydata/labels/average", "predictions")
    return tmp_path


def test_every_example_of_the_evaluation_runs(folder, monkeypatch):
    without_pictures(monkeypatch)  # other tests draw them
    quick = {"evaluate": ["--no-mlflow", "--jobs", "1"]}
    for line in examples_of("check", "simulate", "consensus", "evaluate", "planner"):
        words = shlex.split(line)[1:]
        small = ["--size", "64,64"] if words[0] == "simulate" and not {"--size", "--settings"} & set(words) else []
        assert run(monkeypatch, *words, *small, *quick.get(words[0], [])) == 0, line


def test_every_example_of_a_download_runs_and_the_selftest_takes_the_result(tmp_path, data_dir, lab_wue1, monkeypatch):
    """From the real data that is here."""
    monkeypatch.chdir(tmp_path)
    asked = use_tables(monkeypatch, lab_wue1)
    shutil.copytree(data_dir / "segebarth2020" / "lab-mue", "downloads/lab-mue")
    for line in examples_of("download", "selftest"):
        words = shlex.split(line)[1:]
        mirror = ["--mirror", data_dir / "segebarth2020"] if words[0] == "download" and "--mirror" not in words else []
        assert run(monkeypatch, *words, *mirror) == 0, line
    assert len(asked) == 1


PAGES = {"train": "training", "study": "study", "describe": "predict", "export": "share", "verify": "trust"}


@pytest.mark.parametrize(("name", "page"), PAGES.items())
def test_every_example_of_training_is_a_command_of_a_page_that_a_test_runs(name, page):
    pages = (ROOT / "docs").glob(f"{page}*.md")  # exports have a page for each kind of collection
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    for line in examples_of(name):
        assert line in text, line
