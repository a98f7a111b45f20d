"""Objects of a mask that is seen strip by strip, from the top, because it is too large to be held as a whole.

strips (height, ...) bool -> StripLabels.add -> provisional numbers -> StripLabels.finish -> final numbers 1..n
"""

from itertools import product

import numpy as np
from scipy import ndimage

__all__ = ["StripLabels"]


class StripLabels:
    """Numbers the objects of a mask as `label_objects` does, without ever holding it: of strips of rows, or of planes.

    Objects that reach over the border of strips get several provisional numbers, of which the smallest counts.

    Example:
        >>> strips = [np.array([[True, False, True]]), np.array([[True, True, True]])]
        >>> labels = StripLabels()
        >>> parts = [labels.add(strip) for strip in strips]
        >>> final = labels.finish()
        >>> [final[part].tolist() for part in parts]
        [[[1, 0, 1]], [[1, 1, 1]]]
    """

    def __init__(self) -> None:
        self._sizes: list[np.ndarray] = [np.zeros(1, dtype=np.int64)]
        self._pairs: list[np.ndarray] = []
        self._n = 0
        self._last: np.ndarray | None = None

    def add(self, strip: np.ndarray) -> np.ndarray:
        """Provisional numbers of the next strip, int32 of its shape; 0 for background.

        Args:
            strip: Boolean `(height, columns)`, directly below the one before; of a volume `(planes, rows, columns)`.

        Raises:
            OverflowError: If there are more than 2³¹ provisional objects.
        """
        labels, n = ndimage.label(strip, structure=np.ones((3,) * strip.ndim, dtype=bool))
        if self._n + n > np.iinfo(np.int32).max:
            raise OverflowError("too many objects")
        self._sizes.append(np.bincount(labels.ravel(), minlength=n + 1)[1:])
        labels = np.where(labels > 0, labels + self._n, 0).astype(np.int32)
        if self._last is not None:
            self._join(self._last, labels[0])
        self._n += n
        self._last = labels[-1].copy()
        return labels

    def _join(self, above: np.ndarray, below: np.ndarray) -> None:
        """Note which numbers touch, at corners too."""
        padded = np.pad(above, 1)
        for shifts in product(range(3), repeat=below.ndim):
            other = padded[tuple(slice(shift, shift + n) for shift, n in zip(shifts, below.shape, strict=True))]
            touching = (other > 0) & (below > 0)
            if touching.any():
                self._pairs.append(np.unique(np.stack([other[touching], below[touching]], axis=1), axis=0))

    def finish(self, min_size: int = 0) -> np.ndarray:
        """Final number of each provisional one, int32; 0 for background and for objects below `min_size` pixels."""
        root = np.arange(self._n + 1)
        for first, second in np.concatenate(self._pairs).tolist() if self._pairs else ():
            low, high = sorted((_find(root, first), _find(root, second)))
            root[high] = low
        roots = np.array([_find(root, number) for number in range(self._n + 1)], dtype=np.int64)
        sizes = np.bincount(roots, np.concatenate(self._sizes), minlength=self._n + 1)
        kept = sizes >= max(min_size, 1)
        kept[0] = False
        return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[roots]


def _find(root: np.ndarray, number: int) -> int:
    """Smallest number of an object, with shorter ways for the next search."""
    while root[number] != number:
        root[number] = root[root[number]]
        number = int(root[number])
    return number
