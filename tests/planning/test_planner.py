"""The planner: its formulas against simulated studies, the pilot from a finished evaluation, the command."""

import dataclasses
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from command import without_pictures
from folders import contents
from published_lab import Lab
from segassay import cli
from segassay.errors import DataError, UsageError
from segassay.io.csv_tables import read_csv_text
from segassay.judgement.strategies import strategy_table
from segassay.planning.pilot import Pilot, read_pilot
from segassay.planning.planner import Units, images_needed, interval_width, make_plan, units_of_pilot
from segassay.planning.write import Planned, describe_plan
from segassay.qualities.scores.table import Findings
from segassay.simulation.dataset import Simulation, simulate
from segassay.simulation.study_tables import SimulatedStudy, simulate_tables
from segassay.statistics.intervals import mean_interval
from segassay.statistics.reliability import phi

PAGE = Path(__file__).parents[2] / "docs" / "planner.md"
FACETS = {"case": 0, "rater": 1, "seed": 2}
COMPONENTS = {
    "case": 0.03,
    "rater": 0.008,
    "seed": 0.002,
    "case:rater": 0.01,
    "case:seed": 0.006,
    "rater:seed": 0.001,
    "residual": 0.02,
}
PILOT = Pilot(COMPONENTS, COMPONENTS, "models", 20, 4, 3)


def draw_studies(
    n: dict[str, int], n_studies: int, *, same: tuple[str, ...] = (), components: dict[str, float] = COMPONENTS
) -> np.ndarray:
    """Scores `(studies, cases, raters, seeds)` with the planted components; facets in `same` are drawn once for all."""
    rng = np.random.default_rng(0)
    scores = np.zeros((n_studies, *n.values()))
    for name, variance in components.items():
        facets = list(FACETS) if name == "residual" else name.split(":")
        shape = [n[facet] if facet in facets else 1 for facet in n]
        alike = set(facets) <= set(same)
        scores = scores + rng.normal(0, math.sqrt(variance), (1 if alike else n_studies, *shape))
    return scores


@pytest.mark.parametrize(("n_cases", "n_raters", "n_seeds"), [(30, 4, 3), (12, 6, 2), (50, 3, 8)])
def test_error_beyond_these_raters_is_that_of_simulated_studies(n_cases: int, n_raters: int, n_seeds: int) -> None:
    means = draw_studies({"case": n_cases, "rater": n_raters, "seed": n_seeds}, 4000).mean(axis=(1, 2, 3))
    size = {"n_cases": n_cases, "n_raters": n_raters, "n_seeds": n_seeds}
    width = interval_width(COMPONENTS, **size, beyond=True)
    assert width > 2 * 1.96 * means.std()  # few raters: t, not the normal quantile
    many = {"case": 1, "rater": 1, "seed": 1} | {"case": n_cases, "rater": n_raters, "seed": n_seeds}
    error = sum(
        variance / math.prod(many[facet] for facet in (FACETS if name == "residual" else name.split(":")))
        for name, variance in COMPONENTS.items()
    )
    assert means.std() == pytest.approx(math.sqrt(error), rel=0.04)
    assert width < 2 * 12.71 * math.sqrt(error)


def test_interval_for_these_raters_covers_what_images_change() -> None:
    """Raters and seeds stay, images are drawn anew: the t interval of the planned width covers in 95 of 100 studies."""
    n = {"case": 25, "rater": 4, "seed": 3}
    scores = draw_studies(n, 4000, same=("rater", "seed"))
    by_case = scores.mean(axis=(2, 3))
    truth = by_case.mean()
    half = interval_width(COMPONENTS, n_cases=25, n_raters=4, n_seeds=3) / 2
    assert np.mean(np.abs(by_case.mean(axis=1) - truth) < half) == pytest.approx(0.955, abs=0.015)
    own = 2 * 2.064 * by_case.std(axis=1, ddof=1) / 5  # what the studies themselves would report
    assert own.mean() == pytest.approx(2 * half, rel=0.03)


def test_phi_is_the_share_of_variance_that_repeats_with_new_raters_and_seeds() -> None:
    rng = np.random.default_rng(1)
    n_cases, raters, seeds, n_universes = 400, 5, 4, 300
    case = rng.normal(0, math.sqrt(COMPONENTS["case"]), n_cases)
    errors = np.zeros(n_universes)
    for universe in range(n_universes):
        n = {"case": n_cases, "rater": raters, "seed": seeds}
        noise = {name: variance for name, variance in COMPONENTS.items() if name != "case"}
        parts = np.zeros(n_cases)
        for name, variance in noise.items():
            facets = list(FACETS) if name == "residual" else name.split(":")
            shape = [n[facet] if facet in facets else 1 for facet in n]
            drawn = rng.normal(0, math.sqrt(variance), shape)
            parts = parts + np.broadcast_to(drawn, tuple(n.values())).mean(axis=(1, 2))
        errors[universe] = (parts**2).mean()
    expected = case.var() / (case.var() + errors.mean())
    assert phi(COMPONENTS, raters, seeds) == pytest.approx(expected, abs=0.03)


def test_the_number_of_images_is_the_smallest_that_does() -> None:
    size = {"n_raters": 5, "n_seeds": 2}
    needed = images_needed(COMPONENTS, width=0.12, **size)
    assert needed is not None
    assert interval_width(COMPONENTS, n_cases=needed, **size) <= 0.12
    assert interval_width(COMPONENTS, n_cases=needed - 1, **size) > 0.12


def test_more_of_anything_never_widens() -> None:
    widths = [interval_width(COMPONENTS, n_cases=n, n_raters=4, n_seeds=2) for n in (3, 5, 10, 100)]
    assert widths == sorted(widths, reverse=True)
    for beyond in (False, True):
        few, many = (interval_width(COMPONENTS, n_cases=20, n_raters=r, n_seeds=3, beyond=beyond) for r in (3, 8))
        assert many < few


def test_edges() -> None:
    assert math.isnan(interval_width(COMPONENTS, n_cases=1, n_raters=2, n_seeds=2))
    assert interval_width({}, n_cases=5, n_raters=2, n_seeds=2) == 0
    assert interval_width(COMPONENTS, n_cases=5, n_raters=1, n_seeds=2, beyond=True) == math.inf
    assert interval_width({"case": 1.0, "rater": math.nan}, n_cases=5, n_raters=1, n_seeds=1, beyond=True) < math.inf
    with pytest.raises(ValueError, match="one case, rater and seed or more"):
        interval_width(COMPONENTS, n_cases=0, n_raters=2, n_seeds=2)
    with pytest.raises(ValueError, match="width must be above 0"):
        images_needed(COMPONENTS, width=0, n_raters=2, n_seeds=2)
    with pytest.raises(UsageError, match="Φ between 0 and 1"):
        make_plan(PILOT, min_phi=1.0)


def test_the_cheapest_design_that_is_enough_stands_first() -> None:
    plan = make_plan(PILOT, width=0.1, min_phi=0.7)
    enough = plan[plan["enough"]]
    assert plan["enough"].iloc[0]
    assert enough["annotations"].iloc[0] == enough["annotations"].min()
    assert (enough["phi"] >= 0.7).all()
    assert (plan["width"] <= 0.1).all()
    assert set(make_plan(Pilot(COMPONENTS, COMPONENTS, "raters", 20, 4, 1))["n_seeds"]) == {1}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planner")
    simulate(folder / "data", Simulation(shape=(96, 96), n_cases=6, n_nuclei=8))
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        assert call("evaluate", folder / "data", "--out", folder / "result", "--no-mlflow", "--jobs", 1) == 0
    return folder / "result"


def call(*words: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["segassay", *map(str, words)])
        try:
            cli.main()
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


def test_a_pilot_of_raters_is_read_from_an_evaluation(result: Path) -> None:
    pilot = read_pilot(result)
    assert (pilot.scored, pilot.n_cases, pilot.n_raters, pilot.n_seeds) == ("raters", 6, 3, 1)
    assert set(pilot.score) == {"case", "rater", "residual"}
    assert "unknown and left out" in pilot.notes[0]
    assert "too few raters" in pilot.notes[1]


def test_raters_may_have_names_that_look_like_nothing_or_like_numbers(result: Path, tmp_path: Path) -> None:
    shutil.copytree(result, tmp_path / "other")
    raters = read_csv_text(result / "tables" / "annotations.csv", ())["annotator"].unique()
    for path in (tmp_path / "other" / "tables").glob("*.csv"):
        text = path.read_text(encoding="utf-8")
        for rater, name in zip(raters, ("NA", "null", "1"), strict=True):
            text = re.sub(rf"(?<=[,\n]){re.escape(rater)}(?=[,\n])", name, text)
        path.write_text(text, encoding="utf-8")
    found, expected = read_pilot(tmp_path / "other"), read_pilot(result)
    assert found.n_raters == 3
    assert found.score == pytest.approx(expected.score)


def test_the_width_for_the_size_of_the_pilot_is_that_of_its_report(result: Path) -> None:
    pilot = read_pilot(result)
    scores = pd.read_csv(result / "tables" / "scores.csv").set_index(["measure", "target"])
    row = scores.loc["f1", "between raters"]
    size = {"n_cases": pilot.n_cases, "n_raters": pilot.n_raters, "n_seeds": pilot.n_seeds}
    assert (pilot.n_subjects, pilot.n_cases) == (4, row["n_cases"])
    assert interval_width(pilot.score, **size, units=units_of_pilot(pilot)) == pytest.approx(row["high"] - row["low"])


@pytest.mark.parametrize(("few", "measure"), [(False, "f1_leave_one_out"), (True, "f1_pairwise")])
def test_the_width_of_models_is_that_of_the_table_of_strategies(tmp_path: Path, few: bool, measure: str) -> None:
    """Also with too few raters for the consensus of the others, whose table then has no rows."""
    drawn = simulate_tables(SimulatedStudy(n_subjects=6, n_regions=2, n_consensus_seeds=4))
    if few:
        tables = dataclasses.replace(drawn.tables, leave_one_out=drawn.tables.leave_one_out.head(0))
        drawn = dataclasses.replace(drawn, tables=tables)
    found = Findings(drawn.tables, drawn.annotations, drawn.clusters, effects=pd.DataFrame())
    strategies = strategy_table(found).set_index(["group", "measure"])
    row = strategies.loc[("expert models", measure)]
    tables = {name: getattr(drawn.tables, name) for name in ("agreement", "leave_one_out", "counts")}
    tables |= {"annotations": drawn.annotations, "subjects": drawn.experiment[["case", "subject"]]}
    (tmp_path / "tables").mkdir()
    for name, table in tables.items():
        table.to_csv(tmp_path / "tables" / f"{name}.csv", index=False)
    pilot = read_pilot(tmp_path)
    assert (pilot.scored, pilot.n_raters, pilot.n_subjects) == ("models", 5, drawn.clusters.nunique())
    size = {"n_cases": pilot.n_cases, "n_raters": pilot.n_raters, "n_seeds": pilot.n_seeds}
    width = interval_width(pilot.score, **size, units=units_of_pilot(pilot))
    assert width == pytest.approx(row["high"] - row["low"])
    assert width > 0


def test_the_page_shows_the_plan_of_lab_wue1(lab_wue1: Lab, tmp_path: Path) -> None:
    tables = {name: getattr(lab_wue1.tables, name) for name in ("agreement", "leave_one_out", "counts")}
    (tmp_path / "tables").mkdir()
    for name, table in (tables | {"annotations": lab_wue1.annotations}).items():
        table.to_csv(tmp_path / "tables" / f"{name}.csv", index=False)
    pilot = read_pilot(tmp_path)
    lines = describe_plan(Planned(pilot, make_plan(pilot)), width=0.1, min_phi=0.9)
    assert "\n".join(["```text", *lines, "```"]) in PAGE.read_text(encoding="utf-8")


def test_subjects_without_their_table_cannot_be_planned(result: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier"
    shutil.copytree(result, earlier)
    (earlier / "tables" / "subjects.csv").unlink()
    with pytest.raises(DataError, match=r"intervals over subjects, and no .*repeat `segassay evaluate`"):
        read_pilot(earlier)


def write_pilot(folder: Path, scores: np.ndarray, subjects: list[str]) -> Path:
    """Tables of an evaluation of raters with the scores `(cases, raters)`."""
    (folder / "tables").mkdir(parents=True)
    cases, raters = [f"{case:03d}" for case in range(len(scores))], [f"r{rater}" for rater in range(scores.shape[1])]
    own = (
        pd.DataFrame(scores, cases, raters)
        .rename_axis("case")
        .melt(var_name="rater", value_name="f1", ignore_index=False)
    )
    own = own.reset_index().assign(annotator=lambda table: table["rater"], iou_threshold=0.5, n_objects=10.0)
    tables = {
        "annotations": pd.DataFrame(
            {"annotator": raters, "kind": "human", "strategy": "", "trained_on": "", "seed": None}
        ),
        "leave_one_out": own,
        "counts": own,
        "agreement": own.head(0),
        "subjects": pd.DataFrame({"case": cases, "subject": subjects}),
    }
    for name, table in tables.items():
        table.to_csv(folder / "tables" / f"{name}.csv", index=False)
    return folder


def scores_of_animals(rng: np.random.Generator, n_animals: int) -> tuple[np.ndarray, list[str]]:
    """Scores of four raters on four images of each animal; animals make four fifths of the variance of a case."""
    animal = np.repeat(np.arange(n_animals), 4)
    of_case = rng.normal(0, 0.1, n_animals)[animal] + rng.normal(0, 0.05, len(animal))
    return 0.7 + of_case[:, None] + rng.normal(0, 0.05, (len(animal), 4)), [f"m{number}" for number in animal]


def test_animals_count_and_not_their_images(tmp_path: Path) -> None:
    """The plan for four times as many animals is the width that such studies report; images as units promise half."""
    rng = np.random.default_rng(0)
    pilot = read_pilot(write_pilot(tmp_path / "pilot", *scores_of_animals(rng, 12)))
    assert (pilot.n_cases, pilot.n_subjects) == (48, 12)
    assert 0.5 < pilot.correlation < 0.95
    units, size = units_of_pilot(pilot), {"n_raters": 4, "n_seeds": 1}
    own = interval_width(pilot.score, n_cases=48, **size, units=units)
    assert own == pytest.approx(pilot.reported)
    assert 0.8 < units.calibration < 1.6
    planned = interval_width(pilot.score, n_cases=192, **size, units=units)
    larger = [scores_of_animals(rng, 48) for _ in range(40)]
    reported = [mean_interval(scores.mean(axis=1), np.array(animals)) for scores, animals in larger]
    assert np.mean([interval.high - interval.low for interval in reported]) == pytest.approx(planned, rel=0.35)
    assert interval_width(pilot.score, n_cases=48, **size) < 0.6 * own  # images as units
    row = make_plan(pilot, width=planned, n_raters=[4]).loc[0]
    assert (row["n_cases"], row["n_subjects"]) == (192, 48)


def test_images_of_one_animal_are_no_pilot(tmp_path: Path) -> None:
    scores, _ = scores_of_animals(np.random.default_rng(1), 1)
    with pytest.raises(DataError, match="has images of 1 subject; a pilot needs 2 or more"):
        read_pilot(write_pilot(tmp_path / "pilot", scores, ["m0"] * 4))
    assert math.isnan(interval_width(COMPONENTS, n_cases=4, n_raters=2, n_seeds=1, units=Units(4, 0.5)))


@pytest.mark.parametrize(("strategy", "rater_names"), [("expert", "expert_{}"), ("each rater by itself", "{:03d}")])
def test_a_study_of_models_of_single_raters_tells_the_seed_apart(
    tmp_path: Path, strategy: str, rater_names: str
) -> None:
    """Tables of 12 models, written here: the planted components of scores and counts come back, whatever their name."""
    (tmp_path / "tables").mkdir()
    n = {"case": 40, "rater": 4, "seed": 3}
    planted = {**COMPONENTS, "rater": 0.0, "seed": 0.0, "rater:seed": 0.0}
    scores = draw_studies(n, 1, components=planted)[0]
    raters = [rater_names.format(number) for number in range(4)]
    rows, models = [], [(rater, "human", "", "", None) for rater in raters]
    models += [("staple/s0", "model", "consensus", "staple", 0), (f"{raters[0]}/s0+", "model", "fewer", raters[0], 0)]
    rows += [(f"{case:04d}", raters[0], annotator, 0.5, 0.5) for case in range(40) for annotator, *_ in models]
    for number, rater in enumerate(raters):
        for seed in range(3):
            name = f"{rater}/s{seed}"
            models.append((name, "model", strategy, rater, seed))
            rows += [(f"{case:04d}", rater, name, 0.5, scores[case, number, seed]) for case in range(40)]
    tables = {
        "annotations": pd.DataFrame(models, columns=["annotator", "kind", "strategy", "trained_on", "seed"]),
        "leave_one_out": pd.DataFrame(rows, columns=["case", "rater", "annotator", "iou_threshold", "f1"]),
    }
    tables["counts"] = tables["leave_one_out"].assign(n_objects=lambda table: np.exp(table["f1"] + 3) - 0.5)
    tables["agreement"] = tables["leave_one_out"].head(0)
    for name, table in tables.items():
        table.to_csv(tmp_path / "tables" / f"{name}.csv", index=False)
    pilot = read_pilot(tmp_path)
    assert (pilot.scored, pilot.n_cases, pilot.n_raters, pilot.n_seeds, pilot.notes) == ("models", 40, 4, 3, ())
    assert pilot.score == pytest.approx(pilot.log_count, abs=1e-6)
    for name in ("case", "case:rater", "case:seed", "residual"):
        assert pilot.score[name] == pytest.approx(COMPONENTS[name], abs=0.012)


def test_the_command_writes_plan_and_figure(result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("planner", result, "--out", tmp_path / "plan", "--width", 0.2, "--phi", 0.5) == 0
    told = capsys.readouterr().out
    assert "pilot: 6 images of 4 subjects, 3 raters" in told
    assert "planned with 1.5 images of each, as in the pilot" in told
    assert re.search(r"\d+ images of \d+ subjects, \d+ raters \(\d+ masks to draw", told)
    plan = pd.read_csv(tmp_path / "plan" / "plan.csv")
    assert len(plan) == 10
    assert json.loads((tmp_path / "plan" / "pilot.json").read_text(encoding="utf-8"))["n_raters"] == 3
    assert (tmp_path / "plan" / "plan.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (".", "contains files that are read"),
        ("result", "contains files that are read"),
        ("result/tables", "which holds files that are read"),
        ("result/plan", "which holds files that are read"),
    ],
)
def test_overwriting_never_removes_the_evaluation(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str, message: str
) -> None:
    copy = shutil.copytree(result, tmp_path / "result")
    before = contents(tmp_path)
    assert call("planner", copy, "--out", tmp_path / out, "--overwrite") == 2
    error = capsys.readouterr().err
    assert message in error
    assert str(copy) in error
    assert error.endswith("; give another folder\n")
    assert contents(tmp_path) == before


def test_bad_calls_end_with_a_message(result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("planner", tmp_path, "--out", tmp_path / "plan") == 1
    assert "annotations.csv cannot be read; expected a folder written by" in capsys.readouterr().err
    assert call("planner", result, "--out", tmp_path / "plan", "--width", -1) == 2
    assert call("planner", result, "--out", result) == 2
    assert not (tmp_path / "plan").exists()
    with pytest.raises(DataError, match="cannot be read"):
        read_pilot(tmp_path / "nowhere")
