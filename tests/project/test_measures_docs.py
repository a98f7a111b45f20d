"""docs/measures.md: its tables are those of the records, and every link of it leads to something that exists."""

import ast
import doctest
import importlib
import inspect
import re
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

from segassay.qualities.catalogue import CATALOGUE, QUESTIONS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import measures  # noqa: E402

PAGE = measures.PAGE
COLUMNS = ["question", "measure and formula", "source", "not when", "function", "tests"]
ESTIMATORS = (
    "masks.overlaps",
    "statistics.chance",
    "masks.outlines",
    "qualities.validity.effects",
    "statistics.groups",
    "statistics.reliability",
    "qualities.objectivity.imprint",
    "statistics.methods",
    "qualities.objectivity.models",
    "qualities.objectivity.raters",
    "qualities.objectivity.measurements",
    "statistics.raters",
    "qualities.reliability.seeds",
    "qualities.reliability.ensembles",
    "qualities.reliability.flips",
    "qualities.reliability.image_quality",
    "qualities.reliability.spread",
    "qualities.reliability.calibration",
    "qualities.reliability.saturation",
    "qualities.reliability.designs",
    "qualities.reliability.variance",
    "qualities.validity.specification",
    "judgement.strategies",
    "judgement.strategy_effects",
    "judgement.strategy_scores",
    "qualities.reliability.uncertainty",
    "qualities.validity.ceiling",
    "qualities.validity.concordance",
    "qualities.validity.detection",
    "qualities.validity.objects",
    "qualities.validity.outlines",
    "qualities.validity.raters",
    "qualities.validity.sizes",
    "statistics.components",
    "statistics.equivalence",
    "statistics.permutation",
    "qualities.scores.compare",
    "qualities.reliability.selective",
    "masks.boundaries",
    "masks.free_response",
    "qualities.validity.tolerance",
    "statistics.sets",
    "qualities.objectivity.sets",
    "qualities.reliability.rater_probabilities",
    "qualities.validity.amounts",
)
"""Modules whose public functions measure something."""

NO_MEASURE = {
    *("joint_overlaps", "label_objects", "overlap_table", "match_each", "match_overlaps"),  # steps to match_objects
    *("surface_distances", "joint_surface_distances", "image_diagonal", "depth_in"),  # what distances are read off
    *(
        "as_scores",
        "beside",
        "contrast",
        "without_interval",
        "held_out_models",
        "unseen_models",
        "removal_form",
        "sets_of_models",
        "latex_table",
        "measurements_in",
        "measurements_of",
        "decisive_effects",
        "components_of",
        "designs_of",
        "strategies",
        "values_of_units",
        "weighted_eta_squared",
        "without_repeats",
        "of_masks",
        "outcomes",
    ),  # what is compared
    "limits_of_pairs",  # a step to limits_of_agreement
    "majority_verdict",  # a step to deviations from it
    *("annotator_points", "are_side_by_side", "spending_groups", "strategy_table"),  # what is shown
    *("specification_table", "specifications"),  # counting again, and its choices
}
"""Public functions that prepare or join, and measure nothing themselves."""


def rows(text: str) -> list[list[str]]:
    """Cells of every row of every table, without header and ruler."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if row != COLUMNS and not set("".join(row)) <= set("-: ")]


def public_functions(module: str) -> set[str]:
    found = importlib.import_module(f"segassay.{module}")
    names = getattr(found, "__all__", [name for name in vars(found) if not name.startswith("_")])
    functions = {name: getattr(found, name) for name in names if inspect.isfunction(getattr(found, name))}
    return {name for name, function in functions.items() if function.__module__ == found.__name__} - NO_MEASURE


@lru_cache
def names_in(path: Path) -> frozenset[str]:
    """Functions and classes of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def missing_measures(text: str) -> list[str]:
    linked = set(re.findall(r"\[`(\w+)`\]\(", text))
    return [f"{module}.{name}" for module in ESTIMATORS for name in sorted(public_functions(module) - linked)]


def dead_links(text: str, page: Path = PAGE) -> list[str]:
    dead = []
    for words, target in re.findall(r"\[([^\]]*)\]\(((?:[^()]|\([^()]*\))*)\)", text):
        if re.match(r"https?://", target):
            continue
        file, _, name = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        function = name or (words.strip("`") if words.startswith("`") else "")
        if not path.is_file() or (path.suffix == ".py" and function and function not in names_in(path)):
            dead.append(f"[{words}]({target})")
    return dead


def incomplete_rows(text: str) -> list[str]:
    """Rows with an empty cell, or without a function or a test."""
    wrong = []
    for row in rows(text):
        complete = len(row) == len(COLUMNS) and all(row)
        if not (complete and "](../evaluation/segassay/" in row[4] and re.search(r"\]\(\.\./tests/\S*test_", row[5])):
            wrong.append(row[0])
    return wrong


def records_without_row(text: str) -> list[str]:
    """Measures whose question has no row, or whose functions the row does not link."""
    row_of = {row[0]: row for row in rows(text)}
    wrong = []
    for record in CATALOGUE.values():
        row = row_of.get(record.question.text, [""] * len(COLUMNS))
        links = [
            f"[`{name}`](../evaluation/segassay/{module.replace('.', '/')}.py)"
            for module, _, name in (path.rpartition(".") for path in record.functions)
        ]
        if not any(link in row[4] for link in links) or not all(link in text for link in links):
            wrong.append(record.key)
    return wrong


TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_script_writes():
    assert measures.page(TEXT) == TEXT, "no longer true: run python docs/measures.py"


def test_a_table_that_was_changed_by_hand_is_written_again():
    assert measures.page(TEXT.replace("How well do raters agree?", "How?")) == TEXT
    assert measures.page(TEXT.replace("# Measures", "# All measures")) != TEXT


def test_a_changed_record_changes_the_page(monkeypatch):
    imprint = CATALOGUE["objectivity/imprint"]
    monkeypatch.setitem(CATALOGUE, imprint.key, replace(imprint, functions=("statistics.chance.cohen_kappa",)))
    changed = measures.page(TEXT)
    assert changed != TEXT
    assert len(changed.splitlines()) == len(TEXT.splitlines())


def test_a_page_without_the_mark_of_a_table_is_an_error():
    with pytest.raises(ValueError, match="0 places for the table of validity"):
        measures.page(TEXT.replace("<!-- validity -->", ""))


def test_a_bar_inside_a_formula_is_no_border_of_a_cell():
    (question,) = (one for one in QUESTIONS["validity"] if "|shift|" in one.formula)
    assert len(rows(measures.row(question))[0]) == len(COLUMNS)


def test_a_source_with_an_identifier_full_of_signs_is_one_link():
    old = "doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2"
    assert measures.with_links(f"Brier 1950, {old}; Lin").endswith("%3C0001:VOFEIT%3E2.0.CO;2); Lin")


def test_examples_of_the_script_are_true():
    assert doctest.testmod(measures) == (0, 2)


def test_every_question_of_a_record_is_on_the_page_once():
    listed = [question for questions in QUESTIONS.values() for question in questions]
    assert {record.question for record in CATALOGUE.values()} <= set(listed)
    assert len({question.text for question in listed}) == len(listed) > 50


def test_every_record_has_a_row_that_links_what_computes_it():
    assert records_without_row(TEXT) == []


@pytest.mark.parametrize("key", ["objectivity/imprint", "reliability/sd_ratio", "validity/type_m"])
def test_a_record_without_its_row_is_noticed(key):
    question = CATALOGUE[key].question.text
    assert key in records_without_row("\n".join(line for line in TEXT.splitlines() if question not in line))
    name = CATALOGUE[key].functions[0].rpartition(".")[2]
    assert key in records_without_row(TEXT.replace(f"[`{name}`]", "[`other`]"))


def test_every_measure_has_a_row():
    assert missing_measures(TEXT) == []


def test_every_link_leads_to_a_function_or_a_test_that_exists():
    assert len(re.findall(r"\]\(\.\./tests/", TEXT)) > 100
    assert dead_links(TEXT) == []


def test_every_row_is_complete():
    assert len(rows(TEXT)) > 40
    assert incomplete_rows(TEXT) == []


def test_every_table_has_the_same_columns():
    headers = re.findall(r"^\|(.*)\|\n\|[-| ]+\|$", TEXT, re.MULTILINE)
    assert [[cell.strip() for cell in header.split("|")] for header in headers] == [COLUMNS] * len(headers)
    assert len(headers) >= 5


@pytest.mark.parametrize("function", ["fleiss_kappa", "williams_index", "rater_imprint", "mann_whitney"])
def test_a_row_that_is_taken_out_is_missed(function):
    without = "\n".join(line for line in TEXT.splitlines() if f"[`{function}`]" not in line)
    assert any(missing.endswith(f".{function}") for missing in missing_measures(without))


def test_a_dead_link_is_noticed():
    assert dead_links("[`fleiss_kapa`](../evaluation/segassay/statistics/chance.py)")
    assert dead_links("[published](../tests/statistics/test_reliability.py#test_that_is_not_there)")
    assert dead_links("[drawn](../tests/test_nothing.py)")
    assert not dead_links(
        "[`icc`](../evaluation/segassay/statistics/reliability.py) [Bland](https://doi.org/10.1016/S0140-6736(86)90837-8)"
    )


def test_an_incomplete_row_is_noticed():
    row = "| how? | this | there | no | [`icc`](../evaluation/segassay/a.py) | [drawn](../tests/x/test_a.py) |"
    assert incomplete_rows(row) == []
    assert incomplete_rows(row.replace("| there ", "| ")) == ["how?"]
    assert incomplete_rows(row.replace("../tests/x/test_a.py", "https://example.org")) == ["how?"]
