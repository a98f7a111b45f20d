"""Plain names of measures: each stands in one record, and nowhere else."""

import ast
import string
from collections import Counter
from pathlib import Path

import pytest

import segassay
from segassay.qualities.catalogue import CATALOGUE
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.measure import Measure
from segassay.qualities.validity import records as validity
from segassay.report.naming import plain_gap, plain_name

ROOT = Path(segassay.__file__).parent
EVERY = pytest.mark.parametrize("record", CATALOGUE.values(), ids=list(CATALOGUE))
PLAIN = {record.plain for record in CATALOGUE.values() if record.plain}
OF_GAPS = {plain for record in CATALOGUE.values() for plain in record.plain_gaps.values()}


def texts_in(code: str) -> list[str]:
    """All constant texts of a module."""
    constants = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
    return [value for value in constants if isinstance(value, str)]


def texts_of(*, records: bool) -> Counter[str]:
    """Constant texts of the records of measures, or of all other modules."""
    paths = [path for path in ROOT.rglob("*.py") if (path.parent.parent.name, path.name) == ("qualities", "records.py")]
    chosen = paths if records else sorted(set(ROOT.rglob("*.py")) - set(paths))
    return Counter(text for path in chosen for text in texts_in(path.read_text(encoding="utf-8")))


@EVERY
def test_every_record_has_a_plain_name(record: Measure) -> None:
    """A record whose words in tables are its name with spaces, such as `sd ratio`, needs another one."""
    assert record.plain or record.words


@EVERY
def test_a_plain_name_names_what_a_row_knows(record: Measure) -> None:
    assert {name for _, name, _, _ in string.Formatter().parse(record.plain) if name} <= {"of", "variant"}
    assert not set("{}") & set("".join(record.plain_gaps.values()))


def test_no_two_measures_have_one_plain_name() -> None:
    """One measure may belong to two qualities; it has one name, which stands there once."""
    named = {(record.plain, record.name) for record in CATALOGUE.values() if record.plain}
    assert len(named) == len(PLAIN) > 80
    given = texts_of(records=True)
    assert {text: given[text] for text in PLAIN | OF_GAPS if given[text] != 1} == {}


def test_no_plain_name_stands_outside_the_records() -> None:
    elsewhere = texts_of(records=False)
    assert [text for text in PLAIN | OF_GAPS if text in elsewhere] == []


def test_a_plain_name_in_another_module_is_noticed() -> None:
    assert set(texts_in('_PLAIN = {"sd": "{of}: standard deviation over seeds"}')) & PLAIN


@pytest.mark.parametrize(
    ("form", "plain"),
    [
        (objectivity.F1.form(comparison="leave_one_out"), "F1 against the consensus of the other raters"),
        (objectivity.IMPRINT.form("dice"), "imprint of the rater that a model was trained on, of Dice"),
        (objectivity.BIAS_TEST.form("area"), "p-value: area equal to that of the others"),
        (objectivity.DIFFERENCE.form("count"), "number of objects: mean difference"),
        (reliability.MINUS_MODELS.form("f1"), "F1, minus that of single models"),
        (reliability.REPEATABILITY.form("count"), "number of objects: largest usual difference of two repetitions"),
        (validity.DIFFERENCE.form("area"), "area: difference in multiples of the control mean"),
        (
            validity.MINUS_BEST_RATER.form("iou", "leave_one_out"),
            "IoU against the consensus of the other raters, minus that of the best rater",
        ),
    ],
)
def test_plain_names_by_hand(form, plain: str) -> None:
    row = {"record": form.record.key, "of": form.of, "variant": form.variant}
    assert plain_name(row | {"comparison": form.comparison, "reference": form.reference}) == plain


@pytest.mark.parametrize(
    ("measure", "words", "plain"),
    [
        ("f1_repeated", "F1 repeated", "F1 of two sessions of one rater"),
        ("alt_test_winning_rate", "alt test winning rate", "share of raters whom it can replace"),
        ("type_s_and_m", "type s and m", "wrong sign or exaggeration of significant effects"),
        ("phi", "phi of single raters", "reliability of the mean over raters and seeds, Φ"),
        ("icc_a1", "ICC(A,1) of single raters", "ICC(A,1) of single raters"),
        ("spread over seeds", "spread over seeds", "spread over seeds"),
    ],
)
def test_plain_names_of_gaps_by_hand(measure: str, words: str, plain: str) -> None:
    assert plain_gap(measure, words) == plain
