"""What not_judged.csv says: all its words stand in the records, and the computations only say what is lacking."""

import ast
import importlib
import inspect
import string
from types import ModuleType

import pytest

from segassay.qualities.catalogue import CATALOGUE
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.computation import Computation, compute_all
from segassay.qualities.scores.measure import NO_ROWS, Gap
from segassay.qualities.scores.table import QUALITIES, score_rows
from segassay.qualities.validity import records as validity

FILLED_IN = {"name", "words", "needs", "n_raters", "n_cases", "unknown"}
EVERY_GAP = [(record, lacking) for record in CATALOGUE.values() for lacking in record.gaps]


def source(quality: str) -> str:
    return inspect.getsource(importlib.import_module(f"segassay.qualities.{quality}.computations"))


def words_in(text: str) -> list[str]:
    """Strings of a module that read like prose; docstrings do not count."""
    tree = ast.parse(text)
    documented = [node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.FunctionDef))]
    docstrings = {id(node.body[0].value) for node in documented if isinstance(node.body[0], ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings]
    return [node.value for node in constants if isinstance(node.value, str) and " " in node.value]


def gaps_reported(text: str, room: ModuleType) -> set[tuple[str, Gap]]:
    """What is lacking, and the template of it, for each call such as `of.F1.gap("truth")`."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    found = set()
    for call in [call for call in calls if getattr(call.func, "attr", "") == "gap" and call.args]:
        record = getattr(room, ast.unparse(call.func).split(".")[1])
        keys = [node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)]
        found |= {(key, record.gaps[key]) for key in keys}
    return found


@pytest.mark.parametrize("quality", QUALITIES)
def test_no_words_of_gaps_stand_in_the_computations(quality):
    assert words_in(source(quality)) == []


def test_words_in_a_computation_are_noticed():
    added = 'def _without(found):\n    """No raters at all."""\n    yield Gap("f1", f"no raters, there are {found}")\n'
    assert words_in(added) == ["no raters, there are "]


@pytest.mark.parametrize(("quality", "room"), list(zip(QUALITIES, (objectivity, reliability, validity), strict=True)))
def test_every_gap_of_a_record_is_reported_by_a_computation(quality, room):
    of_records = {(key, gap) for record in room.RECORDS for key, gap in record.gaps.items() if key != NO_ROWS}
    assert of_records == gaps_reported(source(quality), room)


def test_a_gap_that_nothing_reports_is_noticed():
    unreported = source("validity").replace('of.F1.gap("truth")', 'of.F1.gap("raters")')
    assert ("truth", validity.F1.gaps["truth"]) not in gaps_reported(unreported, validity)


@pytest.mark.parametrize(("record", "lacking"), EVERY_GAP, ids=[f"{record.key}-{key}" for record, key in EVERY_GAP])
def test_every_gap_names_what_is_missing_with_numbers_that_are_known(record, lacking):
    template = record.gaps[lacking]
    fields = {name for text in vars(template).values() for _, name, _, _ in string.Formatter().parse(text) if name}
    assert fields <= FILLED_IN
    gap = record.gap(lacking, n_raters=1, n_cases=1, unknown=1)
    assert gap.measure
    assert gap.why
    assert not set("{}") & set(gap.measure + gap.why + gap.words)


@pytest.mark.parametrize(
    ("gap", "measure", "why", "words"),
    [
        (
            objectivity.IMPRINT.gap("unknown", n_raters=1, unknown=4),
            "imprint",
            "needs held-out models of 3 raters, there are 1; 4 models leave it open whether cases were held out",
            "imprint",
        ),
        (
            objectivity.ICC_A1.form("mean_intensity").gap("intensity"),
            "icc_a1_mean_intensity",
            "no image, or no object on any",
            "ICC(A,1) of mean intensity",
        ),
        (
            objectivity.WILLIAMS_INDEX.gap("models"),
            "williams_index of models",
            "needs a model or ensemble and 2 raters",
            "Williams index of models",
        ),
        (
            objectivity.F1.form(comparison="leave_one_out").gap(),
            "f1_leave_one_out",
            "needs 4 raters of a case, so that 3 remain for C₋r",
            "F1 against the consensus of the other raters",
        ),
        (reliability.SD.gap(NO_ROWS), "spread over seeds", reliability.F1.needs, ""),
        (validity.TYPE_S.gap("truth"), "type_s_and_m", "no truth is known", "type s and m"),
    ],
)
def test_gaps_by_hand(gap, measure, why, words):
    assert gap == Gap(measure, why, words)


def test_a_gap_that_a_record_does_not_have_or_cannot_fill_is_an_error():
    with pytest.raises(KeyError, match="money"):
        validity.F1.gap("money")
    with pytest.raises(KeyError, match="n_cases"):
        objectivity.WINNING_RATE.gap("cases")


def test_without_rows_a_computation_names_its_first_measure_if_that_has_such_a_gap():
    empty = [Computation((record,), lambda: score_rows([])) for record in (reliability.ECE, validity.IOU)]
    assert compute_all(empty)[1] == [reliability.ECE.gap(NO_ROWS)]
