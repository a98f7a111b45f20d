"""Names that a spreadsheet program would compute or a terminal obey are refused wherever names come from."""

import io
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from command import run
from drawing import draw
from segassay import evaluate
from segassay.checks.check import check_dataset
from segassay.data.annotations import read_annotations
from segassay.data.dataset import read_dataset
from segassay.errors import DataError, Problem, UsageError, printable
from segassay.io.csv_tables import csv_text
from segassay.simulation.settings import Effect, RaterHabit, Simulation
from small_datasets import save, tables_of

MASK = draw("##.. ....")
FORMULA = "=1+cmd|' calc'!A0"
CLEAR = "a\x1b[2J\x9b31m"


def lab(folder: Path, *, case: str = "1", rater: str = "anna", **files: str) -> Path:
    for name in (case, "2"):
        save(folder / "images" / f"{name}.png", np.arange(8).reshape(2, 4))
        for one in (rater, "ben"):
            save(folder / "labels" / one / f"{name}.png", MASK)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def experiment(column: str, cell: str) -> dict[str, str]:
    table = pd.DataFrame({"case": ["1", "2"], "group": ["H", "C"]})
    table[column] = [cell, "other"]
    return {"dataset_yaml": "experiment: e.csv\n", "e_csv": table.to_csv(index=False)}


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"case": FORMULA}, "the case"),
        ({"rater": FORMULA}, "the rater"),
        ({"rater": "an\x1bna"}, "the rater"),
        ({"rater": "an\u202ena"}, "the rater"),
        ({"dataset_yaml": 'name: "a\\u2066b"\n'}, "the dataset"),
        ({"rater": "-anna"}, "the rater '-anna' begins with a hyphen"),
        ({"rater": "$open('x','w')"}, "begins with '$', which a training runs as a program"),
        ({"dataset_yaml": "raters: {$anna: labels/anna, ben: labels/ben}\n"}, "the rater"),
        ({"case": "%train.yaml"}, "begins with '%'"),
        ({"dataset_yaml": "raters: {-anna: labels/anna, ben: labels/ben}\n"}, "as the consensus without rater 'anna'"),
        ({"dataset_yaml": f'name: "{FORMULA}"\n'}, "the dataset"),
        ({"dataset_yaml": 'name: "a\\e[2J"\n'}, "the dataset"),
        ({"dataset_yaml": f'raters: {{"{FORMULA}": labels/anna, ben: labels/ben}}\n'}, "the rater"),
        ({"dataset_yaml": f'raters: {{anna: {{person: "{FORMULA}"}}, ben: labels/ben}}\n'}, "the person"),
        *(
            (experiment(column, name), f"the {column}")
            for column in ("group", "region", "subject", "batch")
            for name in (FORMULA, "a\x9b31m", "a\u2067b")
        ),
    ],
)
def test_a_harmful_name_is_one_error_that_harms_no_terminal(tmp_path: Path, parts: dict[str, str], named: str):
    found = [
        problem for problem in check_dataset(lab(tmp_path / "lab", **parts)).errors if problem.kind == "harmful-name"
    ]
    assert len(found) == 1
    assert named in found[0].what
    assert printable(str(found[0])) == str(found[0])


def test_a_file_whose_name_turns_the_order_of_its_letters_is_refused(tmp_path: Path):
    folder = lab(tmp_path / "lab", case="a\u202egnp")
    found = [problem for problem in check_dataset(folder).errors if problem.kind == "unwritable-name"]
    assert len(found) == 3  # the image, and the masks of two raters
    assert all(r"a\u202egnp" in problem.what and "\u202e" not in str(problem) for problem in found)


def test_names_in_arabic_and_hebrew_are_names(tmp_path: Path):
    assert not check_dataset(lab(tmp_path / "lab", case="\u200fدم 1", rater="דנה")).errors


def test_genotypes_and_doses_are_names(tmp_path: Path):
    parts = experiment("subject", "-/-") | {"case": "-70 mV", "rater": "+anna"}
    parts["e_csv"] = parts["e_csv"].replace("1,H", "-70 mV,H").replace("C", "+/+")
    folder = lab(tmp_path / "lab", **parts)
    assert not check_dataset(folder).errors
    dataset = read_dataset(folder)
    for table in (tables_of(dataset).counts, dataset.experiment):
        text = csv_text(table)
        read = pd.read_csv(io.StringIO(text), keep_default_na=False)
        assert all(
            set(read[name]) == set(table[name]) for name in {"case", "annotator", "group", "subject"} & set(table)
        )
    assert "+anna" in csv_text(tables_of(dataset).counts)
    assert "-/-" in text


@pytest.mark.parametrize("name", [FORMULA, CLEAR])
@pytest.mark.parametrize("column", ["case", "annotator", "strategy", "trained_on"])
def test_annotations_with_a_harmful_name_are_refused(tmp_path: Path, name: str, column: str):
    save(tmp_path / "1.png", MASK)
    row = {"case": "1", "annotator": "net", "kind": "model", "path": "1.png", "strategy": "a", "trained_on": "b"}
    pd.DataFrame([row | {column: name}]).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=f"the {column} ") as caught:
        read_annotations(None, tmp_path / "a.csv")
    assert printable(str(caught.value)) == str(caught.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [(FORMULA, "looks like a formula"), ("-anna", "begins with a hyphen"), ("$anna", "runs as a program")],
)
def test_a_further_annotator_with_a_harmful_name_is_refused(tmp_path: Path, name: str, why: str):
    save(tmp_path / "masks" / "1.png", MASK)
    with pytest.raises(DataError, match=why):
        read_annotations(None, masks={name: tmp_path / "masks"})


def test_a_mask_that_would_pass_for_the_consensus_without_a_rater_is_refused():
    masks = {name: {"1": MASK} for name in ("anna", "ben", "-anna")}
    with pytest.raises(DataError, match="the annotator '-anna' begins with a hyphen, as the consensus without rater"):
        evaluate(masks=masks, kinds={"anna": "human", "ben": "human", "-anna": "truth"})


def test_a_simulation_with_a_harmful_name_is_refused():
    with pytest.raises(UsageError, match="valid folder names"):
        RaterHabit(name="=anna")
    with pytest.raises(UsageError, match="no formulas"):
        Simulation(groups={"=H": Effect()})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names of folders")
def test_check_prints_and_lists_no_escape_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    folder = lab(tmp_path / CLEAR, rater=CLEAR, **experiment("group", CLEAR))
    for words in ((), ("--json",)):
        assert run(monkeypatch, "check", folder, *words) == 1
        text = "".join(capfd.readouterr())
        assert "2J" in text
        assert "\x1b" not in text
        assert "\x9b" not in text


def test_messages_are_without_escape_codes():
    for message in (DataError.of(CLEAR, CLEAR), UsageError(CLEAR), Problem(CLEAR, CLEAR, CLEAR, kind="x")):
        assert "\x1b" not in str(message)
        assert "\\x1b[2J\\x9b31m" in str(message)
    assert printable("Mäuse 李\n\t\u202e\x07") == "Mäuse 李\n\t\\u202e\\x07"


def test_commands_print_through_one_function():
    root = Path(__file__).parents[2]
    sources = [*root.glob("evaluation/segassay/**/*.py"), *root.glob("src/segassay_monai/**/*.py")]
    assert sum(path.read_text(encoding="utf-8").count("typer.echo(") for path in sources) == 1
