"""Effects on area, volume, shape and a lab's own endpoints: drawn masks, simulated truth, other people's functions."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, stats

from segassay import evaluate
from segassay.assay.evaluation import Evaluation
from segassay.assay.sources import read_sources
from segassay.data.annotations import read_annotations
from segassay.data.dataset import read_dataset
from segassay.data.published.download import download
from segassay.errors import DataError, UsageError
from segassay.io.images import read_mask
from segassay.simulation.dataset import simulate_case
from segassay.simulation.scene import build_scene
from segassay.simulation.settings import Effect, Simulation
from segassay.tables.build import Tables, build_tables
from segassay.tables.effects import effects
from segassay.tables.normalise import normalise

CASES = [f"{number:02d}" for number in range(10)]
EXPERIMENT = pd.DataFrame({"case": CASES, "group": ["H", "C"] * 5})


def squares(side: int, n: int = 3) -> np.ndarray:
    """Objects of side × side pixels."""
    mask = np.zeros((48, 48), dtype=bool)
    for place in range(n):
        mask[2 : 2 + side, 2 + 14 * place : 2 + 14 * place + side] = True
    return mask


def drawn(jitter: int = 0) -> dict[str, np.ndarray]:
    """Five cases of each group: three objects each, larger in group C."""
    return {
        case: squares(side + (place + jitter) // 2 % 3)
        for place, (case, side) in enumerate(zip(CASES, [4, 8] * 5, strict=True))
    }


def evaluated(measurements: list[str] | None = None, **more: object) -> Evaluation:
    masks = {"anna": drawn(), "ben": drawn(2), "cleo": drawn(4)} | more.pop("masks", {})  # type: ignore[operator]
    stated = {"masks": masks, "experiment": EXPERIMENT, "control_group": "H", "measurements": measurements}
    return evaluate(**(stated | more))  # type: ignore[arg-type]


def tables_of(measurements: list[str], masks: dict[str, dict[str, np.ndarray]], **more: object) -> Tables:
    """Only the tables of an evaluation of these masks beside those of `evaluated`."""
    usual = {"anna": drawn(), "ben": drawn(2), "cleo": drawn(4)}
    stated = {"experiment": EXPERIMENT, "control_group": "H", "measurements": measurements}
    kinds = dict.fromkeys(usual, "human")
    sources = read_sources(None, None, usual | masks, kinds=kinds, described=stated | more)
    return build_tables(sources.dataset, sources.annotations, n_jobs=1)


def pairs(found: Evaluation, measure: str) -> pd.DataFrame:
    rows = found.effects[(found.effects["measure"] == measure) & (found.effects["test"] == "mann_whitney")]
    return rows.set_index("annotator")


def values(found: Evaluation | Tables, measure: str, annotator: str = "anna") -> pd.Series:
    table = (found if isinstance(found, Tables) else found.tables).measured
    return table[(table["measure"] == measure) & (table["annotator"] == annotator)].set_index("case")["value"]


def test_area_size_and_shape_are_those_of_the_drawn_objects():
    found = evaluated(["area", "object_size", "axis_ratio", "solidity"], spacing_um=(2.0, 3.0))
    sides = pd.Series({case: mask[2].sum() // 3 for case, mask in drawn().items()})
    pd.testing.assert_series_equal(values(found, "area"), 3 * sides**2 * 6e-6, check_names=False)
    pd.testing.assert_series_equal(values(found, "object_size"), sides**2 * 6e-6, check_names=False)
    assert values(found, "axis_ratio").to_numpy() == pytest.approx(2 / 3)
    assert values(found, "solidity").eq(1).all()
    units = found.tables.measured.groupby("measure")["unit"].unique().map(list)
    assert units.to_dict() == {"area": ["mm2"], "object_size": ["mm2"], "axis_ratio": [""], "solidity": [""]}


def test_without_a_pixel_size_areas_are_in_pixels_and_that_is_said():
    found = evaluated(["area"])
    assert values(found, "area")["00"] == 3 * 4**2
    assert set(found.tables.measured["unit"]) == {"px"}
    assert any("the size of a pixel is unknown in 10 of 10 cases" in note for note in found.summary["policy"]["notes"])


def test_effects_of_area_equal_to_scipy():
    found = evaluated(["area"])
    area = values(found, "area")
    first, second = (area[EXPERIMENT.loc[EXPERIMENT["group"] == group, "case"]] for group in "HC")
    row = pairs(found, "area").loc["anna"]
    theirs = stats.mannwhitneyu(first, second, method="asymptotic", use_continuity=True)
    assert (row["statistic"], row["p_value"]) == (theirs.statistic, pytest.approx(theirs.pvalue))
    relative = np.subtract.outer(second.to_numpy(), first.to_numpy()) / first.mean()
    assert row["hl_shift"] == pytest.approx(np.median(relative))


def test_every_measure_of_effects_runs_on_area():
    found = evaluated(["area"], masks={"net": drawn(), "truth": drawn()}, kinds={"net": "model", "truth": "truth"})
    assert set(found.effects["measure"]) == {"area"}
    of_area = {name.removeprefix("area_") for name in found.scores["measure"] if name.startswith("area_")}
    assert of_area >= {"votes_higher", "eta_squared_sd", "deviations_from_majority", "same_verdict", "type_s", "type_m"}
    assert of_area >= {"sign_disagreement", "eta_squared_ratio", "difference", "difference_against_truth"}
    assert "area_eta_squared" in set(found.strategies["measure"])
    assert "effects" in found.plot.available
    assert set(found.specifications["measure"]) == {"area"}
    assert found.specifications["effect"].notna().all()
    assert "measured by area" in evaluated(["area"]).summary["validity"]["sentence"]


def test_the_curve_of_areas_leaves_out_small_objects():
    masks = {name: {case: mask | squares(1, 1)[::-1, ::-1] for case, mask in drawn().items()} for name in ("anna", "b")}
    found = evaluate(masks=masks, experiment=EXPERIMENT, control_group="H", measurements=["area"], min_object_size=1)
    again = found.tables.remeasured.query("case == '00' and annotator == 'anna'").set_index("min_size")["value"]
    assert again.to_dict() == {1: 3 * 16 + 1, 2: 3 * 16}


def test_by_default_nothing_more_is_measured():
    found = evaluated()
    assert found.effects["measure"].unique().tolist() == ["count", "density", "mean_intensity"]
    assert found.tables.measured.empty
    assert not {"measured", "remeasured"} & set(found.frames)


def test_empty_masks_have_an_area_of_0_and_no_shape():
    masks = {"anna": drawn() | {"01": squares(4, 0)}}
    found = evaluated(["area", "object_size", "axis_ratio", "solidity"], masks=masks)
    assert values(found, "area")["01"] == 0
    for measure in ("object_size", "axis_ratio", "solidity"):
        assert np.isnan(values(found, measure)["01"])
        assert pairs(found, measure)["n_undefined"].to_dict() == {"anna": 1, "ben": 0, "cleo": 0}
        assert pairs(found, measure)["n_2"].to_dict() == {"anna": 4, "ben": 5, "cleo": 5}


def test_objects_that_are_too_small_have_no_shape():
    speck = np.zeros((48, 48), dtype=bool)
    speck[40, 40:43] = True
    masks = {"anna": {case: mask | speck for case, mask in drawn().items()}}
    measurements = ["area", "object_size", "axis_ratio", "solidity"]
    plain = tables_of(measurements, {}, min_object_size=4)
    with_speck = tables_of(measurements, masks, min_object_size=4)
    pd.testing.assert_frame_equal(with_speck.measured, plain.measured)
    assert values(tables_of(measurements, masks), "axis_ratio")["00"] == pytest.approx(3 / 4)


def test_a_control_group_without_any_area_cannot_be_divided_by():
    masks = {"anna": {case: squares(4, 0 if place % 2 == 0 else 3) for place, case in enumerate(CASES)}}
    row = pairs(evaluated(["area"], masks=masks), "area").loc["anna"]
    assert (row["verdict"], row["n_left_out"]) == ("not_testable", 10)
    assert "control absent or 0" in row["note"]


def test_an_area_of_a_volume_is_refused_and_the_reverse():
    with pytest.raises(DataError, match=r"has 2 axes, so it has no volume; write area into `measurements`"):
        evaluated(["volume"])
    solid = {name: {case: np.ones((2, 3, 3), dtype=bool) for case in CASES} for name in ("anna", "ben")}
    with pytest.raises(DataError, match=r"has 3 axes, so it has no area; write volume into `measurements`"):
        evaluate(masks=solid, experiment=EXPERIMENT, control_group="H", measurements=["area"])


FREEZING = pd.DataFrame({"case": CASES, "endpoint": "freezing", "value": [5, 60, 7, 50, 4, 55, 6, 70, 9, 65]})


def test_an_endpoint_without_annotator_is_tested_once(tmp_path: Path):
    found = evaluated(endpoints=FREEZING)
    rows = pairs(found, "freezing")
    theirs = stats.mannwhitneyu(FREEZING["value"][::2], FREEZING["value"][1::2], method="asymptotic")
    assert rows.index.tolist() == [""]
    assert rows["p_value"].item() == pytest.approx(theirs.pvalue)
    assert rows["verdict"].item() == "higher"
    assert not [name for name in found.scores["measure"] if name.startswith("freezing")]
    page = found.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h3>Freezing</h3>" in page
    assert "without masks" in page


def test_an_endpoint_without_annotator_changes_no_verdict_and_no_other_number():
    usual = ["count", "density", "mean_intensity"]
    models = {"masks": {"net": drawn(2), "truth": drawn(3)}, "kinds": {"net": "model"}}
    plain, more = evaluated(usual, **models), evaluated([*usual, "freezing"], endpoints=FREEZING, **models)
    pd.testing.assert_frame_equal(more.scores, plain.scores)
    assert more.summary["validity"] == plain.summary["validity"]
    kept = more.effects[more.effects["measure"] != "freezing"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, plain.effects)


def of_annotators(**columns: list[float]) -> pd.DataFrame:
    """The endpoint `texture` of each annotator."""
    parts = [FREEZING.assign(endpoint="texture", annotator=name, value=own) for name, own in columns.items()]
    return pd.concat(parts, ignore_index=True)


def test_an_endpoint_of_each_annotator_is_compared_like_any_measurement():
    low, high = list(range(1, 6)), list(range(11, 16))
    up = [value for pair in zip(low, high, strict=True) for value in pair]
    table = of_annotators(anna=up, ben=up, cleo=up[::-1], dora=up)
    found = evaluated(endpoints=table)
    assert pairs(found, "texture")["verdict"].to_dict() == {"anna": "higher", "ben": "higher", "cleo": "lower"}
    same = found.scores[found.scores["measure"] == "texture_same_verdict"].set_index("target")["value"]
    assert same.loc[["anna", "ben", "cleo"]].tolist() == [0.5, 0.5, 0]
    notes = found.summary["policy"]["notes"]
    assert "10 endpoints of dora are not used: there are no masks of dora" in notes


def test_a_case_without_value_is_counted():
    table = of_annotators(anna=list(range(10)), ben=list(range(10)), cleo=list(range(10)))
    table = table[~((table["case"] == "03") & (table["annotator"] == "ben"))]
    rows = pairs(evaluated(["texture"], endpoints=table), "texture")
    assert rows["n_undefined"].to_dict() == {"anna": 0, "ben": 1, "cleo": 0}


def test_an_endpoint_that_copies_the_count_is_no_second_witness():
    counts = {name: [3.0] * 10 for name in ("anna", "ben", "cleo")}
    found = evaluated(["count", "texture"], endpoints=of_annotators(**counts))
    assert "texture_same_verdict" not in set(found.scores["measure"])
    assert "count_same_verdict" in set(found.scores["measure"])


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"endpoints": FREEZING.assign(value="many")}, DataError, "expected a number"),
        ({"endpoints": FREEZING.assign(value=np.inf)}, DataError, "expected a number"),
        ({"endpoints": FREEZING.assign(case="x")}, DataError, "case 'x' has no image"),
        ({"endpoints": FREEZING.drop(columns="value")}, DataError, "no column value"),
        ({"measurements": ["texture"]}, DataError, "neither measured on masks nor an endpoint"),
        ({"measurements": []}, UsageError, "measurements"),
    ],
)
def test_wrong_endpoints_in_memory_are_refused(wrong, error, says):
    with pytest.raises(error, match=says):
        evaluated(**wrong)


def settings_of(size: float, seed: int) -> Simulation:
    """20 images with as many nuclei in both groups, `size` times as large in one of them."""
    groups = {"control": Effect(), "treated": Effect(size=size)}
    settings = Simulation(shape=(128, 128), n_cases=20, n_nuclei=12, groups=groups, regions={}, subject_sd=0, seed=seed)
    return replace(settings, images_per_subject=1, radius_px=(4, 8))


def test_an_effect_on_size_alone_is_found_by_area_and_not_by_count():
    settings = settings_of(1.8, seed=2)
    names = [f"{index:02d}" for index in range(settings.n_cases)]
    cases = [simulate_case(settings, index) for index in range(settings.n_cases)]
    masks = {
        "truth": {name: truth for name, (_, truth, _) in zip(names, cases, strict=True)},
        "average": {name: of_raters["average"] for name, (_, _, of_raters) in zip(names, cases, strict=True)},
    }
    experiment = pd.DataFrame({"case": names, "group": ["control", "treated"] * 10})
    chosen = ["count", "area", "object_size"]
    found = evaluate(masks=masks, experiment=experiment, control_group="control", measurements=chosen)
    verdicts = {measure: pairs(found, measure)["verdict"].to_dict() for measure in chosen}
    assert verdicts["count"] == {"truth": "none", "average": "none"}
    assert verdicts["area"]["truth"] == "higher"
    assert verdicts["object_size"] == {"truth": "higher", "average": "higher"}
    shift = pairs(found, "object_size").loc["truth"]
    assert shift["hl_low"] < 0.8 < shift["hl_high"]


def found_in(size: float, n_experiments: int = 40) -> pd.DataFrame:
    """Share of simulated experiments, one per annotator of the table, in which the truth is not `none`."""
    rows = [
        (f"{index:02d}", f"seed {seed}", len(nuclei), np.pi * sum(np.prod(blob.radii) for blob in nuclei))
        for seed in range(n_experiments)
        for index in range(20)
        for nuclei in [build_scene(settings_of(size, seed), index).nuclei]
    ]
    table = pd.DataFrame(rows, columns=["case", "annotator", "n_objects", "value"])
    experiment = pd.DataFrame({"case": table["case"].unique(), "group": ["control", "treated"] * 10})
    tidy = normalise(table, experiment, "control", ["count", "area"], table.assign(measure="area"))
    tested = effects(tidy).query("test == 'mann_whitney'")
    return tested.assign(found=tested["verdict"].isin(["higher", "lower"])).groupby("measure")["found"].mean()


def test_area_finds_an_effect_on_size_and_the_count_does_so_by_chance_only():
    with_effect, without = found_in(1.8), found_in(1.0)
    assert with_effect["area"] > 0.8
    for chance in (with_effect["count"], without["count"], without["area"]):
        assert chance <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)


def test_areas_of_lab_wue1_equal_to_scipy_on_the_files(tmp_path: Path, data_dir: Path):
    download(tmp_path, labs=["wue1"], mirror=data_dir / "segebarth2020")
    folder = tmp_path / "lab-wue1"
    settings = (folder / "dataset.yaml").read_text()
    (folder / "dataset.yaml").write_text(settings + "measurements: [count, area, object_size]\n")
    dataset = read_dataset(folder)
    chosen = [*dataset.cases[:2]]
    annotations = read_annotations(dataset, None)
    tables = build_tables(dataset, annotations[annotations["case"].isin(chosen)], n_jobs=1)
    measured = tables.measured.set_index(["case", "annotator", "measure"])["value"]
    for case in chosen:
        for rater, paths in dataset.masks.items():
            labels, n = ndimage.label(read_mask(paths[case]) > 0, structure=np.ones((3, 3)))
            sizes = ndimage.sum_labels(np.ones(labels.shape), labels, range(1, n + 1))
            kept = sizes[sizes >= 30]
            assert measured[case, rater, "area"] == pytest.approx(kept.sum() * 0.62e-3**2)
            assert measured[case, rater, "object_size"] == pytest.approx(kept.mean() * 0.62e-3**2)


def test_volumes_of_nodules_are_voxels_times_the_size_in_their_headers(multirater_dir: Path):
    folder = multirater_dir / "lidc_nodules_3d"
    experiment = pd.read_csv(folder / "experiment.csv", dtype=str)
    chosen = pd.concat([part.head(2) for _, part in experiment.groupby("group")])
    files = {case: nibabel.load(folder / "images" / f"{case}.nii.gz") for case in chosen["case"]}
    masks = {
        f"reader_{k}": {case: _mask(folder / "labels" / f"reader_{k}", case) for case in chosen["case"]} for k in (1, 2)
    }
    found = evaluate(
        masks=masks,
        images={case: folder / "images" / f"{case}.nii.gz" for case in chosen["case"]},
        experiment=chosen[["case", "group"]],
        control_group="thin",
        measurements=["volume"],
    )
    table = found.tables.measured.set_index(["case", "annotator"])
    for case, file in files.items():
        voxel = abs(np.linalg.det(file.affine[:3, :3]))
        assert table.loc[(case, "reader_1"), "value"] == pytest.approx(masks["reader_1"][case].sum() * voxel, rel=1e-5)
    assert set(table["unit"]) == {"mm3"}


def _mask(folder: Path, case: str) -> np.ndarray:
    return read_mask(next(folder.glob(f"{case}*"))) > 0
