"""Plans of several classes: images that lack a class say nothing about it, and the hardest class decides."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from command import without_pictures
from segassay import cli, evaluate
from segassay.errors import DataError
from segassay.planning.pilot import Pilot, read_pilot
from segassay.planning.planner import images_needed, make_plan, plan_of_classes, units_of_pilot

CLASSES = {"common": 1, "rare": 2, "once": 3}
WITH_RARE = [f"c{number}" for number in range(6)]


def draw(case: int, rater: int) -> np.ndarray:
    """Squares of `common` in every image, of `rare` in the first 6 of 12, of `once` in the last."""
    rng = np.random.default_rng([case, rater])
    mask = np.zeros((40, 60), dtype=np.uint8)
    for place in range(2 + case % 4):
        if rng.random() < 0.85:
            mask[3:9, 10 * place : 10 * place + 6] = 1
        if case < 6 and rng.random() < 0.6:
            mask[20:26, 10 * place : 10 * place + 6] = 2
    if case == 11:
        mask[32:38, 3:9] = 3
    return mask


MASKS = {f"r{rater}": {f"c{case}": draw(case, rater) for case in range(12)} for rater in range(4)}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("classes") / "result"
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        evaluate(masks=MASKS, classes=CLASSES, out=out)
    return out


def test_a_pilot_of_a_class_is_that_of_the_images_with_it(result: Path) -> None:
    found = read_pilot(result / "classes" / "rare")
    assert (found.n_cases, found.share) == (6, 0.5)
    alone = {
        rater: {case: np.uint8(mask == 2) for case, mask in of.items() if case in WITH_RARE}
        for rater, of in MASKS.items()
    }
    expected = read_pilot(evaluate(masks=alone))
    assert dict(found.score) == pytest.approx(dict(expected.score))
    assert dict(found.log_count) == pytest.approx(dict(expected.log_count))
    assert found.reported == pytest.approx(expected.reported)
    assert read_pilot(result / "classes" / "common").share == 1


def test_images_without_the_class_are_planned_too(result: Path) -> None:
    pilot = read_pilot(result / "classes" / "rare")
    row = make_plan(pilot, width=0.2, n_raters=[5]).loc[0]
    needed = images_needed(pilot.score, width=0.2, n_raters=5, n_seeds=1, units=units_of_pilot(pilot))
    assert needed is not None
    assert (row["n_cases"], row["annotations"]) == (2 * needed, 10 * needed)


def test_the_class_that_needs_most_decides() -> None:
    quick = Pilot({"case": 0.01}, {"case": 1.0, "rater": 0.01, "residual": 0.01}, "raters", 9, 3, 1)
    noisy = Pilot({"case": 0.02}, {"case": 1.0, "rater": 0.1, "residual": 1.0}, "raters", 9, 3, 1)
    rare = Pilot({"case": 0.01}, {"case": 1.0, "rater": 0.01, "residual": 0.01}, "raters", 9, 3, 1, share=0.1)
    plans = {name: make_plan(pilot) for name, pilot in (("quick", quick), ("noisy", noisy), ("rare", rare))}
    found = plan_of_classes(plans).set_index("n_raters").sort_index()
    by_raters = {name: plan.set_index("n_raters").sort_index() for name, plan in plans.items()}
    assert (found["n_cases"] == by_raters["rare"]["n_cases"]).all()
    assert found["phi"].to_dict() == by_raters["noisy"]["phi"].to_dict()
    assert found["enough"].to_dict() == by_raters["noisy"]["enough"].to_dict()
    assert (found["annotations"] == found["n_cases"] * found.index).all()
    unknown = {"quick": plans["quick"], "no counts": plans["quick"].assign(phi=math.nan, enough=False)}
    assert plan_of_classes(unknown)["phi"].isna().all()


def test_the_command_plans_each_class_and_all(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["planner", str(result), "--out", str(tmp_path / "plan"), "--width", "0.3", "--phi", "0.3"]
    monkeypatch.setattr("sys.argv", ["segassay", *words])
    try:
        cli.main()
    except SystemExit as ended:
        assert not ended.code  # noqa: PT017 - the command may end the process with 0
    told = capsys.readouterr().out
    assert "class rare: half of the raters or more marked it in 50% of the images; " in told
    assert "class once: has 1 image annotated by all raters, so it has no plan" in told
    assert "every class with a plan: " in told
    table = pd.read_csv(tmp_path / "plan" / "plan_classes.csv")
    assert table["class"].unique().tolist() == ["common", "rare", "all"]
    for name in ("common", "rare"):
        own = pd.read_csv(tmp_path / "plan" / "classes" / name / "plan.csv")
        pd.testing.assert_frame_equal(table[table["class"] == name].drop(columns="class").reset_index(drop=True), own)
    shares = [
        json.loads((tmp_path / "plan" / place / "pilot.json").read_text(encoding="utf-8")).get("share")
        for place in (".", "classes/rare")
    ]
    assert shares == [None, 0.5]


def test_a_class_that_nobody_marked_has_no_pilot() -> None:
    found = evaluate(masks=MASKS, classes=CLASSES | {"never": 4})
    with pytest.raises(DataError, match="has no image in which half of the raters marked the class"):
        read_pilot(found.classes["never"])
