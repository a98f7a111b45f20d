"""Objects that are too large to be divided at once: the same parts block by block, and none that a border cuts."""

import numpy as np
import pytest
from scipy import ndimage

from segassay.masks import touching_blocks
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_objects
from segassay.masks.touching import split_touching
from segassay.masks.touching_blocks import split_objects


def sheet(shape: tuple[int, ...], seed: int = 0, distance: int = 9) -> np.ndarray:
    """Discs or balls on a shaken grid that touch their neighbours."""
    rng = np.random.default_rng(seed)
    middles = np.stack(np.meshgrid(*[np.arange(4, n, distance) for n in shape], indexing="ij"), axis=-1)
    mask = np.zeros(shape, dtype=bool)
    for middle in middles.reshape(-1, len(shape)) + rng.integers(-1, 2, (middles.size // len(shape), len(shape))):
        square = sum((place - centre) ** 2 for place, centre in zip(np.indices(shape), middle, strict=True))
        mask |= square <= (distance / 2 + 0.3) ** 2
    return mask


def by_blocks(
    mask: np.ndarray, patch: pytest.MonkeyPatch, side: int, margin: int, min_size: int = 0, window: int = 100
) -> np.ndarray:
    """Objects by blocks of this side and margin, which see at most `window` pixels if they look further."""
    with patch.context() as inside:
        inside.setattr(touching_blocks, "LARGEST_BOX", 100)
        inside.setattr(touching_blocks, "_LARGEST_WINDOW", window)
        inside.setattr(touching_blocks, "_BLOCK", {2: side, 3: side})
        inside.setattr(touching_blocks, "_MARGIN", {2: margin, 3: margin})
        labels = label_objects(mask, min_size=min_size)
        boxes = dict(enumerate(ndimage.find_objects(labels), start=1))
        assert split_objects(labels, None, boxes, 0, min_size) == -labels.min(initial=0)
        return -labels


@pytest.mark.parametrize("shape", [(110, 97), (31, 33, 35)])
@pytest.mark.parametrize("min_size", [0, 30])
def test_a_sheet_of_cells_is_divided_as_at_once(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], min_size: int
) -> None:
    mask = sheet(shape)
    assert label_objects(mask).max() < 8
    whole = split_touching(mask, min_size=min_size)
    assert whole.max() > 25
    for side, margin in ((40, 24), (64, 30)):
        found = by_blocks(mask, monkeypatch, side, margin, min_size)
        np.testing.assert_array_equal(found > 0, whole > 0)
        matches = match_objects(whole, found)  # rounded heights that are equal leave single pixels open
        assert matches.mean_iou > 0.98
        assert matches.n_a == matches.n_b == matches.tp[7], "all at IoU 0.85"
        assert_numbered(found)


def assert_numbered(labels: np.ndarray) -> None:
    numbers = np.unique(labels[labels > 0])
    np.testing.assert_array_equal(numbers, np.arange(1, len(numbers) + 1))


def test_no_part_ends_at_the_border_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long objects without necks stay whole, however many blocks they cross; nothing is lost."""
    y, x = np.mgrid[:60, :300]
    band = (np.abs(y - 30 - 9 * np.sin(x / 30)) < 6) & (x > 2) & (x < 290)
    for mask in (band, band.T, np.ones((90, 90), dtype=bool)):
        assert split_touching(mask).max() == 1
        found = by_blocks(mask, monkeypatch, 32, 16)
        np.testing.assert_array_equal(found, mask.astype(int))


@pytest.mark.parametrize(("shape", "distance"), [((110, 215), 70), ((110, 120), 36), ((20, 21, 19), 10)])
def test_objects_larger_than_what_a_block_sees_are_divided_as_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, shape: tuple[int, ...], distance: int
) -> None:
    """A block that sees a part of an object alone looks further, until it sees all of it."""
    mask = sheet(shape, distance=distance)
    whole = split_touching(mask)
    assert label_objects(mask).max() < whole.max()
    found = by_blocks(mask, monkeypatch, distance // 2, distance // 4, window=mask.size)
    np.testing.assert_array_equal(found > 0, mask)
    matches = match_objects(whole, found)
    assert matches.n_a == matches.n_b == matches.tp[7], "all at IoU 0.85"
    assert not caplog.records


def test_a_block_deep_in_one_object_does_not_look_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask of nearly everything is no reason to divide every block three times."""
    monkeypatch.setattr(touching_blocks, "LARGEST_BOX", 100)
    monkeypatch.setattr(touching_blocks, "_BLOCK", {2: 20})
    monkeypatch.setattr(touching_blocks, "_MARGIN", {2: 10})
    seen = []

    def by(own: np.ndarray, *rest: object) -> np.ndarray:
        seen.append(own.size)
        return own.astype(np.int32)

    labels = np.ones((200, 200), dtype=np.int32)
    assert split_objects(labels, None, {1: np.s_[0:200, 0:200]}, 0, by=by) == 1
    assert (labels == -1).all()
    assert len(seen) == 100
    labels = np.ones((200, 200), dtype=np.int32)
    labels[::40, ::40] = 0
    assert split_objects(labels, None, {1: np.s_[0:200, 0:200]}, 0, by=by) == 1
    assert len(seen) > 200


def test_objects_larger_than_what_fits_into_the_memory_are_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mask = sheet((110, 215), distance=70)
    found = by_blocks(mask, monkeypatch, 32, 8, window=64 * 64)
    np.testing.assert_array_equal(found > 0, mask)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * int(label_objects(mask).max())
    assert "has parts too large to be seen as a whole" in caplog.text


@pytest.mark.parametrize("seed", range(4))
def test_where_blocks_disagree_nothing_is_lost_and_each_part_is_connected(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Noise has no outline that a margin could hold."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(120, 130)), 3) > -0.02
    found = by_blocks(noise, monkeypatch, 32, 8)
    np.testing.assert_array_equal(found > 0, noise)
    assert_numbered(found)
    assert found.max() >= label_objects(noise).max()
    again = by_blocks(noise, monkeypatch, 32, 8)
    np.testing.assert_array_equal(found, again)
