"""Numbers of a model card: those of the model alone, and without the name of any rater."""

import json
from pathlib import Path

import pandas as pd
import pytest

from segassay_monai.prediction.models import Model
from segassay_monai.sharing.zoo.numbers import numbers_of, numbers_of_members, numbers_of_study

SCORES = """quality,measure,target,value,low,high,n_cases
validity,f1_pairwise,staple/s0-1,0.75,0.7,0.8,24
validity,f1_pairwise,secretrater,0.11,0.1,0.2,24
validity,f1_against_truth,staple/s0-1,0.33,0.3,0.4,24
validity,dice_leave_one_out,staple/s0-1,0.82345,,,23
validity,nsd_pairwise,staple/s0-1,,,,0
objectivity,williams_index,staple/s0-1,1.25,1.1,1.4,24
"""
SUMMARY = {
    "objectivity": {"verdict": "supported", "sentence": "Staple/s0-1 agrees with raters."},
    "reliability": {"verdict": "cannot be judged: only secretrater was repeated", "sentence": "Secretrater agrees."},
    "validity": {"verdict": "cannot be judged: too few images", "sentence": "F1 of staple/s0-1 is 0.75 | 24 images."},
}


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    (tmp_path / "tables").mkdir()
    (tmp_path / "figures").mkdir()
    (tmp_path / "tables" / "scores.csv").write_text(SCORES)
    rows = "case,annotator,kind\n0001,secretrater,human\n0001,staple/s0-1,ensemble\n"
    (tmp_path / "tables" / "annotations.csv").write_text(rows)
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    (tmp_path / "figures" / "strategies.png").touch()
    (tmp_path / "figures" / "habits.png").touch()
    return tmp_path


def test_scores_are_those_of_this_ensemble_against_raters(evaluation):
    found = numbers_of_study(evaluation, "staple/s0-1")
    assert found.eval_metrics == {"dice_leave_one_out": 0.8235, "f1_pairwise": 0.75, "williams_index": 1.25}
    f1 = next(number for number in found.numbers if number.name == "f1_pairwise")
    assert (f1.low, f1.high, f1.n_cases) == (0.7, 0.8, 24)
    assert [path.name for path in found.figures] == ["strategies.png"]  # habits.png names raters


def test_verdicts_name_no_rater(evaluation):
    found = {verdict.quality: verdict for verdict in numbers_of_study(evaluation, "staple/s0-1").verdicts}
    assert found["objectivity"].sentence == "This model agrees with raters."
    assert (found["reliability"].verdict, found["reliability"].sentence) == ("cannot be judged", "")
    assert found["validity"].verdict == "cannot be judged: too few images"
    assert found["validity"].sentence == "F1 of this model is 0.75 | 24 images."


def test_members_give_the_mean_of_what_each_scored(tmp_path):
    paths = [tmp_path / name / "model.pt" for name in ("a", "b")]
    for path, f1 in zip(paths, (0.5, 0.75), strict=True):
        (path.parent / "held_out").mkdir(parents=True)
        row = {"annotator_a": "secretrater", "annotator_b": "x", "f1": f1, "dice": None, "n_cases": 9}
        pd.DataFrame([row]).to_csv(path.parent / "held_out" / "scores.csv", index=False)
    found = numbers_of_members(paths)
    assert found.eval_metrics == {"f1_own_target": 0.625}
    (paths[1].parent / "held_out" / "scores.csv").unlink()
    assert numbers_of_members(paths).numbers == ()


def test_a_study_gives_its_numbers_and_a_part_of_it_does_not(evaluation, tmp_path_factory):
    """A folder of members in a study is not the ensemble that the study scored."""
    out = tmp_path_factory.mktemp("study")
    evaluation.rename(out / "evaluation")
    checkpoint = out / "members" / "m" / "model.pt"
    checkpoint.parent.mkdir(parents=True)
    found = Model((checkpoint,), "staple/s0-1")
    assert numbers_of(out, found).eval_metrics["f1_pairwise"] == 0.75
    assert numbers_of(out / "members", found).numbers == ()
    assert numbers_of("models:/demo@best", Model((Path("/model.pt"),), "staple/s0-1")).numbers == ()
