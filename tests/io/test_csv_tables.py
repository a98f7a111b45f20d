"""Tables as CSV: what a spreadsheet program would compute becomes text, everything else reads back as it was."""

import io
import re
from pathlib import Path

import pandas as pd
import pytest

from segassay.io.csv_tables import csv_text, looks_like_formula, read_csv_text

ROOT = Path(__file__).parents[2]

FORMULAS = (
    "=1+cmd|'/C calc'!A0",
    "=x",
    " =1+1",
    "@SUM(A1)",
    "+cmd|'/C calc'!A0",
    "-1+cmd|'/C calc'!A0",
    '+HYPERLINK("http://a.b","c")',
    "+SUM (A1)",
    "+'C:\\a.xls'!A1",
    "mouse;=1+1",  # where a spreadsheet program separates by semicolons
    "mouse;a\t=1+1",
    "mouse\n=1+1",
    "\uff1d1+1",  # full width, as a Japanese keyboard types it
)
NAMES = (
    "0144",
    "-/-",
    "+/-",
    "+/+",
    "-70 mV",
    "+5 µM",
    "- control",
    "a=b",
    "x+y",
    "50% @home",
    "é@lab",
    "'=x",
    "NA",
    "",
)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text_and_is_recognised(text: str):
    assert looks_like_formula(text)
    cells = pd.read_csv(io.StringIO(csv_text(pd.DataFrame({"n": [1, 2], "what": [text, "mouse"]}))))
    assert list(cells["what"]) == [f"'{text}", "mouse"]


@pytest.mark.parametrize("text", NAMES)
def test_a_name_that_is_no_formula_stays(text: str):
    assert not looks_like_formula(text)
    table = pd.DataFrame({"case": [text, "mouse"], "n": [-1, -2], "share": [0.5, float("nan")]})
    assert csv_text(table) == table.to_csv(index=False, lineterminator="\n")


def test_formulas_are_found_in_every_kind_of_column_and_in_names_of_columns():
    table = pd.DataFrame({"=a": pd.Series(["=1", "b"], dtype="category"), "b": pd.Series(["@c", None], dtype="string")})
    table.insert(2, "b", ["=2", 3], allow_duplicates=True)
    before = table.copy()
    assert csv_text(table) == "'=a,b,b\n'=1,'@c,'=2\nb,,3\n"
    pd.testing.assert_frame_equal(table, before)


def test_names_that_look_like_nothing_or_like_numbers_are_read_as_written(tmp_path: Path):
    table = pd.DataFrame({"rater": ["NA", "null", "nan", "1", "01"], "case": None, "n": [1, 2, None, 4, 5]})
    (tmp_path / "a.csv").write_text(csv_text(table), encoding="utf-8")
    read = read_csv_text(tmp_path / "a.csv", ["rater", "case", "strategy"])
    assert list(read["rater"]) == list(table["rater"])
    assert read["case"].isna().all()
    assert read["n"].isna().tolist() == [False, False, True, False, False]


def test_every_table_is_written_so():
    sources = [*ROOT.glob("evaluation/segassay/**/*.py"), *ROOT.glob("src/segassay_monai/**/*.py")]
    writing = [path for path in sources if re.search(r"\.to_csv\([^)]", path.read_text(encoding="utf-8"))]
    assert {path.name for path in writing} == {"csv_tables.py", "sources.py"}  # the latter hashes a table
