"""The page on touching objects tells the truth: its study is one, and the numbers in it are those of the benchmark."""

import json
import re
from pathlib import Path

import pandas as pd
import yaml

from segassay.masks import depth
from segassay.simulation.settings_file import read_simulation
from segassay_monai.study.file import StudyFile, read_study_file

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "touching.md").read_text(encoding="utf-8")
STUDIES = ROOT / "docs" / "studies"


def test_the_study_of_the_page_trains_both() -> None:
    assert read_simulation(STUDIES / "touching_simulation.yaml").instances
    study = read_study_file(STUDIES / "touching.yaml")
    assert [strategy.settings.get("objects", "separate") for strategy in study.strategies] == ["touching", "separate"]
    (content,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(StudyFile.model_validate(yaml.safe_load(content)).strategies) == 2


def test_numbers_of_the_page_are_those_of_the_code_and_the_benchmark() -> None:
    assert f"rises by more than {depth._VALLEY} above" in PAGE
    results = json.loads((ROOT / "benchmarks" / "results" / "touching.json").read_text(encoding="utf-8"))
    for name in ("crowded", "wue1", "inns1", "wue1-fold0"):
        for row in results[name]["scores"]:
            shown = " | ".join(f"{row[measure]:.2f}" for measure in ("f1", "ap", "dice"))
            assert f"| {shown} |" in PAGE, (name, row)
    chosen, (default, best) = results["decoding"]["chosen"], results["decoding"]["fold0"]
    assert f"F1 of .{default['f1'] * 1000:.0f} to .{best['f1'] * 1000:.0f}" in PAGE
    assert f"`--flips --min-object-size {chosen['smallest']}`" in PAGE
    assert chosen["flips"]
    chosen, (_, best) = results["decoding_peaks"]["chosen"], results["decoding_peaks"]["fold0"]
    assert f"{chosen['smallest']} pixels and a\n  probability of .{chosen['peak'] * 10:.0f} were chosen" in PAGE
    assert f"F1 of .{best['f1'] * 1000:.0f}, with a precision of .{best['precision'] * 100:.0f} and a recall" in PAGE
    assert chosen["flips"]


def test_scores_of_the_example_are_those_of_its_study() -> None:
    table = pd.read_csv(ROOT / "benchmarks" / "results" / "studies" / "touching_scores.csv")
    for name in ("touching", "separate"):
        (f1, dice) = (
            table[(table["measure"] == f"{measure}_against_truth") & (table["target"] == f"{name}/s0-1")].iloc[0]
            for measure in ("f1", "dice")
        )
        shown = " | ".join(f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})" for row in (f1, dice))
        assert f"| {shown} |" in PAGE, shown
