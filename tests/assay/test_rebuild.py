"""Reports made again: from the folder, and from the MLflow run alone; the same bytes."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from command import run
from folders import contents


def test_an_mlflow_run_alone_gives_the_same_bytes(written, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", written.store)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "report", "--run", written.run_id, "--out", "again") == 0
    again, first = contents(tmp_path / "again"), contents(written.folder)
    again.pop("tables.xlsx")  # a workbook names the time at which it was written
    first.pop("tables.xlsx")
    assert again == first
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_a_folder_gets_its_page_and_figures_again(written, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(written.folder, tmp_path / "copy"))
    (folder / "report.html").unlink()
    (folder / "figures" / "agreement.svg").write_text("damaged")
    (folder / "figures" / "mine.txt").write_text("mine")
    assert run(monkeypatch, "report", folder) == 0
    assert contents(folder) == contents(written.folder) | {"figures/mine.txt": b"mine"}


def test_a_damaged_folder_is_left_as_it_is(written, tmp_path, monkeypatch, capsys):
    folder = Path(shutil.copytree(written.folder, tmp_path / "copy"))
    (folder / "tables" / "scores.csv").write_text("quality\n")
    before = contents(folder)
    assert run(monkeypatch, "report", folder) == 1
    assert "scores.csv: is not as it was written; evaluate again" in capsys.readouterr().err
    assert run(monkeypatch, "report", folder, "--out", tmp_path / "out") == 1
    assert contents(folder) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report"], "expected one folder, or --run"),
        (["report", "{folder}", "{folder}"], "expected one folder, or --run"),
        (["report", "{folder}", "--run", "0"], "expected one folder, or --run"),
        (["report", "--run", "0"], "give it as --out DIR"),
        (["report", "{folder}", "--style", "talk"], "give it as --out DIR"),
        (["report", "{folder}", "--out", "{out}", "--style", "poster"], "--style poster: expected paper or talk"),
        (["report", "{folder}", "--out", "{out}", "--format", "svg,gif"], "--format gif: expected one or more of svg"),
        (["report", "{folder}", "--out", "{folder}", "--overwrite"], "contains files that are read"),
        (
            ["report", "{folder}", "--out", "{folder}/tables", "--overwrite"],
            "which holds files that are read; give anoth",
        ),
        (
            ["report", "compare", "{folder}", "{folder}", "--out", "{folder}", "--overwrite"],
            "contains files that are read",
        ),
        (["report", "compare", "{folder}", "{folder}", "--out", "{folder}/tables", "--overwrite"], "which holds files"),
        (["report", "--run", "0" * 32, "--out", "{out}"], "has no run '00000000000000000000000000000000'"),
    ],
)
def test_a_wrong_call_is_one_message(
    written: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", written.store)
    monkeypatch.setenv("COLUMNS", "200")
    filled = [word.format(folder=written.folder, out=tmp_path / "out") for word in words]
    before = contents(written.folder)
    assert run(monkeypatch, *filled) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert contents(written.folder) == before


@pytest.mark.parametrize("given", [".", "evaluation"])
@pytest.mark.parametrize("out", ["members", "predictions/new", "evaluation_test/new"])
@pytest.mark.parametrize("command", [["report"], ["report", "compare"], ["planner"]], ids=" ".join)
def test_what_a_study_has_written_is_not_replaced(
    written: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    out: str,
    given: str,
) -> None:
    study = tmp_path / "study"
    shutil.copytree(written.folder, study / "evaluation")
    for name in ("members", "predictions"):
        (study / name).mkdir()
        (study / name / "model.pt").write_text("trained")
    (study / "study.yaml").write_text("strategies: []")
    places = ["evaluation" if command == ["planner"] else given] * (2 if "compare" in command else 1)
    monkeypatch.chdir(study)
    before = contents(study)
    assert run(monkeypatch, *command, *places, "--out", out, "--overwrite") == 2
    assert "which holds files that are read" in (said := capsys.readouterr().err) or "contains files" in said
    assert contents(study) == before


def test_a_report_beside_what_a_study_has_written_is_allowed(
    written: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(written.folder, tmp_path / "study" / "evaluation")
    (tmp_path / "study" / "members").mkdir()
    (tmp_path / "study" / "study.yaml").write_text("strategies: []")
    assert run(monkeypatch, "report", tmp_path / "study", "--out", tmp_path / "study" / "paper") == 0


def test_without_a_store_none_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}")
    assert run(monkeypatch, "report", "--run", "0", "--out", tmp_path / "out") == 2
    assert "there is no MLflow store; set MLFLOW_TRACKING_URI" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
