"""Count how often each pattern of decisions occurs in an image: the table that every consensus by pixels uses.

R layers (*spatial) of whole numbers below n_values  ->  Decisions: patterns (K, R), counts (K,), code (*spatial)
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["Decisions", "count_patterns", "counts_inside", "look_up", "rates_against", "tally", "without_rater"]

CHUNK = 1 << 16  # pixels at a time: temporary arrays stay in the processor's cache, and small compared with a volume
MAX_NUMBERS = 1 << 16  # above this, numbers that do not occur are dropped


@dataclass(frozen=True, eq=False)
class Decisions:
    """Decisions of several raters at each pixel of an image, as few patterns that occur often.

    Attributes:
        patterns: `(K, R)`, the patterns that occur: what each rater decided; bool, or the number of a class.
        counts: int64 `(K,)`, pixels that have each pattern.
        code: Whole numbers `(*spatial)`, the index of each pixel's pattern.
    """

    patterns: np.ndarray
    counts: np.ndarray
    code: np.ndarray


def count_patterns(layers: Iterable[np.ndarray], n_values: int = 2) -> Decisions:
    """Count the patterns of layers of one shape; each layer is used once and released.

    Args:
        layers: One per rater, `(*spatial)`: bool, or whole numbers of few bytes from 0 to `n_values` - 1.
        n_values: Decisions that a rater can make at a pixel; 2 gives boolean patterns.

    Returns:
        The patterns that occur, in the order of their last rater's decision, then of the one before.

    Raises:
        ValueError: If there is no layer.
    """
    patterns, code, n_numbers = np.zeros((1, 0), dtype=_type_of(n_values)), None, 1
    for layer in layers:
        code = np.zeros(layer.shape, dtype=np.uint8) if code is None else code
        if n_values * n_numbers > MAX_NUMBERS:
            patterns, _, code = _renumber(patterns, code, n_numbers, n_values)
            n_numbers = len(patterns)
        code = _append(code, layer, n_numbers, n_values)
        n_numbers *= n_values
    if code is None:
        raise ValueError("masks must be of at least one rater, got none")
    return Decisions(*_renumber(patterns, code, n_numbers, n_values))


def _type_of(n_values: int) -> np.dtype:
    return np.dtype(bool) if n_values == 2 else np.min_scalar_type(n_values - 1)


def without_rater(decisions: Decisions, rater: int) -> Decisions:
    """Decisions of all raters but one: its column is dropped, and patterns that became equal are merged.

    Args:
        decisions: Of at least 2 raters.
        rater: Index of the rater to leave out.

    Returns:
        What `count_patterns` gives for the layers of the others, without another pass over them.

    Raises:
        ValueError: If no rater would remain.
        IndexError: If there is no such rater.

    Example:
        >>> masks = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool)
        >>> without_rater(count_patterns(masks), 2).patterns.astype(int).tolist()
        [[0, 0, 0], [1, 0, 1], [1, 1, 1]]
    """
    if decisions.patterns.shape[1] < 2:
        raise ValueError("a consensus without one rater needs at least one other rater, got a single rater")
    kept = np.delete(decisions.patterns, rater, axis=1)
    merged, index = np.unique(kept[:, ::-1], axis=0, return_inverse=True)  # reversed: the order of count_patterns
    index = index.reshape(-1)
    counts = np.bincount(index, weights=decisions.counts).astype(np.int64)
    return Decisions(merged[:, ::-1], counts, look_up(index.astype(decisions.code.dtype), decisions.code))


def counts_inside(decisions: Decisions, mask: np.ndarray) -> np.ndarray:
    """Pixels of each pattern `(K,)` that lie inside a mask `(*spatial)`."""
    return np.bincount(decisions.code[mask], minlength=len(decisions.counts))


def rates_against(decisions: Decisions, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity and specificity `(R,)` of boolean decisions against a mask `(*spatial)`; NaN where undefined."""
    marked = counts_inside(decisions, mask)
    left = decisions.counts - marked
    with np.errstate(invalid="ignore"):
        return marked @ decisions.patterns / marked.sum(), left @ ~decisions.patterns / left.sum()


def _append(code: np.ndarray, layer: np.ndarray, n_numbers: int, n_values: int) -> np.ndarray:
    """Numbers below `n_values * n_numbers`: the code, plus `n_numbers` times the layer; in place where they fit."""
    code = code.astype(np.promote_types(code.dtype, np.min_scalar_type(n_values * n_numbers - 1)), copy=False)
    flat_code, flat_layer = code.reshape(-1), layer.reshape(-1)
    for start in range(0, flat_code.size, CHUNK):
        chunk = slice(start, start + CHUNK)
        flat_code[chunk] += flat_layer[chunk] * code.dtype.type(n_numbers)
    return code


def _renumber(
    patterns: np.ndarray, code: np.ndarray, n_numbers: int, n_values: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drop numbers that do not occur.

    Args:
        patterns: `(K, R)`, what the first R raters decided.
        code: `(*spatial)`, below `n_numbers`: an index into `patterns`, plus K times the decisions of the raters after
            them, a digit each.
        n_numbers: K times a power of `n_values`.
        n_values: Decisions that a rater can make.

    Returns:
        Patterns of all raters, `(K', R')`; pixels of each, `(K',)`; and each pixel's index into them, `(*spatial)`.
    """
    counts = tally(code, n_numbers)
    present = np.flatnonzero(counts)
    later, known = np.divmod(present, len(patterns))
    digits = []
    for _ in range(_n_digits(n_numbers // len(patterns), n_values)):
        later, digit = np.divmod(later, n_values)
        digits.append(digit.astype(patterns.dtype)[:, None])
    patterns = np.hstack([patterns[known], *digits])
    if present.size == n_numbers:
        return patterns, counts, code
    index = np.zeros(n_numbers, dtype=np.min_scalar_type(present.size - 1))
    index[present] = np.arange(present.size)
    return patterns, counts[present], look_up(index, code)


def _n_digits(power: int, base: int) -> int:
    n = 0
    while power > 1:
        power, n = power // base, n + 1
    return n


def tally(code: np.ndarray, n_numbers: int) -> np.ndarray:
    """How often each number below `n_numbers` occurs, int64 `(n_numbers,)`.

    As `np.bincount`, which first copies all numbers to eight bytes each; here a chunk at a time.

    Example:
        >>> tally(np.array([[0, 2], [2, 2]], dtype=np.uint8), 4).tolist()
        [1, 0, 3, 0]
    """
    counts = np.zeros(n_numbers, dtype=np.int64)
    flat = code.reshape(-1)
    chunk = max(CHUNK, n_numbers)
    for start in range(0, flat.size, chunk):
        counts += np.bincount(flat[start : start + chunk], minlength=n_numbers)
    return counts


def look_up(table: np.ndarray, code: np.ndarray) -> np.ndarray:
    """`table[code]`, in chunks."""
    values = np.empty(code.shape, dtype=table.dtype)
    flat_values, flat_code = values.reshape(-1), code.reshape(-1)
    for start in range(0, flat_code.size, CHUNK):
        chunk = slice(start, start + CHUNK)
        np.take(table, flat_code[chunk], out=flat_values[chunk], mode="clip")  # no number is too large; no buffer
    return values
