"""The cache of consensus masks: never another result, and never in the way."""

import hashlib
import json
from pathlib import Path

import imagecodecs
import nibabel
import numpy as np
import pytest
import roifile
import tifffile
import yaml

from drawing import draw
from label_scenes import draw_labels
from segassay.consensus import cache
from segassay.consensus.cache import cached_class_staple, cached_staple
from segassay.consensus.classes import ClassConsensus, fuse_classes
from segassay.consensus.pixels import Staple, staple
from segassay.data.cases import read_case_classes, read_case_mask
from segassay.data.dataset import read_dataset
from segassay.io.images import read_mask, write_labels, write_mask

MASKS = {"anna": draw("##.. ##.. ...."), "ben": draw("##.. .... ...."), "cleo": draw("##.. ##.# ....")}


class Raters:
    """Mask files of three raters, and how often they were read."""

    def __init__(self, folder: Path) -> None:
        self.paths = [folder / f"{rater}.png" for rater in MASKS]
        self.n_reads = 0
        for path, mask in zip(self.paths, MASKS.values(), strict=True):
            write_mask(path, mask)

    def fuse(self, cache_dir: Path, paths: list[Path] | None = None) -> Staple:
        def read() -> list[np.ndarray]:
            self.n_reads += 1
            return [read_mask(path) > 0 for path in paths or self.paths]

        return cached_staple(paths or self.paths, read, cache_dir)


@pytest.fixture
def raters(tmp_path: Path) -> Raters:
    return Raters(tmp_path)


def assert_same(one: Staple, other: Staple) -> None:
    for name, value in vars(one).items():
        np.testing.assert_array_equal(getattr(other, name), value)
        assert type(getattr(other, name)) is type(value), name
        assert np.asarray(getattr(other, name)).dtype == np.asarray(value).dtype, name


def test_a_hit_equals_the_miss_and_the_computation(raters, tmp_path):
    miss, hit = raters.fuse(tmp_path / "cache"), raters.fuse(tmp_path / "cache")
    assert raters.n_reads == 1
    assert_same(miss, hit)
    assert_same(staple(np.stack(list(MASKS.values()))), hit)


def test_a_changed_mask_is_a_miss(raters, tmp_path):
    raters.fuse(tmp_path / "cache")
    write_mask(raters.paths[1], draw(".... .... ####"))
    changed = raters.fuse(tmp_path / "cache")
    assert raters.n_reads == 2
    assert_same(staple(np.stack([MASKS["anna"], draw(".... .... ####"), MASKS["cleo"]])), changed)


def test_a_renamed_mask_is_a_hit(raters, tmp_path):
    raters.fuse(tmp_path / "cache")
    renamed = raters.paths[0].rename(tmp_path / "other.png")
    raters.fuse(tmp_path / "cache", [renamed, *raters.paths[1:]])
    assert raters.n_reads == 1


def test_another_order_or_selection_of_raters_is_a_miss(raters, tmp_path):
    first = raters.fuse(tmp_path / "cache")
    turned = raters.fuse(tmp_path / "cache", raters.paths[::-1])
    raters.fuse(tmp_path / "cache", raters.paths[:2])
    assert raters.n_reads == 3
    np.testing.assert_array_equal(turned.sensitivity, first.sensitivity[::-1])


def test_a_corrupted_file_is_computed_again_whichever_byte_is_wrong(raters, tmp_path):
    whole = raters.fuse(tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    content = file.read_bytes()
    for place in range(0, len(content), 7):
        broken = bytearray(content)
        broken[place] ^= 0xFF
        file.write_bytes(broken)
        assert_same(whole, raters.fuse(tmp_path / "cache"))
    for length in (0, 1, 10, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        n_reads = raters.n_reads
        assert_same(whole, raters.fuse(tmp_path / "cache"))
        assert raters.n_reads == n_reads + 1
    assert file.read_bytes() == content, "the broken file was not replaced"


def test_a_cache_that_cannot_be_made_is_done_without(raters, tmp_path):
    (tmp_path / "file").write_text("no folder")
    result = raters.fuse(tmp_path / "file" / "cache")
    np.testing.assert_array_equal(result.mask, draw("##.. ##.. ...."))


def test_a_full_disk_is_done_without(raters, tmp_path, monkeypatch):
    def full(file: object, **arrays: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.np, "savez_compressed", full)
    np.testing.assert_array_equal(raters.fuse(tmp_path / "cache").mask, draw("##.. ##.. ...."))
    assert not list((tmp_path / "cache").iterdir())


def test_a_break_while_writing_leaves_nothing(raters, tmp_path, monkeypatch):
    def stopped(file: object, **arrays: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.np, "savez_compressed", stopped)
    with pytest.raises(KeyboardInterrupt):
        raters.fuse(tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_an_error_while_reading_leaves_nothing(raters, tmp_path):
    raters.paths[0].write_bytes(b"no PNG")
    with pytest.raises(Exception, match="anna"):
        raters.fuse(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_only_a_cache_is_left(raters, tmp_path):
    raters.fuse(tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npz"]


def test_classes_are_cached_by_content_and_values(tmp_path):
    paths = [tmp_path / f"{rater}.png" for rater in "abc"]
    labels = [draw_labels("1122. ..3.."), draw_labels("1122. ..33."), draw_labels("1222. ..3..")]
    for path, image in zip(paths, labels, strict=True):
        write_labels(path, image)
    n_reads = 0

    def read() -> list[np.ndarray]:
        nonlocal n_reads
        n_reads += 1
        return labels

    def fuse(values: list[int | list[int]]) -> ClassConsensus:
        return cached_class_staple(paths, read, values, tmp_path / "cache")

    for n_expected, values in ((1, [1, 2, 3]), (2, [3, 2, 1]), (3, [[1, 2, 3], [2, 3]])):
        miss, hit, computed = fuse(values), fuse(values), fuse_classes(labels, values)
        assert n_reads == n_expected
        for one in (miss, hit):
            for name, value in vars(computed).items():
                np.testing.assert_array_equal(getattr(one, name), value)
                assert type(getattr(one, name)) is type(value), name
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(file.read_bytes()[:-40])
    np.testing.assert_array_equal(fuse([1, 2, 3]).labels, fuse_classes(labels, [1, 2, 3]).labels)
    assert n_reads == 4


OF_VERSION = {
    "staple-3": "12c3ac387c813f81b3eca684f202195021ea2d44d360422c9062940b789a53a9",
    "staple-4": "20d256c7abd19d401fb82ef5461cfbe3606fa40416cfda6b2388dfd64b70cc30",
    "staple-classes-1": "be9b8fd189c123a4953b6cfb5f8ce55615dfd771211014df23cc90540ac52414",
}
"""Version of the cache -> digest of the consensus of fixed files. Add one for a new version; never change one."""

_ADVICE = (
    "the same files have another consensus, and a cache would still give the old one: raise {} in consensus/cache.py "
    "and record the digest of the new version here, if it was meant, else undo it"
)


def disc(x: int, y: int, radius: float) -> np.ndarray:
    """Boolean, on 20 rows of 24 pixels."""
    rows, columns = np.mgrid[:20, :24]
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 < radius**2)


def write_each_format(folder: Path) -> None:
    """A case of which each rater has a file of another kind, by the library of that kind; they differ a little."""
    labels = {
        rater: folder / "labels" / rater for rater in ("binary", "colours", "jpeg", "nearly", "numbers", "qupath")
    }
    labels |= {"rois": folder / "labels" / "rois"}
    for place in (folder / "images", *labels.values()):
        place.mkdir(parents=True)
    one, other = disc(6, 6, 5), disc(16, 12, 5.5)
    numbers = one * 1 + disc(15, 12, 4) * 2 + disc(20, 3, 3) * 3
    colours = np.array([[0, 0, 0], [200, 30, 30], [30, 200, 30], [40, 40, 210]], dtype=np.uint8)[numbers]
    grey = np.where(one | other, 248, 0) + np.arange(24) % 8
    (folder / "images" / "c.png").write_bytes(imagecodecs.png_encode(np.uint8(9 * numbers)))
    (labels["binary"] / "c.png").write_bytes(imagecodecs.png_encode(np.uint8(255 * (one | other))))
    (labels["colours"] / "c.png").write_bytes(imagecodecs.png_encode(colours))
    (labels["jpeg"] / "c.png").write_bytes(imagecodecs.png_encode(np.uint8(grey)))
    (labels["nearly"] / "c.png").write_bytes(imagecodecs.png_encode(np.uint8(255 * one + 90 * disc(17, 13, 3))))
    tifffile.imwrite(labels["numbers"] / "c.tif", np.uint16(numbers))
    square = {"type": "Polygon", "coordinates": [[[3.2, 2], [9, 2.7], [8.6, 9], [2, 8.1], [3.2, 2]]]}
    features = [{"type": "Feature", "geometry": square, "properties": {}}]
    (labels["qupath"] / "c.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    roifile.ImagejRoi.frompoints(np.array([[2.5, 3], [10, 2], [9, 10.5], [4, 9]])).tofile(labels["rois"] / "c.roi")


def write_classes(folder: Path, **settings: object) -> None:
    """A volume with masks of three values, in which raters differ much; one is stored along a mirrored axis."""
    rows, columns, _ = np.indices((20, 24, 2))
    values = np.stack([disc(9, 9, radius) * 1 + disc(9, 9, radius - 3) * (z + 1) for z, radius in enumerate((6, 8))], 2)
    for number, path in enumerate(["images/c.nii.gz", *(f"labels/{rater}/c.nii.gz" for rater in "abc")]):
        (folder / path).parent.mkdir(parents=True)
        array = np.roll(values, number, axis=0).astype(np.uint8)
        array[(3 * rows + 5 * columns) % 11 < number] = number
        affine = np.diag([0.5, 0.5, 2.0, 1.0])
        if number == 2:
            array, affine[0] = array[::-1], [-0.5, 0, 0, 0.5 * (len(array) - 1)]
        nibabel.save(nibabel.Nifti1Image(array, affine), folder / path)
    (folder / "dataset.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


def digest(*results: Staple | ClassConsensus) -> str:
    """Of all that is kept, to four digits; how often EM went round may depend on the processor."""
    found = hashlib.sha256()
    for result in results:
        for name, value in vars(result).items():
            if value is not None and name not in ("n_iterations", "objects"):
                array = np.round(np.asarray(value, dtype=np.float64), 4) + 0.0
                found.update(f"{name}{array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def test_the_consensus_of_fixed_files_is_that_of_its_version(tmp_path):
    write_each_format(tmp_path / "formats")
    write_classes(tmp_path / "volumes", foreground=[2])
    results = []
    for folder in ("formats", "volumes"):
        dataset = read_dataset(tmp_path / folder)
        masks = [read_case_mask(dataset, rater, "c") > 0 for rater in dataset.raters]
        assert all(mask.any() and not mask.all() for mask in masks)
        paths = [dataset.masks[rater]["c"] for rater in dataset.raters]
        results.append(cached_staple(paths, lambda masks=masks: masks, tmp_path / "cache"))
    assert digest(*results) == OF_VERSION[cache._VERSION], _ADVICE.format("_VERSION")


def test_the_consensus_of_fixed_classes_is_that_of_its_version(tmp_path):
    results = []
    for folder, classes in (
        ("exclusive", {"rim": 1, "core": 2, "top": 3}),
        ("regions", {"whole": [1, 2, 3], "core": 2}),
    ):
        write_classes(tmp_path / folder, classes=classes)
        dataset = read_dataset(tmp_path / folder)
        labels = [read_case_classes(dataset, rater, "c") for rater in dataset.raters]
        paths, values = [dataset.masks[rater]["c"] for rater in dataset.raters], list(classes.values())
        results.append(cached_class_staple(paths, lambda labels=labels: labels, values, tmp_path / "cache"))
    assert digest(*results) == OF_VERSION[cache._VERSION_OF_CLASSES], _ADVICE.format("_VERSION_OF_CLASSES")
