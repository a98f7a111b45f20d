"""Annotators that drew the same: copies, and a consensus among the raters."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from drawing import draw
from segassay.checks.check import check_dataset
from segassay.checks.lookalikes import Lookalikes, likeness
from segassay.consensus.pixels import staple
from segassay.io.images import write_image
from segassay.io.picture import Picture

ANNA = draw("##....## ##....## ........ ........")
BEN = draw("###...## ##....## ........ ........")
CLEO = draw("##....## ##...... ........ ....##..")
NOTHING = np.zeros_like(ANNA)
THREE = {"anna": ANNA, "ben": BEN, "cleo": CLEO}


def with_vote(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return masks | {"vote": staple(np.stack(list(masks.values()))).mask}


def shifted(masks: dict[str, np.ndarray], by: int) -> dict[str, np.ndarray]:
    return {rater: np.roll(mask, by) for rater, mask in masks.items()}


def compare(alike: Lookalikes, masks: dict[str, np.ndarray]) -> None:
    """One more case, as a check does."""
    alike.add(likeness(masks, list(masks), alike.open_names, alike.open_raters))


def test_a_consensus_among_the_raters_is_recognised() -> None:
    """The three differ from their consensus by a pixel in one case or another."""
    alike = Lookalikes([*THREE, "vote"])
    for names in (("anna", "ben", "cleo"), ("ben", "cleo", "anna"), ("cleo", "anna", "ben")):
        compare(alike, with_vote(dict(zip(THREE, (THREE[name] for name in names), strict=True))))
    assert alike.consensus() == {"vote": 3}
    assert alike.copies() == []


def test_one_pixel_in_one_case_is_enough_to_be_no_consensus() -> None:
    alike = Lookalikes([*THREE, "vote"])
    compare(alike, with_vote(THREE))
    assert "vote" in alike.consensus() or ("anna", "vote") in alike.copies()
    other = with_vote(shifted(THREE, 1))
    other["vote"][3, 0] = True
    compare(alike, other)
    assert "vote" not in alike.consensus()
    assert alike.copies() == []


def test_a_copy_is_told_as_a_copy_and_not_as_a_consensus() -> None:
    alike = Lookalikes([*THREE, "copy"])
    for by in (0, 1, 2):
        masks = shifted(THREE, by)
        compare(alike, masks | {"copy": masks["anna"]})
    assert alike.copies() == [("anna", "copy")]
    assert alike.consensus() == {}


def test_after_the_first_difference_nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.eye(4, 6, dtype=bool)
    masks = dict(zip("abcd", rows, strict=True))
    alike = Lookalikes(list(masks))
    compare(alike, masks)
    monkeypatch.setattr("segassay.checks.lookalikes.count_decisions", lambda masks: pytest.fail("compared again"))
    compare(alike, masks)
    assert alike.consensus() == {}


def test_empty_masks_are_no_evidence_of_a_copy() -> None:
    alike = Lookalikes(["anna", "ben"])
    compare(alike, {"anna": NOTHING, "ben": NOTHING})
    assert alike.copies() == []


def test_two_others_make_no_consensus() -> None:
    alike = Lookalikes(["a", "b", "both"])
    compare(alike, {"a": ANNA, "b": BEN, "both": ANNA & BEN})
    assert alike.consensus() == {}


@pytest.mark.parametrize("lab", ["lab-wue1", "lab-mue", "lab-inns1"])
def test_est_gt_is_recognised_where_nothing_says_so(data_dir: Path, tmp_path: Path, lab: str) -> None:
    """In some images of the lab, where that is enough; none of the experts is taken for a consensus."""
    source = data_dir / "segebarth2020" / lab
    for image in sorted((source / "images").iterdir())[:3]:
        for path in [image, *source.glob(f"labels/*/{image.stem}_*")]:
            (tmp_path / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, tmp_path / path.relative_to(source))
    (problem,) = check_dataset(tmp_path).problems
    assert problem.level == "warning"
    assert problem.file == str(tmp_path / "labels/est_GT")
    assert "STAPLE consensus of the other raters on every image (3 compared)" in problem.what
    assert "`reference: labels/est_GT`" in problem.action


def test_who_divides_the_same_pixels_otherwise_is_no_copy() -> None:
    """Cells in a sheet fill the image, whoever draws them."""
    sheet = {"anna": np.array([[1, 1, 2, 2]]), "ben": np.array([[1, 2, 2, 2]]), "copy": np.array([[7, 7, 3, 3]])}
    alike = Lookalikes(list(sheet))
    compare(alike, sheet)
    assert alike.copies() == [("anna", "copy")], "the numbers of objects mean nothing"


def test_a_label_image_of_separate_objects_is_a_copy_of_its_binary_mask() -> None:
    alike = Lookalikes(["binary", "labels"])
    compare(alike, {"binary": np.array([[1, 1, 0, 1]], dtype=bool), "labels": np.array([[9, 9, 0, 4]])})
    assert alike.copies() == [("binary", "labels")]


def test_who_gives_the_same_pixels_other_classes_is_neither_copy_nor_consensus(tmp_path: Path) -> None:
    """Four raters name given objects; only one of them copied."""
    given = {"anna": (1, 2), "ben": (2, 1), "cleo": (1, 1), "dan": (2, 2), "echo": (1, 2)}
    for case in ("a", "b"):
        write(tmp_path / "images" / f"{case}.png", np.zeros((8, 8), dtype=np.uint8))
        for rater, (first, second) in given.items():
            mask = np.zeros((8, 8), dtype=np.uint8)
            mask[:3, :3], mask[5:, 5:] = first, second
            write(tmp_path / "labels" / rater / f"{case}.png", mask)
    (tmp_path / "dataset.yaml").write_text("classes: {cyst: 1, tumour: 2}\n")
    told = [problem for problem in check_dataset(tmp_path).problems if problem.kind in ("copy", "consensus")]
    assert [Path(problem.file).name for problem in told] == ["echo"]
    assert "the same masks as 'anna'" in told[0].what


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, Picture(array[None]))
