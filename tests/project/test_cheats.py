"""A small version of benchmarks/cheats.py: no cheat gets a quality that it lacks, and an honest study keeps its own."""

import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import cheating  # noqa: E402
import cheats  # noqa: E402

SEED = 0
SMALL = (
    "copies of the worst rater",
    "all empty",
    "a constant shape",
    "half the image missed",
    "every object cut in two",
    "one hand, expert models empty",
    "trainings differ, the same file twice",
    "one object, raters 4 px inside to outside",
)
"""One cheat for each kind of evidence; the benchmark has all."""


def test_no_cheat_gets_a_quality_that_it_lacks() -> None:
    chosen = [cheat for cheat in cheating.CHEATS if cheat.name in SMALL]
    assert len(chosen) == len(SMALL)
    table = pd.DataFrame([row for cheat in chosen for row in cheats.of_cheat(cheat, SEED)])
    assert not table["wrong"].any(), f"\n{cheats.failures(table)}"


def test_an_honest_study_keeps_its_qualities() -> None:
    table = pd.DataFrame(cheats.of_honest("sound", SEED))
    assert not table["wrong"].any(), f"\n{cheats.failures(table)}"
