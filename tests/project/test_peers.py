"""benchmarks/peers.py: the scorer beside numbers counted by hand, the clock of the budget, the page."""

import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType

import nibabel
import numpy as np
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import peers  # noqa: E402
import places  # noqa: E402
from off_centre import move_off_centre  # noqa: E402


def load(path: Path) -> ModuleType:
    """A module of a peer's program, which is no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


budget = load(ROOT / "benchmarks" / "peers" / "budget.py")


def squares(*columns: int, size: int = 4) -> np.ndarray:
    """Squares side by side, each an object of its own."""
    labels = np.zeros((8, 60), dtype=np.int32)
    for number, column in enumerate(columns, start=1):
        labels[2 : 2 + size, column : column + size] = number
    return labels


def test_scores_are_those_counted_by_hand():
    reference, predicted = squares(0, 10, 20), squares(0, 11, 40)
    # the first pair is equal; the second shares 12 of 20 pixels, IoU .6; one is missed and one is false
    found = peers.scores(reference, predicted, min_size=0)
    assert found["f1"] == pytest.approx(2 * 2 / 6)
    below, above = 2 / 4, 1 / 5  # tp / (tp + fp + fn): two match at .50 and .55, one from .60 on
    assert found["ap"] == pytest.approx((2 * below + 7 * above) / 9)
    assert found["dice"] == pytest.approx(2 * (16 + 12) / (48 + 48))


def test_touching_objects_stay_apart_and_small_ones_count_for_dice_alone():
    touching = squares(0, 4)
    assert peers.scores(touching, touching, min_size=0) == {"f1": 1.0, "ap": 1.0, "dice": 1.0}
    assert peers.scores(touching, (touching > 0).astype(np.int32), min_size=0)["f1"] == 0.0
    speck = np.where(squares(30, size=1) > 0, 3, touching)
    found = peers.scores(touching, speck, min_size=2)
    assert found["f1"] == found["ap"] == 1.0
    assert found["dice"] == pytest.approx(64 / 65)


def test_two_empty_images_agree_and_one_empty_image_does_not():
    empty = np.zeros((8, 60), dtype=np.int32)
    assert peers.scores(empty, empty, min_size=0) == {"f1": 1.0, "ap": 1.0, "dice": 1.0}
    assert peers.scores(empty, squares(3), min_size=0) == {"f1": 0.0, "ap": 0.0, "dice": 0.0}


def test_the_budget_counts_work_but_not_waiting():
    clock = budget.Budget(1e6)
    before = clock.clock()
    time.sleep(0.2)
    waited = clock.clock() - before
    assert waited < 0.1
    while clock.clock() - before < waited + 0.05:
        sum(range(1000))
    assert not clock.is_over
    assert 0 < clock.progress < 0.01
    assert budget.Budget(1e-9).is_over


def test_a_part_of_a_budget_is_over_earlier_on_the_same_clock():
    used = 0.0
    whole = budget.Budget(10, clock=lambda: used)
    part = whole.part(0.85)
    used = 9.0
    assert part.is_over
    assert not whole.is_over
    assert (part.progress, whole.progress) == (1.0, 0.9)
    for seconds in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="above 0 CPU seconds"):
            budget.Budget(seconds)


def test_the_first_image_is_not_in_the_speed(tmp_path):
    cases = [budget.Case(name, np.zeros((1000, 1000)), squares(0), (1.0, 1.0)) for name in "ab"]

    def slow_first():
        started = time.process_time()
        while time.process_time() - started < 0.2:
            pass
        yield squares(0), np.full((8, 60), 0.5)
        yield squares(0), None

    assert budget.write_predictions(tmp_path / "out", cases, slow_first()) < 0.1
    with np.load(tmp_path / "out" / "a.npz") as first, np.load(tmp_path / "out" / "b.npz") as second:
        assert "prob" in first.files
        assert second.files == ["labels"]


def test_no_further_image_is_begun_after_the_limit_and_the_row_says_how_many_were_scored(tmp_path):
    cases = [budget.Case(name, np.zeros((1000, 1000)), squares(0), (1.0, 1.0)) for name in "abc"]
    begun, used = [], iter([1.0, 3.0])

    def peer():
        for case in cases:
            begun.append(case.name)
            yield squares(0), None

    limit = budget.Budget(2, clock=lambda: next(used))
    assert budget.write_predictions(tmp_path / "predicted", cases, peer(), limit) >= 0
    assert begun == ["a", "b"]
    alone = budget.write_predictions(tmp_path / "one", cases, peer(), budget.Budget(1e-9))
    assert alone != alone  # the first image is not timed
    (tmp_path / "about.json").write_text('{"min_object_size": 0}')
    (tmp_path / "test").mkdir()
    for case in cases:
        np.savez(tmp_path / "test" / case.name, labels=case.labels)
    found = peers.scores_of(tmp_path, tmp_path / "predicted", split=False)
    assert found == {"f1": 1.0, "ap": 1.0, "dice": 1.0, "n_images": 2, "n_test": 3}
    run = {"name": "slow", "settings": [], "budget_cpu_seconds": 9} | found
    assert "| slow, **2 of 3 images** |" in peers.tables({"wue1": {"runs": [run]}})["wue1"]
    assert "images" not in peers.tables({"wue1": {"runs": [run | {"n_images": 3}]}})["wue1"].split("\n")[-1]


def test_a_program_is_measured_with_what_it_started(tmp_path):
    busy = "import time; x = bytearray(50_000_000)\nwhile time.process_time() < 0.3: pass"
    both = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}], check=True)"
    cpu, peak = peers.measured([sys.executable, "-c", both], tmp_path / "log.txt", core=None)
    assert 0.3 <= cpu < 5
    assert peak > 50
    with pytest.raises(SystemExit, match="went wrong"):
        peers.measured([sys.executable, "-c", "raise SystemExit('it went wrong')"], tmp_path / "log.txt", core=None)


def test_the_page_shows_the_results():
    page = peers.PAGE.read_text(encoding="utf-8")
    for table in peers.tables(json.loads(peers.RESULTS.read_text(encoding="utf-8"))).values():
        assert table in page, "run benchmarks/peers.py score"


def test_nodules_in_windows_are_a_dataset_of_their_own(
    multirater_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGASSAY_DATA", str(multirater_dir.parent))
    monkeypatch.setattr(peers, "move_off_centre", lambda folder, *, side, seed: None)
    names = []
    for make in (peers.make_lidc, peers.make_lidc_windows):
        make(tmp_path / make.__name__)
        names.append(yaml.safe_load((tmp_path / make.__name__ / "dataset.yaml").read_text())["name"])
    assert names == ["lidc-nodules", "lidc-windows"]


def test_windows_hold_all_that_was_marked_at_the_same_place_in_the_world(tmp_path: Path) -> None:
    affine = np.diag([0.7, 0.7, 2.5, 1.0])
    affine[:3, 3] = -30, 12, 5
    rng = np.random.default_rng(1)
    marked = {}
    for name in ("a", "b", "c", "d", "e"):
        volume = rng.integers(0, 255, (40, 40, 3)).astype(np.uint8)
        for rater in ("anna", "ben"):
            mask = np.zeros((40, 40, 3), np.uint8)
            mask[18 + (rater == "ben") : 22, 17:23, 1:] = 1
            marked[rater, name] = _in_the_world(mask, affine)
            _write(tmp_path / "labels" / rater / f"{name}.nii.gz", mask, affine)
        _write(tmp_path / "images" / f"{name}.nii.gz", volume, affine)
    move_off_centre(tmp_path, side=20, seed=3)
    places = set()
    for (rater, name), expected in marked.items():
        cut = nibabel.load(tmp_path / "labels" / rater / f"{name}.nii.gz")
        image = nibabel.load(tmp_path / "images" / f"{name}.nii.gz")
        assert cut.shape == image.shape == (20, 20, 3)
        np.testing.assert_allclose(cut.affine, image.affine)
        np.testing.assert_allclose(_in_the_world(np.asarray(cut.dataobj), cut.affine), expected, atol=1e-5)
        places.add(tuple(np.round(image.affine[:2, 3], 3)))
    assert len(places) == 5
    with pytest.raises(ValueError, match=r"pixels . to .* are marked and do not fit into 3 pixels"):
        move_off_centre(tmp_path, side=3, seed=3)


def _write(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def _in_the_world(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]


def test_a_window_at_each_place_and_none_that_cuts_an_object(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "about.json").write_text("{}", encoding="utf-8")
    labels = np.zeros((16, 16, 2), np.int32)
    labels[6:10, 6:10] = 1
    np.savez(tmp_path / "test" / "a.npz", image=labels, labels=labels, spacing=np.ones(3))
    for place, first in {"middle": 3, "first corner": 6, "last corner": 0}.items():
        places.cut(tmp_path, tmp_path / place, place, side=10)
        with np.load(tmp_path / place / "test" / "a.npz") as case:
            assert np.flatnonzero(case["labels"].any(axis=(1, 2)))[0] == first
    with pytest.raises(SystemExit, match="the object exceeds the window of 8 pixels, first corner"):
        places.cut(tmp_path, tmp_path / "small", "first corner", side=8)
