"""Simulated raters: every habit moves the mask in its stated direction, and the same seed gives the same bytes."""

import dataclasses
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from segassay import simulate as module
from segassay.agreement import match_objects
from segassay.dataset import read_case_image, read_case_mask, read_dataset
from segassay.errors import UsageError
from segassay.files import read_image
from segassay.objects import label_objects
from segassay.simulate import DEFAULT_RATERS, RaterHabit, Simulation, simulate, simulate_case

PLAIN = RaterHabit(
    "plain", brightness_threshold=-10, miss_rate=0, merge_rate=0, false_positives=0, jitter_px=0, dilation_px=0
)
SMALL = Simulation(shape=(96, 128), n_cases=3, n_nuclei=8)
VOLUME = Simulation(shape=(12, 48, 64), n_cases=2, n_nuclei=6, spacing_um=(1.5, 0.5, 0.5))
IN_BOTH = pytest.mark.parametrize("settings", [Simulation(), Simulation(shape=(24, 96, 96), spacing_um=(1, 0.5, 0.5))])


def drawn(settings: Simulation, n_cases: int = 4, **habit: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Truth and mask of each case for a rater who is plain but for one habit."""
    raters = (dataclasses.replace(PLAIN, **habit),)
    cases = [simulate_case(dataclasses.replace(settings, raters=raters), index) for index in range(n_cases)]
    return [(truth, masks["plain"]) for _, truth, masks in cases]


def area(cases: list[tuple[np.ndarray, np.ndarray]]) -> int:
    return sum(int(mask.sum()) for _, mask in cases)


def n_objects(cases: list[tuple[np.ndarray, np.ndarray]]) -> int:
    return sum(int(label_objects(mask).max()) for _, mask in cases)


def n_found(cases: list[tuple[np.ndarray, np.ndarray]]) -> int:
    """Nuclei of which at least half is marked."""
    return sum(int((ndimage.mean(mask, truth, range(1, truth.max() + 1)) > 0.5).sum()) for truth, mask in cases)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# what the raters do


@IN_BOTH
def test_plain_rater_draws_the_truth_but_for_gaps_between_neighbours(settings: Simulation) -> None:
    for truth, mask in drawn(settings):
        assert not (mask & (truth == 0)).any()
        assert mask.sum() > 0.8 * (truth > 0).sum()
        labels = label_objects(mask)
        for label in range(1, labels.max() + 1):
            assert len(np.unique(truth[labels == label])) == 1


@IN_BOTH
def test_threshold_hides_dim_nuclei_first(settings: Simulation) -> None:
    assert n_found(drawn(settings)) > n_found(drawn(settings, brightness_threshold=2.5)) > 0
    strict = dataclasses.replace(settings, raters=(dataclasses.replace(PLAIN, brightness_threshold=2.5),))
    contrasts, found = [], []
    for index in range(4):
        _, truth, masks = simulate_case(strict, index)
        contrasts += [blob.contrast for blob in module._scene(strict, index).nuclei]
        found += list(ndimage.mean(masks["plain"], truth, range(1, truth.max() + 1)) > 0.5)
    assert np.mean(np.array(found)[np.array(contrasts) > 4]) > 0.9
    assert np.mean(np.array(found)[np.array(contrasts) < 1.5]) < 0.2


@IN_BOTH
def test_dilation_enlarges_and_erosion_shrinks(settings: Simulation) -> None:
    plain, wide, narrow = drawn(settings), drawn(settings, dilation_px=2), drawn(settings, dilation_px=-2)
    assert area(wide) > 1.2 * area(plain)
    assert area(narrow) < 0.8 * area(plain)
    assert area(drawn(settings, dilation_px=-100)) == 0


def test_dilation_is_in_pixels() -> None:
    lonely = Simulation(n_nuclei=1, touching_fraction=0, groups={"all": 1.0})
    radii = {
        dilation: np.array([np.sqrt(mask.sum() / np.pi) for truth, mask in drawn(lonely, 20, dilation_px=dilation)
                            if truth.max() == 1 and not _touches_border(truth, 5)])
        for dilation in (-2, 0, 3)
    }  # fmt: skip
    np.testing.assert_allclose(radii[3] - radii[0], 3, atol=0.4)
    np.testing.assert_allclose(radii[0] - radii[-2], 2, atol=0.4)


def _touches_border(truth: np.ndarray, margin: int) -> bool:
    inner = truth[tuple(slice(margin, -margin) for _ in truth.shape)]
    return bool(inner.any() and inner.astype(bool).sum() < truth.astype(bool).sum())


@IN_BOTH
def test_miss_rate_overlooks_more_dim_nuclei_than_bright_ones(settings: Simulation) -> None:
    dim = dataclasses.replace(settings, bright_fraction=0.0)
    bright = dataclasses.replace(settings, bright_fraction=1.0, bright_contrast=10.0)
    share_dim, share_bright = (n_found(drawn(s, miss_rate=0.8)) / n_found(drawn(s)) for s in (dim, bright))
    assert share_dim < 0.4
    assert share_bright > 0.7


@IN_BOTH
def test_merge_rate_joins_touching_nuclei(settings: Simulation) -> None:
    crowded = dataclasses.replace(settings, touching_fraction=0.6)
    apart, joined = drawn(crowded), drawn(crowded, merge_rate=1)
    assert n_objects(joined) < 0.8 * n_objects(apart)
    assert area(joined) > area(apart)
    assert n_found(joined) >= n_found(apart)


@IN_BOTH
def test_false_positives_lie_outside_of_the_truth(settings: Simulation) -> None:
    alone = dataclasses.replace(settings, n_nuclei=0)
    assert area(drawn(alone)) == 0
    assert area(drawn(alone, false_positives=5)) > 0
    without_distractors = dataclasses.replace(alone, n_out_of_focus=0, n_debris=0)
    assert area(drawn(without_distractors, false_positives=5)) > 0


def test_false_positives_are_as_many_as_expected_and_prefer_distractors() -> None:
    settings = Simulation(shape=(512, 512), n_nuclei=0, n_out_of_focus=0, n_debris=30)
    cases = drawn(settings, 20, false_positives=5)
    assert 3.5 < n_objects(cases) / 20 < 6
    for index, (_, mask) in enumerate(cases):
        centres = [np.rint(blob.centre).astype(int) for blob in module._scene(settings, index).distractors]
        marked = sum(mask[tuple(centre)] for centre in centres)
        assert marked >= label_objects(mask).max()


@IN_BOTH
def test_jitter_moves_boundaries_without_bias(settings: Simulation) -> None:
    plain, shaky = drawn(settings), drawn(settings, jitter_px=1)
    changed = sum(int((a ^ b).sum()) for (_, a), (_, b) in zip(plain, shaky, strict=True))
    assert changed > 0.08 * area(plain)
    assert 0.9 < area(shaky) / area(plain) < 1.15


def test_missing_cases_have_no_mask() -> None:
    absent = dataclasses.replace(PLAIN, name="absent", missing_cases=0.5)
    settings = dataclasses.replace(SMALL, raters=(PLAIN, absent))
    present = [set(simulate_case(settings, index)[2]) for index in range(40)]
    assert all("plain" in raters for raters in present)
    assert 8 < sum("absent" in raters for raters in present) < 32
    never = dataclasses.replace(SMALL, raters=(dataclasses.replace(PLAIN, missing_cases=1.0),))
    assert simulate_case(never, 0)[2] == {}


def test_a_further_rater_changes_nothing_for_the_others() -> None:
    few, many = (dataclasses.replace(SMALL, raters=raters) for raters in (DEFAULT_RATERS[1:], (*DEFAULT_RATERS, PLAIN)))
    for name, mask in simulate_case(few, 0)[2].items():
        np.testing.assert_array_equal(mask, simulate_case(many, 0)[2][name])


def test_raters_disagree_as_on_real_images() -> None:
    settings = Simulation()
    scores = []
    for index in range(settings.n_cases):
        masks = simulate_case(settings, index)[2].values()
        labels = [label_objects(mask, min_size=settings.min_object_size) for mask in masks]
        scores += [match_objects(a, b, [0.5]).f1[0] for a, b in combinations(labels, 2)]
    assert 0.45 < np.mean(scores) < 0.75


# the image and the truth


@IN_BOTH
def test_nuclei_stand_out_by_their_contrast(settings: Simulation) -> None:
    image, truth, _ = simulate_case(settings, 0)
    background = image[truth == 0].astype(float)
    brightness = ndimage.mean(image, truth, range(1, truth.max() + 1))
    contrast = [blob.contrast for blob in module._scene(settings, 0).nuclei]
    assert np.corrcoef(brightness, contrast)[0, 1] > 0.9
    assert 15 < np.median(background) < 35
    assert brightness.mean() > background.mean() + background.std()


def test_truth_labels_have_no_gap_and_a_sensible_size() -> None:
    for index in range(6):
        truth = simulate_case(Simulation(), index)[1]
        sizes = np.bincount(truth.ravel())[1:]
        assert truth.dtype == np.int32
        assert sizes.min() >= 20
        assert 100 < np.median(sizes) < 300


def test_nuclei_are_round_in_micrometres_and_fill_the_volume() -> None:
    settings = Simulation(shape=(40, 120, 120), spacing_um=(1.5, 0.5, 0.5), n_nuclei=30, touching_fraction=0)
    truth = simulate_case(settings, 0)[1]
    boxes = np.array([[(s.start, s.stop) for s in box] for box in ndimage.find_objects(truth)])  # (n, axis, 2)
    whole = ((boxes[..., 0] > 0) & (boxes[..., 1] < truth.shape)).all(axis=1)
    extents = np.diff(boxes[whole])[..., 0] * settings.axis_spacing_um
    assert whole.sum() > 5
    np.testing.assert_allclose(extents.mean(axis=0) / extents.mean(), 1, atol=0.15)
    assert (truth[30:] > 0).sum() > 0.1 * (truth > 0).sum()


def test_16_bits_show_the_same_scene_finer() -> None:
    coarse = simulate_case(SMALL, 0)[0]
    fine = simulate_case(dataclasses.replace(SMALL, dtype="uint16"), 0)[0]
    assert fine.dtype == np.uint16
    np.testing.assert_allclose(fine / 257, coarse, atol=0.51)


@pytest.mark.parametrize(
    ("groups", "low", "high"), [({"a": 1.0, "b": 2.0}, 1.6, 2.4), ({"a": 1.0, "b": 1.0}, 0.8, 1.25)]
)
def test_groups_differ_in_bright_nuclei_by_their_factor(groups: dict[str, float], low: float, high: float) -> None:
    settings = Simulation(groups=groups, n_cases=60)
    scenes = [module._scene(settings, index) for index in range(60)]
    bright = np.array([sum(blob.bright for blob in scene.nuclei) for scene in scenes])
    dim = np.array([len(scene.nuclei) for scene in scenes]) - bright
    assert low < bright[1::2].mean() / bright[::2].mean() < high
    assert 0.8 < dim[1::2].mean() / dim[::2].mean() < 1.25


def test_images_of_one_subject_share_its_factor() -> None:
    settings = Simulation(subject_sd=1.0, groups={"all": 1.0}, images_per_subject=5, n_nuclei=15, bright_fraction=1.0)
    counts = np.array([len(module._scene(settings, index).nuclei) for index in range(50)]).reshape(10, 5)
    assert counts.mean(axis=1).var() > 2 * counts.var(axis=1).mean() / 5


def test_nothing_but_background() -> None:
    settings = dataclasses.replace(SMALL, n_nuclei=0, n_out_of_focus=0, n_debris=0, raters=(PLAIN,))
    image, truth, masks = simulate_case(settings, 0)
    assert image.std() > 0
    assert not truth.any()
    assert not masks["plain"].any()


def test_a_full_image_holds_as_many_nuclei_as_fit() -> None:
    truth = simulate_case(Simulation(shape=(40, 40), n_nuclei=500), 0)[1]
    assert 5 < truth.max() < 50
    np.testing.assert_array_equal(np.unique(truth), np.arange(truth.max() + 1))


@pytest.mark.parametrize("shape", [(1, 1), (5, 200), (1, 60, 60)])
def test_images_smaller_than_a_nucleus(shape: tuple[int, ...]) -> None:
    image, truth, masks = simulate_case(Simulation(shape=shape), 1)
    assert image.shape == truth.shape == masks["average"].shape == shape


# files


def test_same_seed_same_bytes_and_another_seed_other_bytes(tmp_path: Path) -> None:
    for settings in (SMALL, VOLUME):
        name = str(len(settings.shape))
        one, again = (bytes_of(simulate(tmp_path / f"{name}{run}", settings)) for run in "ab")
        assert one == again
        other = bytes_of(simulate(tmp_path / f"{name}c", dataclasses.replace(settings, seed=1)))
        assert all(one[file] != other[file] for file in one if file.startswith(("images", "truth")))


def test_a_case_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    few = bytes_of(simulate(tmp_path / "few", SMALL))
    more = bytes_of(simulate(tmp_path / "more", dataclasses.replace(SMALL, n_cases=5)))
    cases = [file for file in few if "case_" in file]
    assert len(cases) == 3 * 5
    assert all(few[file] == more[file] for file in cases)
    assert more["experiment.csv"].startswith(few["experiment.csv"])


@pytest.mark.parametrize(("settings", "suffix"), [(SMALL, ".png"), (VOLUME, ".nii.gz")])
def test_folder_is_a_dataset(tmp_path: Path, settings: Simulation, suffix: str) -> None:
    folder = simulate(tmp_path / "out", settings)
    dataset = read_dataset(folder)
    assert dataset.warnings == []
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


def test_what_is_known_is_written_beside(tmp_path: Path) -> None:
    folder = simulate(tmp_path / "out", dataclasses.replace(SMALL, n_cases=6))
    known = json.loads((folder / "simulation.json").read_text())
    assert known["settings"]["seed"] == 0
    assert known["settings"]["raters"][2]["dilation_px"] == DEFAULT_RATERS[2].dilation_px
    for row in known["cases"]:
        truth = read_image(folder / "truth" / f"{row['case']}.png").array[0]
        assert np.unique(truth[truth > 0]).size == truth.max() == row["n_objects"] == len(row["contrasts"])
        assert 0 <= row["n_bright"] <= row["n_objects"]
    table = pd.read_csv(folder / "experiment.csv")
    assert list(table.columns) == ["case", "group", "subject"]
    assert list(table["group"]) == ["control", "treated"] * 3
    assert list(table["subject"])[::2] == ["control_01", "control_01", "control_02"]


def test_more_than_255_nuclei_keep_their_labels(tmp_path: Path) -> None:
    settings = Simulation(shape=(700, 700), n_cases=1, n_nuclei=400, touching_fraction=0, raters=(PLAIN,))
    folder = simulate(tmp_path / "out", settings)
    assert read_image(folder / "truth" / "case_0000.png").array.max() > 255


def test_existing_folder_is_refused_unless_overwritten(tmp_path: Path) -> None:
    out = simulate(tmp_path / "out", SMALL)
    (out / "mine.txt").write_text("keep me")
    with pytest.raises(UsageError, match="exists already"):
        simulate(out, SMALL)
    assert (out / "mine.txt").exists()
    simulate(out, dataclasses.replace(SMALL, n_cases=1), overwrite=True)
    assert len(list((out / "images").iterdir())) == 1
    assert not (out / "mine.txt").exists()
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_in_the_way_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="exists already"):
        simulate(tmp_path / "out", SMALL, overwrite=True)
    assert (tmp_path / "out").read_text() == "a file"


NO_SPACE = OSError(28, "No space left on device")


@pytest.mark.parametrize(("error", "expected"), [(NO_SPACE, UsageError), (KeyboardInterrupt(), KeyboardInterrupt)])
def test_an_error_leaves_nothing_behind_and_the_old_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, expected: type[BaseException]
) -> None:
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


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": (64,)},
        {"n_cases": 0},
        {"images_per_subject": 0},
        {"groups": {}},
        {"groups": {"a": -1.0}},
        {"bright_fraction": 1.5},
        {"radius_px": (5.0, 4.0)},
        {"spacing_um": (1.0, 1.0, 1.0)},
        {"spacing_um": 0.0},
        {"dtype": "float32"},
        {"raters": ()},
        {"raters": (PLAIN, PLAIN)},
        {"raters": (RaterHabit("../up"),)},
        {"raters": (RaterHabit(".."),)},
        {"raters": (RaterHabit(""),)},
        {"seed": -1},
    ],
)
def test_impossible_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match="got"):
        Simulation(**wrong)
