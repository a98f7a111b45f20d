"""The cache of consensus masks: never another result, and never in the way."""

from pathlib import Path

import numpy as np
import pytest

from drawing import draw
from label_scenes import draw_labels
from segassay.consensus import cache
from segassay.consensus.cache import cached_class_staple, cached_staple
from segassay.consensus.classes import ClassConsensus, fuse_classes
from segassay.consensus.pixels import Staple, staple
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
