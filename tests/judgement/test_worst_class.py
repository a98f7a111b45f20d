"""Several classes: the worst verdict decides, and each of them is named."""

import itertools
from typing import Any

import pytest

from segassay.judgement.worst_class import CLASS_RULE, judge_by_worst

SUPPORTED, REFUTED, FEW = "supported", "not supported", "cannot be judged: fewer than 10 images"


def summary(verdict: str, sentence: str = "It reaches .9.") -> dict[str, Any]:
    of = {"verdict": verdict, "sentence": sentence, "rule": "Supported if so.", "criteria": [], "numbers": [1]}
    return {"objectivity": of, "reliability": of, "validity": of, "versions": {"rules": "5"}}


@pytest.mark.parametrize("order", list(itertools.permutations([SUPPORTED, REFUTED, FEW])))
def test_the_worst_decides_wherever_it_stands(order: tuple[str, str, str]) -> None:
    first, second, third = map(summary, order)
    found = judge_by_worst(first, {"a": second, "b": third})
    assert found["validity"]["verdict"] == REFUTED
    assert {one["name"]: one["holds"] for one in found["validity"]["criteria"]} == {
        f"class {name}": {SUPPORTED: True, REFUTED: False, FEW: None}[verdict]
        for name, verdict in zip("ab", order[1:], strict=True)
    }


def test_a_class_that_cannot_be_judged_leaves_the_quality_open_and_is_named() -> None:
    found = judge_by_worst(summary(SUPPORTED), {"zone": summary(SUPPORTED), "tumour": summary(FEW, "Too few.")})
    assert found["objectivity"]["verdict"] == "cannot be judged: class tumour: fewer than 10 images"
    assert found["objectivity"]["sentence"] == (
        "Class tumour, cannot be judged: Too few. Others: supported: all classes together, class zone."
    )


def test_all_supported_is_supported_and_says_what_all_together_reach() -> None:
    found = judge_by_worst(summary(SUPPORTED), {"zone": summary(SUPPORTED)})
    assert found["validity"]["verdict"] == SUPPORTED
    assert found["validity"]["sentence"].startswith("All classes together, supported: It reaches .9.")
    assert found["validity"]["rule"] == f"Supported if so. {CLASS_RULE}"
    assert found["validity"]["numbers"] == [1]
    assert found["versions"] == {"rules": "5"}


def test_all_classes_together_can_be_the_worst() -> None:
    found = judge_by_worst(summary(REFUTED, "It reaches .1."), {"zone": summary(SUPPORTED), "tumour": summary(FEW)})
    assert found["validity"]["verdict"] == REFUTED
    assert found["validity"]["sentence"].startswith("All classes together, not supported: It reaches .1.")


def test_what_all_together_alone_gave_is_kept() -> None:
    before = summary(SUPPORTED)
    found = judge_by_worst(before, {"zone": summary(REFUTED)})
    assert found["together"]["validity"] == {"verdict": SUPPORTED, "sentence": "It reaches .9."}
    assert before["validity"]["verdict"] == SUPPORTED


def test_a_class_that_nobody_marks_does_not_count_and_is_named() -> None:
    found = judge_by_worst(summary(SUPPORTED), {"zone": summary(SUPPORTED), "vessel": summary(FEW)}, ["vessel"])
    assert found["validity"]["verdict"] == SUPPORTED
    assert found["validity"]["sentence"].endswith("Others: supported: class zone; marked by nobody: class vessel.")


def test_raters_alone_are_judged_so_too() -> None:
    with_raters = summary(FEW) | {"raters": summary(SUPPORTED)["validity"]}
    worse = summary(FEW) | {"raters": summary(REFUTED)["validity"]}
    assert judge_by_worst(with_raters, {"zone": worse})["raters"]["verdict"] == REFUTED
