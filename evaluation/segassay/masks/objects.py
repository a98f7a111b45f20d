"""Objects of a mask: which pixels count, and which of them belong together.

    mask (*spatial) bool or label image  ->  labels (*spatial) int32, 0 = background, objects 1..n

The order of the steps is fixed: remove pixels that are ignored or outside the region, find the objects, drop the small
ones. A nucleus that an ignored area cuts in two is two objects; each is compared with the minimum size.

An exported bundle can carry this module unchanged: it imports numpy and scipy only.
"""

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_LARGE = 2**17  # pixels from which runs may be faster than scipy, which looks at every pixel
_FEW = 64  # pixels for each run, at least


def label_objects(
    mask: np.ndarray, *, min_size: int = 0, ignore: np.ndarray | None = None, region: np.ndarray | None = None
) -> np.ndarray:
    """Number the objects of a mask 1..n without gaps.

    The dtype says what the mask is. In a boolean mask an object is a connected component, pixels that touch at a corner
    included (8 neighbours in 2-D, 26 in 3-D). In an integer label image every positive value is one object, so that
    touching objects stay apart; threshold a 0/255 image first (`image > 127`), else it is one object.

    Args:
        mask: Boolean mask or integer label image of shape `(*spatial)`.
        min_size: Objects with fewer pixels (voxels) than this are dropped.
        ignore: Boolean `(*spatial)`; pixels marked here count as background.
        region: Boolean `(*spatial)`; pixels not marked here count as background.

    Returns:
        int32 array of shape `(*spatial)`; all 0 if there is no object.

    Raises:
        TypeError: If `mask` is neither boolean nor integer, or `ignore` or `region` is not boolean.
        ValueError: If shapes differ, a label is negative, or `min_size` is.

    Example:
        >>> mask = np.array([[1, 1, 0, 0, 1], [0, 0, 1, 0, 0]], dtype=bool)
        >>> label_objects(mask)
        array([[1, 1, 0, 0, 2],
               [0, 0, 1, 0, 0]], dtype=int32)
        >>> label_objects(mask, min_size=3).max()
        np.int32(1)
    """
    return label_each([mask], min_size=min_size, ignore=ignore, region=region)[0]


def label_each(
    masks: Sequence[np.ndarray],
    *,
    min_size: int = 0,
    ignore: np.ndarray | None = None,
    region: np.ndarray | None = None,
) -> list[np.ndarray]:
    """`label_objects` of each of several masks of one shape, in less time.

    Example:
        >>> [labels.tolist() for labels in label_each([np.array([True, False, True]), np.array([0, 7, 7])])]
        [[1, 0, 2], [0, 1, 1]]
    """
    if min_size < 0:
        raise ValueError(f"min_size must be 0 or more pixels, got {min_size}")
    drawn = [counted_pixels(mask, ignore=ignore, region=region) for mask in masks]
    binary = [kept for mask, kept in zip(masks, drawn, strict=True) if mask.dtype == bool]
    found = iter(_components(binary, min_size) if binary else ())
    return [
        next(found) if mask.dtype == bool else _drop_small(_renumber(mask, kept), kept, min_size)
        for mask, kept in zip(masks, drawn, strict=True)
    ]


def number_of_objects(
    mask: np.ndarray, *, min_size: int = 0, ignore: np.ndarray | None = None, region: np.ndarray | None = None
) -> int:
    """Number of objects that `label_objects` finds, in less time.

    Example:
        >>> number_of_objects(np.array([[1, 1, 0, 0, 1], [0, 0, 1, 0, 0]], dtype=bool), min_size=2)
        1
    """
    runs = _runs(counted_pixels(mask, ignore=ignore, region=region)) if mask.dtype == bool else None
    if runs is None:
        return int(label_objects(mask, min_size=min_size, ignore=ignore, region=region).max(initial=0))
    return int(_numbered([runs], mask.shape, min_size)[2].max())


def counted_pixels(
    mask: np.ndarray, *, ignore: np.ndarray | None = None, region: np.ndarray | None = None
) -> np.ndarray:
    """Foreground that counts: inside the region and outside the ignored area.

    Args:
        mask: Boolean mask or integer label image (foreground > 0) of shape `(*spatial)`.
        ignore: Boolean `(*spatial)`; pixels marked here count as background.
        region: Boolean `(*spatial)`; pixels not marked here count as background.

    Returns:
        Boolean array of shape `(*spatial)`.

    Raises:
        TypeError: If `mask` is neither boolean nor integer, or `ignore` or `region` is not boolean.
        ValueError: If shapes differ or a label is negative.

    Example:
        >>> counted_pixels(np.array([0, 7, 7, 9]), ignore=np.array([False, True, False, False]))
        array([False, False,  True,  True])
    """
    if mask.dtype == bool:
        kept = mask
    elif np.issubdtype(mask.dtype, np.integer):
        if mask.size and mask.min() < 0:
            raise ValueError(f"labels must be 0 (background) or positive, got {mask.min()}")
        kept = mask > 0
    else:
        raise TypeError(f"a mask must be boolean or an integer label image, got {mask.dtype}; apply a threshold first")
    if ignore is not None:
        kept = kept & ~_area("ignore", ignore, mask.shape)
    if region is not None:
        kept = kept & _area("region", region, mask.shape)
    return kept


def any_of(masks: Iterable[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Pixels that any of several boolean masks of a shape marks; none without masks.

    Example:
        >>> any_of([np.array([True, False, False]), np.array([False, False, True])], (3,)).tolist()
        [True, False, True]
    """
    anything = np.zeros(shape, dtype=bool)
    for mask in masks:
        anything |= mask
    return anything


def _area(name: str, area: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if area.dtype != bool:
        raise TypeError(f"{name} must be boolean, got {area.dtype}; apply a threshold first")
    if area.shape != shape:
        raise ValueError(f"{name} must have the shape of the mask {shape}, got {area.shape}")
    return area


def _components(masks: Sequence[np.ndarray], min_size: int) -> list[np.ndarray]:
    """Connected components of each mask, numbered in the order of their first pixel; all masks have one shape."""
    found = [_runs(mask) for mask in masks]
    runs = [of_mask for of_mask in found if of_mask is not None]
    joined = iter(_joined(runs, masks[0].shape, min_size) if runs else ())
    structure = np.ones((3,) * masks[0].ndim, dtype=bool)
    return [
        next(joined)
        if of_mask is not None
        else _drop_small(np.asarray(ndimage.label(mask, structure=structure)[0]), mask, min_size)
        for mask, of_mask in zip(masks, found, strict=True)
    ]


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """First place of each run of pixels, and that behind its last, in lines with a pixel of background before each.

    Most images are large and nearly empty; of small images, or with many runs or none, None.
    """
    if mask.ndim < 2 or mask.size < _LARGE or 16 * np.count_nonzero(mask) > mask.size:
        return None
    *lines, width = mask.shape
    framed = np.zeros(mask.size + mask.size // width + 1, dtype=bool)
    framed[:-1].reshape(*lines, width + 1)[..., 1:] = mask
    changes = np.flatnonzero(framed[1:] != framed[:-1]) + 1
    return (changes[::2], changes[1::2]) if 0 < len(changes) * _FEW <= 2 * mask.size else None


def _joined(runs: Sequence[tuple[np.ndarray, np.ndarray]], shape: tuple[int, ...], min_size: int) -> list[np.ndarray]:
    """Components of the runs of each mask, as `_runs` gives them."""
    starts, lengths, number = _numbered(runs, shape, min_size)
    places = np.arange(int(lengths.sum())) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    numbers = np.repeat(number, lengths)
    labels, start = [], 0
    for n_pixels in np.add.reduceat(lengths, np.cumsum([0, *(len(of_mask) for of_mask, _ in runs[:-1])])):
        own = np.zeros(shape, dtype=np.int32)
        own.reshape(-1)[places[start : start + n_pixels]] = numbers[start : start + n_pixels]
        labels.append(own)
        start += n_pixels
    return labels


def _numbered(
    runs: Sequence[tuple[np.ndarray, np.ndarray]], shape: tuple[int, ...], min_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First pixel, length, and number of the component of all runs, mask after mask; 0 where it is small.

    Runs belong together if they touch, at a corner too, in lines that are neighbours. All masks are one graph, in which
    those of different masks do not meet: to make a graph takes longer than to join the runs.
    """
    lines, width = shape[:-1], shape[-1] + 1
    n_runs = [len(starts) for starts, _ in runs]
    starts, ends = (np.concatenate(of_masks) for of_masks in zip(*runs, strict=True))
    line = starts // width
    wide = [length + 1 for length in lines]  # no line is the neighbour of one at the other end of an axis
    moved = (np.ravel_multi_index(np.unravel_index(line, lines), wide) - line) * width
    steps = np.cumprod([1, *wide[:0:-1]])[::-1] * width
    room = 2 * (wide[0] + 1) * int(steps[0])  # between one mask and the next
    moved += np.repeat(np.arange(len(runs)) * room, n_runs)
    first, last = starts + moved, ends + moved
    pairs = []
    for side in product((-1, 0, 1), repeat=len(lines)):
        if side < (0,) * len(lines):  # the others are those of the neighbour
            by = int(np.dot(side, steps))
            low = np.searchsorted(last, first + by)
            n_touching = np.searchsorted(first, last + by, side="right") - low
            one = np.repeat(np.arange(len(starts)), n_touching)
            other = np.arange(len(one)) + np.repeat(low - np.cumsum(n_touching) + n_touching, n_touching)
            pairs.append((one, other))
    ones, others = (np.concatenate(column) for column in zip(*pairs, strict=True))
    graph = coo_array((np.ones(len(ones), dtype=bool), (ones, others)), shape=(len(starts),) * 2)
    component = connected_components(graph, directed=False)[1]
    lengths = ends - starts
    of_mask = np.repeat(np.arange(len(runs)), n_runs)
    order = np.unique(component, return_index=True)[1]  # the first run of each component
    large = np.bincount(component, lengths) >= min_size
    by_place = np.argsort(order)
    n_before = np.cumsum(large[by_place])  # and itself
    n_of_masks = np.bincount(of_mask[order], large, minlength=len(runs)).astype(np.int32)
    number = np.zeros(len(order), dtype=np.int32)
    number[by_place] = np.where(large[by_place], n_before, 0)
    others = np.cumsum(n_of_masks, dtype=np.int32) - n_of_masks  # components of the masks before
    found = number[component]
    return starts - line - 1, lengths, np.where(found > 0, found - others[of_mask], 0)


def _renumber(label_image: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Labels 1..n, in the order of the values that `label_image` has at the kept pixels."""
    labels = np.zeros(label_image.shape, dtype=np.int32)
    _, rank = np.unique(label_image[kept], return_inverse=True)
    labels[kept] = rank + 1
    return labels


def _drop_small(labels: np.ndarray, marked: np.ndarray, min_size: int) -> np.ndarray:
    """Drop objects with fewer pixels, and number the others again, in place; `marked` are the pixels of all."""
    if min_size < 2:
        return labels
    places = np.flatnonzero(marked)  # a small part of most images
    flat = labels.reshape(-1)
    numbers = flat[places]
    large = np.bincount(numbers, minlength=1) >= min_size
    large[0] = False
    flat[places] = np.where(large, np.cumsum(large), 0)[numbers]
    return labels
