"""Simulated datasets: what is written, that it can be evaluated, and that the same seed gives the same bytes."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segassay import cli
from segassay.checks.check import check_dataset
from segassay.data.annotations import read_annotations
from segassay.data.cases import read_case_image, read_case_mask
from segassay.data.dataset import read_dataset
from segassay.errors import UsageError
from segassay.io.images import read_image, read_mask
from segassay.masks.objects import label_objects
from segassay.simulation import dataset as module
from segassay.simulation.dataset import DEFAULT_RATERS, RaterHabit, Simulation, simulate, simulate_case
from segassay.simulation.settings import keep_effect
from segassay.simulation.settings_file import read_simulation
from segassay.tables.build import build_tables

PLAIN = RaterHabit("plain", -10, miss_rate=0, merge_rate=0, false_positives=0, jitter_px=0)
SMALL = Simulation(shape=(96, 128), n_cases=4, n_nuclei=8)
VOLUME = Simulation(shape=(12, 48, 64), n_cases=2, n_nuclei=6, spacing_um=(1.5, 0.5, 0.5))
IN_BOTH = pytest.mark.parametrize("settings", [SMALL, VOLUME], ids=["2d", "3d"])


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def segassay(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Exit code of `segassay …`."""
    monkeypatch.setenv("SEGASSAY_DEBUG", "")
    monkeypatch.setattr(sys, "argv", ["segassay", *map(str, words)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@IN_BOTH
def test_same_seed_same_bytes_and_another_seed_other_bytes(tmp_path: Path, settings: Simulation):
    one, again = (bytes_of(simulate(tmp_path / run, settings)) for run in "ab")
    assert one == again
    other = bytes_of(simulate(tmp_path / "c", dataclasses.replace(settings, seed=1)))
    assert all(one[file] != other[file] for file in one if file.startswith(("images", "truth")))


def test_a_case_does_not_depend_on_how_many_there_are(tmp_path: Path):
    few = bytes_of(simulate(tmp_path / "few", dataclasses.replace(SMALL, n_cases=3)))
    more = bytes_of(simulate(tmp_path / "more", dataclasses.replace(SMALL, n_cases=6)))
    cases = [file for file in few if "case_" in file]
    assert len(cases) >= 3 * 5
    assert all(few[file] == more[file] for file in cases)
    for table in ("experiment.csv", "annotations.csv"):
        assert more[table].startswith(few[table])


@IN_BOTH
def test_settings_written_beside_give_the_same_bytes(tmp_path: Path, settings: Simulation):
    settings = dataclasses.replace(keep_effect(settings, "count"), seed=7, dtype="uint16")
    first = simulate(tmp_path / "first", settings)
    again = read_simulation(first / "simulation.json")
    assert again == settings
    assert bytes_of(simulate(tmp_path / "again", again)) == bytes_of(first)


def test_compressed_volumes_hold_no_time(tmp_path: Path):
    folder = simulate(tmp_path / "out", VOLUME)
    files = list(folder.rglob("*.nii.gz"))
    assert len(files) >= 2 * 5
    assert all(file.read_bytes()[4:8] == bytes(4) for file in files)


@pytest.mark.parametrize(("settings", "suffix"), [(SMALL, ".png"), (VOLUME, ".nii.gz")], ids=["2d", "3d"])
def test_folder_is_a_dataset(tmp_path: Path, settings: Simulation, suffix: str):
    folder = simulate(tmp_path / "out", settings)
    dataset = read_dataset(folder)
    assert dataset.raters == ["average", "generous", "strict"]
    assert dataset.settings.control_group == "control"
    assert dataset.reference_name is None
    for index, case in enumerate(dataset.cases):
        image, truth, masks = simulate_case(settings, index)
        picture = read_case_image(dataset, case)
        np.testing.assert_array_equal(picture.array, image[np.newaxis])
        np.testing.assert_array_equal(read_image(folder / "truth" / f"{case}{suffix}").array[0], truth)
        for rater, mask in masks.items():
            np.testing.assert_array_equal(read_case_mask(dataset, rater, case), mask)
    assert dataset.settings.spacing_um == settings.axis_spacing_um
    if suffix == ".nii.gz":
        np.testing.assert_allclose(read_image(folder / "images" / "case_0000.nii.gz").spacing_um, (1.5, 0.5, 0.5))


@IN_BOTH
def test_every_mask_stands_in_the_annotations_table(tmp_path: Path, settings: Simulation):
    raters = tuple(dataclasses.replace(rater, missing_cases=0.2, repeated_cases=0.7) for rater in DEFAULT_RATERS)
    settings = dataclasses.replace(settings, raters=raters, n_cases=4)
    folder = simulate(tmp_path / "out", settings)
    table = pd.read_csv(folder / "annotations.csv")
    assert list(table.columns) == ["case", "annotator", "kind", "path", "session"]
    written = {file for file in bytes_of(folder) if file.startswith(("labels", "truth", "repeats"))}
    assert written == set(table["path"])
    assert set(table.loc[table["kind"] == "truth", "annotator"]) == {"truth"}
    for row in table[table["session"] == 2].itertuples():
        masks = simulate_case(settings, int(row.case[-4:]), session=2)[2]
        np.testing.assert_array_equal(read_mask(folder / row.path) > 0, masks[row.annotator])
        assert not np.array_equal(masks[row.annotator], simulate_case(settings, int(row.case[-4:]))[2][row.annotator])
    assert (table["session"] == 2).any()
    read = read_annotations(read_dataset(folder), folder / "annotations.csv")
    assert len(read) == len(table)
    assert not read["missing"].any()


@IN_BOTH
def test_what_is_known_is_written_beside(tmp_path: Path, settings: Simulation):
    folder = simulate(tmp_path / "out", settings)
    known = json.loads((folder / "simulation.json").read_text())
    left_out = {"instances", "channels", "marker_contrast", "classes"}  # of what this simulation has not
    assert set(known["settings"]) | left_out == {field.name for field in dataclasses.fields(Simulation)}
    assert not set(known["settings"]) & left_out
    assert known["settings"]["raters"][2]["dilation_px"] == DEFAULT_RATERS[2].dilation_px
    for row, path in zip(known["cases"], sorted((folder / "truth").iterdir()), strict=True):
        truth = read_image(path).array[0]
        assert np.unique(truth[truth > 0]).size == truth.max() == row["n_objects"]
        assert len(row["contrasts"]) == len(row["radii_px"]) == row["n_objects"]
    assert [(row["region"], row["group"], row["count_ratio"], row["contrast_ratio"]) for row in known["expected"]] == [
        ("region_1", "control", 1.0, 1.0),
        ("region_1", "treated", 1.6, 1.2),
        ("region_2", "control", 1.0, 1.0),
        ("region_2", "treated", 1.6, 1.2),
    ]
    np.testing.assert_allclose([row["n_nuclei"] / settings.n_nuclei for row in known["expected"]], [1, 1.6, 1.3, 2.08])


def test_experiment_table_has_group_region_and_subject(tmp_path: Path):
    table = pd.read_csv(simulate(tmp_path / "out", SMALL) / "experiment.csv")
    assert list(table.columns) == ["case", "group", "region", "subject"]
    assert list(table["group"]) == ["control", "treated"] * 2
    assert list(table["region"]) == ["region_1", "region_1", "region_2", "region_2"]
    assert list(table["subject"]) == ["control_01", "treated_01"] * 2
    without = pd.read_csv(simulate(tmp_path / "no", dataclasses.replace(SMALL, regions={})) / "experiment.csv")
    assert list(without.columns) == ["case", "group", "subject"]


def test_more_than_255_nuclei_keep_their_labels(tmp_path: Path):
    settings = Simulation(shape=(700, 700), n_cases=1, n_nuclei=400, touching_fraction=0, crowding=0, raters=(PLAIN,))
    folder = simulate(tmp_path / "out", settings)
    assert read_image(folder / "truth" / "case_0000.png").array.max() > 255


def test_evaluation_takes_the_annotations_with_truth_and_sessions(tmp_path: Path):
    folder = simulate(tmp_path / "data", dataclasses.replace(SMALL, n_cases=6))
    dataset = read_dataset(folder)
    tables = build_tables(dataset, read_annotations(dataset, folder / "annotations.csv"))
    assert set(tables.counts["annotator"]) == {"truth", "average", "generous", "strict"}
    known = json.loads((folder / "simulation.json").read_text())["cases"]
    of_truth = tables.counts[tables.counts["annotator"] == "truth"].set_index("case")["n_objects"]
    assert all(
        0 <= row["n_objects"] - of_truth[row["case"]] <= 3 for row in known
    )  # slivers at the border do not count
    assert any(note.about == "later_sessions" for note in tables.notes)


def test_existing_folder_is_refused_unless_overwritten(tmp_path: Path):
    out = simulate(tmp_path / "out", SMALL)
    (out / "mine.txt").write_text("keep me")
    with pytest.raises(UsageError, match="exists already"):
        simulate(out, SMALL)
    assert (out / "mine.txt").exists()
    simulate(out, dataclasses.replace(SMALL, n_cases=1), overwrite=True)
    assert len(list((out / "images").iterdir())) == 1
    assert not (out / "mine.txt").exists()
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_in_the_way_is_never_replaced(tmp_path: Path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="is a file"):
        simulate(tmp_path / "out", SMALL, overwrite=True)
    assert (tmp_path / "out").read_text() == "a file"


NO_SPACE = OSError(28, "No space left on device")


@pytest.mark.parametrize(("error", "expected"), [(NO_SPACE, UsageError), (KeyboardInterrupt(), KeyboardInterrupt)])
def test_an_error_leaves_nothing_behind_and_the_old_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, expected: type[BaseException]
):
    out = simulate(tmp_path / "out", SMALL)
    before = bytes_of(out)
    write_labels, calls = module.write_labels, []

    def fails_the_second_time(*args: object) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise error
        write_labels(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "write_labels", fails_the_second_time)
    with pytest.raises(expected):
        simulate(out, dataclasses.replace(SMALL, seed=1), overwrite=True)
    assert list(tmp_path.iterdir()) == [out]
    assert bytes_of(out) == before


def test_command_takes_a_file_and_options_stand_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    (tmp_path / "mine.yaml").write_text("shape: [32, 40]\nn_cases: 5\nraters: [{name: anna}]\nseed: 4\n")
    words = [
        "simulate",
        "--out",
        tmp_path / "out",
        "--settings",
        tmp_path / "mine.yaml",
        "--cases",
        2,
        "--effect",
        "none",
    ]
    assert segassay(monkeypatch, *words) == 0
    assert "2 images by 1 rater, with truth" in capsys.readouterr().out
    found = read_simulation(tmp_path / "out" / "simulation.json")
    stated = Simulation(shape=(32, 40), n_cases=2, raters=(RaterHabit("anna"),), seed=4)
    assert found == keep_effect(stated, "none")


def test_settings_of_the_documentation_work(tmp_path: Path):
    page = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    settings = read_simulation(tmp_path / "mine.yaml")
    assert [rater.name for rater in settings.raters] == ["average", "generous", "strict"]
    assert settings.effect("treated", "DG").count == 1
    exec(page.split("```python\n")[1].split("```")[0], {})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--settings", "wrong.yaml"], "unknown key 'sede'; did you mean 'seed'?"),
        (["--settings", "nowhere.yaml"], "cannot be read"),
        (["--effect", "some"], "expected one of both, count, intensity, size, marker, none"),
        (["--seed", "-1"], "seed must be 0 or more"),
        (["--cases", "0"], "n_cases must be at least 1"),
    ],
)
def test_a_wrong_call_is_one_message_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, words: list[str], expected: str
):
    (tmp_path / "wrong.yaml").write_text("sede: 1")
    monkeypatch.chdir(tmp_path)
    assert segassay(monkeypatch, "simulate", "--out", "out", *words) == 2
    shown = capsys.readouterr().err
    assert expected in shown
    assert len(shown.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.yaml"]


@IN_BOTH
def test_raters_can_draw_label_images(tmp_path: Path, settings: Simulation):
    touching = dataclasses.replace(settings, n_nuclei=20, touching_fraction=0.9, instances=True)
    out = simulate(tmp_path / "out", touching)
    assert read_simulation(out / "simulation.json") == touching
    assert [problem for problem in check_dataset(out).problems if "labels" in problem.file] == []
    dataset = read_dataset(out)
    assert dataset.holds_instances
    n_touching = 0
    for index, case in enumerate(dataset.cases):
        masks = simulate_case(touching, index)[2]
        for rater in dataset.raters:
            labels = read_case_mask(dataset, rater, case)
            np.testing.assert_array_equal(labels, masks[rater])
            for number in range(1, int(labels.max()) + 1):
                assert label_objects(labels == number).max() == 1
            n_touching += int(labels.max()) - int(label_objects(labels > 0).max())
    assert n_touching > 0


def test_settings_inside_of_the_folder_are_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    out = simulate(tmp_path / "out", SMALL)
    words = ["simulate", "--out", out, "--settings", out / "simulation.json", "--overwrite"]
    assert segassay(monkeypatch, *words) == 2
    assert "would replace it" in capsys.readouterr().err
