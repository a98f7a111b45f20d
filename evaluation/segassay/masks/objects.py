"""Objects of a mask: which pixels count, and which of them belong together.

    mask (*spatial) bool or label image  ->  labels (*spatial) int32, 0 = background, objects 1..n

The order of the steps is fixed: remove pixels that are ignored or outside the region, find the objects, drop the small
ones. A nucleus that an ignored area cuts in two is two objects; each is compared with the minimum size.

An exported bundle can carry this module unchanged: it imports numpy and scipy only.
"""

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
    if min_size < 0:
        raise ValueError(f"min_size must be 0 or more pixels, got {min_size}")
    kept = counted_pixels(mask, ignore=ignore, region=region)
    labels = _components(kept) if mask.dtype == bool else _renumber(mask, kept)
    if min_size > 1:
        _drop_small(labels, kept, min_size)
    return labels


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


def _area(name: str, area: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if area.dtype != bool:
        raise TypeError(f"{name} must be boolean, got {area.dtype}; apply a threshold first")
    if area.shape != shape:
        raise ValueError(f"{name} must have the shape of the mask {shape}, got {area.shape}")
    return area


def _components(mask: np.ndarray) -> np.ndarray:
    """Connected components, numbered in the order of their first pixel; most images are large and nearly empty."""
    if mask.ndim > 1 and mask.size >= _LARGE and 16 * np.count_nonzero(mask) <= mask.size:
        lines, width = mask.shape[:-1], mask.shape[-1] + 1  # with a pixel of background before each line
        framed = np.zeros(mask.size + mask.size // mask.shape[-1] + 1, dtype=bool)
        framed[:-1].reshape(*lines, width)[..., 1:] = mask
        changes = np.flatnonzero(framed[1:] != framed[:-1]) + 1
        if 0 < len(changes) * _FEW <= 2 * mask.size:
            return _joined(changes[::2], changes[1::2], lines, width)
    return np.asarray(ndimage.label(mask, structure=np.ones((3,) * mask.ndim, dtype=bool))[0])


def _joined(starts: np.ndarray, ends: np.ndarray, lines: tuple[int, ...], width: int) -> np.ndarray:
    """Components of runs of pixels `(n,)`, from `starts` to before `ends` in lines of this width, the first one blank.

    Runs belong together if they touch, at a corner too, in lines that are neighbours.
    """
    line = starts // width
    wide = [length + 1 for length in lines]  # no line is the neighbour of one at the other end of an axis
    moved = (np.ravel_multi_index(np.unravel_index(line, lines), wide) - line) * width
    first, last = starts + moved, ends + moved
    steps = np.cumprod([1, *wide[:0:-1]])[::-1] * width
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
    found, first_run = np.unique(component, return_index=True)
    number = np.empty(len(found), dtype=np.int32)
    number[np.argsort(first_run)] = np.arange(1, len(found) + 1)
    lengths = ends - starts
    labels = np.zeros((*lines, width - 1), dtype=np.int32)
    places = np.arange(int(lengths.sum())) + np.repeat(starts - line - 1 - np.cumsum(lengths) + lengths, lengths)
    labels.reshape(-1)[places] = np.repeat(number[component], lengths)
    return labels


def _renumber(label_image: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Labels 1..n, in the order of the values that `label_image` has at the kept pixels."""
    labels = np.zeros(label_image.shape, dtype=np.int32)
    _, rank = np.unique(label_image[kept], return_inverse=True)
    labels[kept] = rank + 1
    return labels


def _drop_small(labels: np.ndarray, marked: np.ndarray, min_size: int) -> None:
    """Drop objects with fewer pixels, and number the others again, in place; `marked` are the pixels of all."""
    places = np.flatnonzero(marked)  # a small part of most images
    flat = labels.reshape(-1)
    numbers = flat[places]
    large = np.bincount(numbers, minlength=1) >= min_size
    large[0] = False
    flat[places] = np.where(large, np.cumsum(large), 0)[numbers]
