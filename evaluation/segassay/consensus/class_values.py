"""Classes as a consensus needs them: their values, the decisions of raters about them, and what a consensus holds.

labels of R raters (*spatial) int, values of K classes  ->  Decisions: patterns (P, R) of numbers of decisions
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from segassay.consensus.objects import ObjectConsensus
from segassay.consensus.patterns import CHUNK, Decisions, count_patterns

__all__ = ["ClassConsensus", "Values", "are_exclusive", "count_class_decisions", "membership", "values_of"]

Values = Sequence[int | Sequence[int]]
"""Value of each class, or its several values."""


@dataclass(frozen=True, eq=False)
class ClassConsensus:
    """Consensus of several raters about K classes.

    Attributes:
        prob: float32 `(K + 1, *spatial)`, background first. Of exclusive classes they add up to 1 at every pixel,
            except for the method `object`. Of regions, a pixel belongs to region k where `prob[k + 1] > 0.5`.
        labels: int32 `(*spatial)`, the value of the class (its first one, if it has several); 0 for background.
        sensitivity: float64 `(R, K)`, share of each class that each rater gave the same class; NaN if there is none.
        specificity: float64 `(R, K)`, share of all else that each rater did not give the class; NaN if there is none.
        confusion: float64 `(R, K + 1, K + 1)`, P(rater's decision | class of the consensus): `confusion[r, truth]`
            adds up to 1, and is NaN for a class of which the consensus has nothing; None for regions.
        n_iterations: Steps that STAPLE took, the largest number of all regions; 0 where nothing had to be estimated,
            None for other methods.
        converged: Whether STAPLE's last step moved no estimate by more than 1e-7; None for other methods.
        log_likelihood: Natural logarithm, of all decisions under STAPLE's estimates; None for regions, and for other
            methods.
        objects: For the method `object`, the consensus of the objects of each class before overlaps are resolved.
    """

    prob: np.ndarray
    labels: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray
    confusion: np.ndarray | None
    n_iterations: int | None = None
    converged: bool | None = None
    log_likelihood: float | None = None
    objects: tuple[ObjectConsensus, ...] = ()


def values_of(values: Values) -> list[tuple[int, ...]]:
    """All values of each class, in the order of the classes.

    Raises:
        ValueError: If there is no class, a class without a value, or a value below 1.
    """
    of_each = [(int(value),) if isinstance(value, int | np.integer) else tuple(map(int, value)) for value in values]
    if not of_each or any(not of_class or min(of_class) < 1 for of_class in of_each):
        raise ValueError(f"expected at least one class, each with values above 0, got {list(values)}")
    return of_each


def are_exclusive(values: Values) -> bool:
    """Whether no value belongs to two classes.

    Example:
        >>> are_exclusive([1, [2, 3]]), are_exclusive([[1, 2], 2])
        (True, False)
    """
    every = [value for of_class in values_of(values) for value in of_class]
    return len(every) == len(set(every))


def membership(values: Values) -> np.ndarray:
    """Which decision belongs to which class, bool `(D, K)`.

    Decisions are numbered as in `count_class_decisions`: 0 is background; then each class, in order, if classes are
    exclusive, and each value, in ascending order, if they are regions.

    Example:
        >>> membership([2, 5]).astype(int).tolist(), membership([[1, 2], 2]).astype(int).tolist()
        ([[0, 0], [1, 0], [0, 1]], [[0, 0], [1, 0], [1, 1]])
    """
    of_each = values_of(values)
    if are_exclusive(values):
        return np.eye(len(of_each) + 1, dtype=bool)[:, 1:]
    every = [0, *sorted({value for of_class in of_each for value in of_class})]
    return np.stack([np.isin(every, of_class) for of_class in of_each], axis=1)


def count_class_decisions(labels: Iterable[np.ndarray], values: Values) -> Decisions:
    """Count how often each pattern of decisions occurs; arguments as of `fuse_classes`.

    Returns:
        Patterns `(P, R)` of numbers, which `membership` explains. `without_rater` takes them.

    Example:
        >>> found = count_class_decisions(np.array([[2, 2, 0], [2, 5, 0]]), [2, 5])
        >>> found.patterns.tolist(), found.counts.tolist()
        ([[0, 0], [1, 1], [1, 2]], [1, 1, 1])
    """
    of_each = values_of(values)
    if are_exclusive(values):
        number_of_value = {value: number for number, of_class in enumerate(of_each, start=1) for value in of_class}
    else:
        every = sorted({value for of_class in of_each for value in of_class})
        number_of_value = {value: number for number, value in enumerate(every, start=1)}
    n_decisions = max(number_of_value.values()) + 1
    return count_patterns(_numbers(labels, number_of_value), max(n_decisions, 3))  # 2 would give booleans


def _numbers(labels: Iterable[np.ndarray], number_of_value: dict[int, int]) -> Iterator[np.ndarray]:
    """The number of the class of each pixel, one rater after the other; few bytes per pixel."""
    known = np.array([0, *sorted(number_of_value)])
    numbers = np.array([0, *(number_of_value[value] for value in sorted(number_of_value))])
    numbers = numbers.astype(np.min_scalar_type(int(numbers.max())))
    shape = None
    for one in labels:
        one = np.asarray(one)
        if one.dtype.kind not in "iu":
            raise TypeError(f"labels must be whole numbers, got {one.dtype}; a boolean mask has only one class")
        if one.ndim == 0 or one.size == 0:
            raise ValueError(f"labels must be (*spatial) with at least one pixel, got {one.shape}")
        shape = one.shape if shape is None else shape
        if one.shape != shape:
            raise ValueError(f"labels must be of one shape, got {one.shape} after {shape}")
        yield _looked_up(one, known, numbers)


def _looked_up(labels: np.ndarray, known: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The number of each value, in chunks; `known` is sorted."""
    found = np.empty(labels.shape, dtype=numbers.dtype)
    flat_found, flat = found.reshape(-1), labels.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        chunk = flat[start : start + CHUNK]
        place = np.minimum(np.searchsorted(known, chunk), len(known) - 1)
        if (strange := known[place] != chunk).any():
            raise ValueError(f"a pixel has the value {chunk[strange][0]}; expected {', '.join(map(str, known))}")
        flat_found[start : start + CHUNK] = numbers[place]
    return found
