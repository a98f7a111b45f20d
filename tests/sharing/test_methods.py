"""The methods paragraph: the study's own numbers, only what was judged, and every work that it cites."""

import json
import re

import pytest

from segassay.errors import DataError
from segassay.judgement.sentences import format_interval
from segassay_monai.sharing.methods import METHODS, methods_text, write_methods
from segassay_monai.sharing.references import REFERENCES
from segassay_monai.study.plan import Study


def change(study: Study, **verdicts: str) -> None:
    path = study.out / "evaluation" / "summary.json"
    summary = json.loads(path.read_text())
    for quality, verdict in verdicts.items():
        outcome, _, missing = verdict.partition(": ")
        summary[quality] |= {"verdict": verdict, "outcome": outcome, "missing": missing}
    path.write_text(json.dumps(summary))


def test_it_tells_what_was_done_with_the_numbers_of_the_study(finished: Study) -> None:
    text = methods_text(finished)
    assert "The dataset holds 6 images, annotated by 3 raters." in text
    assert "2 folds, and 1 of them was held out in turn" in text
    assert "trained on the STAPLE consensus of all raters, with 2 random seeds for each target and fold" in text
    assert "Each has 4 and 8 features per level" in text
    assert "for 1 epochs of 3 batches of 2 tiles of 32 × 32 pixels" in text
    assert "Ensembles of 2 models" in text
    summary = json.loads((finished.out / "evaluation" / "summary.json").read_text())
    between = next(
        n for n in summary["objectivity"]["numbers"] if (n["measure"], n["target"]) == ("f1", "between raters")
    )
    nan = float("nan")
    limits = [nan if between[name] is None else between[name] for name in ("low", "high")]
    assert f"Two raters agreed on average with F1 {format_interval(between['value'], *limits)}" in text
    assert write_methods(finished).read_text() == text
    assert (finished.out / METHODS).is_file()


def test_nothing_is_claimed_that_was_not_judged(copied: Study) -> None:
    change(copied, objectivity="supported", reliability="not supported", validity="cannot be judged: too few images")
    text = methods_text(copied)
    assert (
        "Objectivity was supported. Reliability was not supported. Validity could not be judged (too few images)."
        in text
    )
    assert "alidity was" not in text


def test_every_work_that_is_cited_is_listed_and_no_other(finished: Study) -> None:
    body, _, listed = methods_text(finished).partition("## References")
    for reference in REFERENCES:
        assert (reference.cited in body) == (reference.doi in listed)
    cited = set(re.findall(r"[A-Z]\w+ (?:et al\.|& \w+), \d{4}", body))
    assert cited <= {reference.cited for reference in REFERENCES}
    assert len(cited) >= 6
    assert [str(reference) for reference in REFERENCES] == sorted(map(str, REFERENCES))
    assert all(re.fullmatch(r"10\.\d{4,}/\S+", reference.doi) for reference in REFERENCES)


def test_a_study_without_evaluation_has_no_text(copied: Study) -> None:
    (copied.out / "evaluation" / "summary.json").unlink()
    with pytest.raises(DataError, match=r"summary\.json cannot be read"):
        methods_text(copied)
