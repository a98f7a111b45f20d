"""A small version of benchmarks/cheats.py: no cheat gets a quality that it lacks, and an honest study keeps its own."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segassay.data.facets import is_exchangeable

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import cheat_list  # noqa: E402
import cheating  # noqa: E402
import cheats  # noqa: E402
from cheat_studies import QUALITIES, Study, smaller, sound, sources_of  # noqa: E402

SEED = 0
SMALL = (
    "copies of the worst rater",
    "all empty",
    "a constant shape",
    "half the image missed",
    "every object cut in two",
    "one hand, expert models empty",
    "the raters' own consensus, 1 px off",
    "trainings differ, the same file twice",
    "one object, raters 4 px inside to outside",
    "a rater for each image, 1 px off",
)
"""One cheat for each kind of evidence; the benchmark has all."""


def test_no_cheat_gets_a_quality_that_it_lacks() -> None:
    chosen = [cheat for cheat in cheat_list.CHEATS if cheat.name in SMALL]
    assert len(chosen) == len(SMALL)
    table = pd.DataFrame([row for cheat in chosen for row in cheats.of_cheat(cheat, SEED, small(cheat.start))])
    assert not table["wrong"].any(), f"\n{cheats.failures(table)}"


@pytest.mark.parametrize("of_size", ["of the cheats here", "of the benchmark"])
def test_an_honest_study_keeps_its_qualities(of_size: str) -> None:
    """Of the size of the cheats above too: if nothing of that size were supported, no cheat could be found out."""
    study = small(sound)(SEED) if of_size == "of the cheats here" else lighter(cheats.made(sound, SEED))
    table = pd.DataFrame(cheats.rows_of("simulated", "sound", study, (), QUALITIES))
    assert not table["wrong"].any(), f"\n{cheats.failures(table)}"


def small(start: cheats.Start) -> cheats.Start:
    """The same start with fewer images, raters and models."""
    return lambda seed: lighter(smaller(cheats.made(start, seed), n_cases=20))


def lighter(study: Study) -> Study:
    """The same study with one model of each rater."""
    about = {
        name: one
        for name, one in study.about.items()
        if one.kind != "model" or one.trained_on not in study.raters or one.seed == "0"
    }
    assert len(about) < len(study.about)
    return replace(study, about=about, masks={name: study.masks[name] for name in about})


def test_every_cheat_changes_masks_or_what_is_said_of_them() -> None:
    before = smaller(cheats.made(sound, SEED), n_cases=6)
    for cheat in cheat_list.CHEATS:
        after = cheat.change(before, np.random.default_rng(0))
        assert set(after.masks) == set(after.about), cheat.name
        assert all(mask.shape == after.images.shape and mask.dtype == bool for mask in after.masks.values()), cheat.name
        assert cheat.lacks, cheat.name
        assert (cheat.change is cheating.nothing) == is_same(before, after), cheat.name


def is_same(one: Study, other: Study) -> bool:
    """Whether two studies have the same masks, and say the same of them."""
    told = ("about", "skipped", "lost")
    return all(getattr(one, name) == getattr(other, name) for name in told) and all(
        np.array_equal(one.masks[name], other.masks[name]) for name in one.masks
    )


def test_exchangeable_raters_are_read_as_such() -> None:
    study = smaller(cheats.made(sound, SEED), n_cases=2)
    for said in (True, False):
        assert is_exchangeable(sources_of(replace(study, exchangeable=said)).annotations) == said


def test_the_page_shows_the_results() -> None:
    page = cheats.PAGE.read_text(encoding="utf-8")
    for table in cheats.tables().values():
        assert table in page, "run benchmarks/cheats.py"


def test_the_page_shows_the_shares_of_studies_that_were_drawn_again() -> None:
    rows = json.loads((ROOT / "benchmarks/results/resampled_verdicts.json").read_text(encoding="utf-8"))["lab-wue1"][
        "rows"
    ]
    found = pd.DataFrame(rows).query("verdict == 'supported'").pivot(index="images", columns="quality", values="share")
    page = cheats.PAGE.read_text(encoding="utf-8").split("<!-- resampled -->")[1].split("<!-- end of resampled -->")[0]
    shown = [[cell.strip(" %") for cell in line.split("|")[1:-1]] for line in page.strip().splitlines()[2:]]
    assert len(shown) >= 4
    assert {int(n): list(map(int, shares)) for n, *shares in shown} == {
        n: [round(100 * share) for share in shares] for n, *shares in found[list(QUALITIES)].itertuples()
    }
