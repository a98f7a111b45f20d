"""Variance components by REML and ANOVA: the variance of scores due to the case, the rater and the seed.

    scores (N, R)                            ->  case, rater, residual
    values (n,) with case, seed, rater (n,)  ->  case, rater, seed, their three pairs, residual

All effects are random. If each case has a value of every rater and seed, the restricted likelihood depends only on the
mean squares; it is then maximised for whole bootstraps at once. If no component is negative, REML and ANOVA are equal;
else REML sets some components to 0 and changes the others.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import scipy
from scipy import linalg, sparse

from segassay.statistics.groups import mixed_model

__all__ = [
    "MeanSquares",
    "crossed_components",
    "crossed_mean_squares",
    "one_way_components",
    "three_way_components",
    "two_way_components",
]

TERMS = ("case", "rater", "seed", "case:rater", "case:seed", "rater:seed", "residual")
MAX_STEPS = 200
TOLERANCE = 1e-10
_MOST = 1e6  # independent cases; where the means of all subjects are equal there would be infinitely many

# minus twice the restricted log-likelihood, expected information (T, T) and score (T,), both without the factor 1/2
_Likelihood = tuple[float, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class MeanSquares:
    """Analysis of variance of a crossed design with one value in each cell, for each row of weights.

    Attributes:
        terms: The factors of each mean square: 0 is the case, 1 the first facet; the last is the residual.
        value: float64 `(B, T)`; NaN where a factor has one level only.
        df: float64 `(B, T)`.
        coefficient: float64 `(B, T, T)`; the expected mean squares are `coefficient @ components`.
    """

    terms: tuple[tuple[int, ...], ...]
    value: np.ndarray
    df: np.ndarray
    coefficient: np.ndarray


def crossed_mean_squares(weights: np.ndarray, values: np.ndarray, clusters: np.ndarray | None = None) -> MeanSquares:
    """Mean squares of a design in which every case has a value at every level of every facet.

    Args:
        weights: `(B, N)`, how often each case was drawn; a case drawn twice counts as two.
        values: `(N, *facets)`, finite; such as `(N, R)` for raters or `(N, R, S)` for raters and seeds.
        clusters: `(N,)`, subject of each case; its cases have one weight. Without it every case is a subject.

    Returns:
        The mean squares of each row of weights. With several cases of a subject they are those of as many independent
        cases as would give means over cases the variance that they have over subjects; so the components do not
        change if every case is there twice.

    Example:
        Six targets, four judges (Shrout & Fleiss 1979): between targets, between judges, residual.

        >>> scores = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
        >>> crossed_mean_squares(np.ones((1, 6)), scores).value.round(2)
        array([[11.24, 32.49,  1.02]])

    References:
        Brennan (2001), Generalizability Theory, ch. 3, doi:10.1007/978-1-4757-3456-0.
    """
    weights, values = np.asarray(weights, dtype=float), np.asarray(values, dtype=float)
    rounding = 1e-24 * float(np.abs(values).max(initial=0)) ** 2 * values.size
    values = values - values.mean() if values.size else values
    n, n_facets = weights.sum(axis=1), values.ndim - 1
    grouped = None if clusters is None else _subjects(np.asarray(clusters))
    facets = [subset for size in range(n_facets + 1) for subset in combinations(range(1, n_facets + 1), size)]
    squares: dict[tuple[int, ...], np.ndarray] = {}
    df: dict[tuple[int, ...], np.ndarray] = {}
    independent: dict[tuple[int, ...], np.ndarray] = {}
    for subset in facets:
        effect = _effect(values, subset)
        copies = math.prod(values.shape[axis] for axis in range(1, values.ndim) if axis not in subset)
        total = copies * (weights @ (effect**2).sum(axis=1))
        with np.errstate(invalid="ignore", divide="ignore"):
            alone = n * copies * ((weights @ effect / n[:, None]) ** 2).sum(axis=1)
        with_case = np.where(total - alone > 1e-12 * total + rounding, total - alone, 0.0)
        degrees = math.prod(values.shape[axis] - 1 for axis in subset)
        independent[subset] = n if grouped is None else _independent(weights, effect, copies, with_case, grouped)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = independent[subset] / n
        squares[subset] = np.where(alone > rounding, alone, 0 * alone) * share
        squares[(0, *subset)] = with_case * share
        df[subset], df[(0, *subset)] = np.full(len(n), float(degrees)), (independent[subset] - 1) * degrees
    terms = tuple(sorted((term for term in squares if term), key=lambda term: (len(term), term)))
    all_df = np.stack([df[term] for term in terms], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.stack([squares[term] for term in terms], axis=1) / np.where(all_df > 0, all_df, math.nan)
    return MeanSquares(terms, value, all_df, _coefficients(terms, independent, values.shape))


def _subjects(clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """First case of each subject, and membership `(N, subjects)`; None if no subject has two cases."""
    _, first, place = np.unique(clusters, return_index=True, return_inverse=True)
    return (first, (place[:, None] == np.arange(len(first))).astype(float)) if len(first) < len(clusters) else None


def _independent(
    weights: np.ndarray,
    effect: np.ndarray,
    copies: int,
    with_case: np.ndarray,
    grouped: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """`(B,)`, how many independent cases would give the mean effects the variance that they have over subjects.

    Args:
        weights: `(B, N)`.
        effect: `(N, cells)`, effects of each case.
        copies: Values that each effect is the mean of.
        with_case: `(B,)`, sum of squares around the mean effects.
        grouped: What `_subjects` returns.
    """
    first, member = grouped
    drawn, n = weights[:, first], weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = weights @ effect / n[:, None]
        sums, sizes = member.T @ effect, member.sum(axis=0)
        of_subject = ((sums - mean[:, None] * sizes[:, None]) ** 2).sum(axis=2)
        g = drawn.sum(axis=1)
        variance = copies * g / (g - 1) * (drawn * of_subject).sum(axis=1) / n**2
        found = 1 + with_case / (n * variance)
    return np.where(np.isfinite(found) & (with_case > 0), np.minimum(found, _MOST), n)


def _effect(values: np.ndarray, facets: tuple[int, ...]) -> np.ndarray:
    """`(N, cells)`, each case's own effect of these facets: its mean over the others, less all effects of fewer."""
    effect = values
    for axis in range(1, values.ndim):
        mean = effect.sum(axis=axis, keepdims=True) / max(values.shape[axis], 1)
        effect = effect - mean if axis in facets else mean
    return effect.reshape(len(values), math.prod(effect.shape[1:]))


def _coefficients(
    terms: tuple[tuple[int, ...], ...], independent: dict[tuple[int, ...], np.ndarray], shape: tuple[int, ...]
) -> np.ndarray:
    """A component is in the expected mean square of each part of it, as often as the other factors have levels."""
    coefficient = np.zeros((len(independent[()]), len(terms), len(terms)))
    for column, component in enumerate(terms):
        times = math.prod(shape[axis] for axis in range(1, len(shape)) if axis not in component)
        for row, term in enumerate(terms):
            if set(term) <= set(component):
                coefficient[:, row, column] = times * (1.0 if 0 in component else independent[term])
    return coefficient


def crossed_components(weights: np.ndarray, values: np.ndarray, clusters: np.ndarray | None = None) -> np.ndarray:
    """Variance components by REML of a design without gaps, for each row of weights; fit for `jackknife_t`.

    Args:
        weights: As for `crossed_mean_squares`.
        values: As for `crossed_mean_squares`.
        clusters: As for `crossed_mean_squares`.

    Returns:
        float64 `(B, T)`, in the order of `crossed_mean_squares(...).terms`: for `(N, R)` case, rater, residual; for
        `(N, R, S)` case, rater, seed, case:rater, case:seed, rater:seed, residual. At least 0; NaN where a factor has
        one level only.

    Example:
        >>> scores = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
        >>> crossed_components(np.ones((1, 6)), scores).round(4)
        array([[2.5556, 5.2444, 1.0194]])
    """
    found = crossed_mean_squares(weights, values, clusters)
    components = _anova(found)
    for row in np.flatnonzero((components < 0).any(axis=1)):
        components[row] = _reml_of_mean_squares(found.value[row], found.df[row], found.coefficient[row])
    return components


def _anova(found: MeanSquares) -> np.ndarray:
    """`(B, T)`, the components whose expected mean squares are the observed ones; may be negative."""
    components = np.full(found.value.shape, math.nan)
    known = np.isfinite(found.value).all(axis=1)
    components[known] = np.linalg.solve(found.coefficient[known], found.value[known][..., None])[..., 0]
    return components


def _reml_of_mean_squares(mean_square: np.ndarray, df: np.ndarray, coefficient: np.ndarray) -> np.ndarray:
    """Each mean square is its expectation times an independent chi-square over its degrees of freedom."""

    def likelihood(components: np.ndarray) -> _Likelihood:
        expected = coefficient @ components
        weighted = coefficient * (df / expected**2)[:, None]
        deviance = float((df * (np.log(expected) + mean_square / expected)).sum())
        return deviance, weighted.T @ coefficient, weighted.T @ mean_square

    return _constrained_scoring(likelihood, scale=float(df @ mean_square / df.sum()), n_terms=df.size)


def _constrained_scoring(likelihood: Callable[[np.ndarray], _Likelihood], *, scale: float, n_terms: int) -> np.ndarray:
    """Maximise a restricted likelihood over components of 0 or more, the residual (last) above 0.

    Fisher scoring, whose step is a least-squares problem; solved under the constraint, it reaches 0 exactly where the
    maximum lies at the boundary. A step that does not help is halved.
    """
    floor = 1e-10 * scale
    components = np.full(n_terms, scale / n_terms)
    deviance, information, score = likelihood(components)
    for _ in range(MAX_STEPS):
        unit = 1 / np.sqrt(np.diag(information))
        root = linalg.cholesky(information * np.outer(unit, unit) + 1e-12 * np.eye(n_terms))
        target = scipy.optimize.nnls(root, linalg.solve_triangular(root, score * unit, trans="T"))[0] * unit
        target[-1] = max(target[-1], floor)
        step, tried = 1.0, target
        found = likelihood(tried)
        while found[0] > deviance + TOLERANCE and step > 1e-6:
            step /= 2
            tried = components + step * (target - components)
            found = likelihood(tried)
        if found[0] > deviance + TOLERANCE:
            break
        moved = float(np.abs(tried - components).max())
        components, (deviance, information, score) = tried, found
        if moved < TOLERANCE * scale:
            break
    return np.where(components > 10 * floor, components, 0.0)


def one_way_components(scores: np.ndarray) -> pd.DataFrame:
    """Variance between cases and within a case, if the columns are only repetitions.

    Args:
        scores: `(N, R)`, NaN where a case has fewer repetitions than others.

    Returns:
        Rows case and residual; columns `n_levels` (cases, values), `anova` and `reml`. NaN where no case has two
        values, or there is one case only.

    Raises:
        ValueError: If `scores` is not two-dimensional or not finite.

    Example:
        Yields of dyestuff from six batches (Davies 1947):

        >>> yields = [[1545, 1440, 1440, 1520, 1580], [1540, 1555, 1490, 1560, 1495], [1595, 1550, 1605, 1510, 1560],
        ...           [1445, 1440, 1595, 1465, 1545], [1595, 1630, 1515, 1635, 1625], [1520, 1455, 1450, 1480, 1445]]
        >>> one_way_components(yields)["reml"].round(2).tolist()
        [1764.05, 2451.25]

    References:
        Searle, Casella & McCulloch (1992), Variance Components, ch. 3, doi:10.1002/9780470316856.
    """
    scores = as_scores(scores)
    case, column = np.nonzero(~np.isnan(scores))
    values = scores[case, column]
    size = np.bincount(case, minlength=len(scores))
    size = size[size > 0]
    n, n_cases = len(values), len(size)
    fit = mixed_model(values, np.zeros(n, dtype=int), case, n_groups=1) if n else None
    anova = [math.nan, math.nan]
    if n_cases > 1 and n > n_cases:
        mean = np.bincount(case, weights=values)[case] / np.bincount(case)[case]
        within = float(((values - mean) ** 2).sum()) / (n - n_cases)
        between = float(((mean - values.mean()) ** 2).sum()) / (n_cases - 1)
        anova = [(between - within) / ((n - float((size**2).sum()) / n) / (n_cases - 1)), within]
    reml = [fit.variance_subject, fit.variance_residual] if fit else [math.nan, math.nan]
    if anova[1] == 0 or (n > 1 and np.ptp(values) == 0):
        reml = anova  # nothing differs within a case; the ratio of the two variances is infinite or undefined
    return _table(["case", "residual"], [n_cases, n], anova, reml)


def as_scores(scores: np.ndarray) -> np.ndarray:
    """float64 `(N, R)`; NaN stands for a score that is missing."""
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 2 or np.isinf(scores).any():
        raise ValueError(
            f"scores must be (cases, raters), finite or NaN where missing; got shape {scores.shape}"
            + (" with infinite values" if np.isinf(scores).any() else "")
        )
    return scores


def _table(names: list[str], n_levels: list[int], anova: list[float], reml: list[float]) -> pd.DataFrame:
    index = pd.Index(names, name="component")
    return pd.DataFrame({"n_levels": n_levels, "anova": anova, "reml": reml}, index=index)


def two_way_components(scores: np.ndarray) -> pd.DataFrame:
    """Variance due to the case, to the rater, and what neither explains.

    Args:
        scores: `(N, R)`; a case with any NaN is left out.

    Returns:
        Rows case, rater and residual; columns `n_levels` (for the residual the number of values used), `anova`, which
        may be negative, and `reml`, which is 0 there. NaN below two cases or two raters.

    Raises:
        ValueError: If `scores` is not two-dimensional or not finite.

    Example:
        >>> scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
        >>> two_way_components(scores)["reml"].round(4).tolist()
        [2.5556, 5.2444, 1.0194]

    References:
        Shrout & Fleiss (1979), Psychol. Bull. 86(2):420-428, doi:10.1037/0033-2909.86.2.420; Patterson & Thompson
        (1971), Biometrika 58(3):545-554, doi:10.1093/biomet/58.3.545.
    """
    scores = as_scores(scores)
    scores = scores[~np.isnan(scores).any(axis=1)]
    every = np.ones((1, len(scores)))
    anova = _anova(crossed_mean_squares(every, scores))[0]
    reml = crossed_components(every, scores)[0]
    return _table(["case", "rater", "residual"], [*scores.shape, scores.size], anova.tolist(), reml.tolist())


def three_way_components(values: np.ndarray, *, case: np.ndarray, seed: np.ndarray, rater: np.ndarray) -> pd.DataFrame:
    """Variance due to the case, the rater a model was trained on, its seed, their pairs, and what none explains.

    Args:
        values: `(n,)`, one per case, seed and rater; NaN where undefined, then left out. Cells may be missing.
        case: `(n,)`, name of the case.
        seed: `(n,)`, seed of the model.
        rater: `(n,)`, name of the rater.

    Returns:
        Rows case, rater, seed, case:rater, case:seed, rater:seed and residual; columns `n_levels` (for the residual
        the number of values used), `anova` (NaN where cells are missing; may be negative) and `reml` (0 there). NaN
        where a component cannot be separated from another: seeds need two levels, `rater:seed` two seeds of every
        rater. With a single seed, for example, what differs between models of a rater is in `rater`.

    Raises:
        ValueError: If the shapes differ, a value is infinite, a cell comes twice, or too many cells are missing.

    Example:
        Two cases, raters and seeds, and only the case matters:

        >>> values, case = [1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0], ["a", "a", "a", "a", "b", "b", "b", "b"]
        >>> found = three_way_components(values, case=case, seed=[0, 0, 1, 1] * 2, rater=["r", "s"] * 4)
        >>> found["reml"].round(6).tolist()
        [2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]

    References:
        Searle, Casella & McCulloch (1992), Variance Components, ch. 6 and 8, doi:10.1002/9780470316856.
    """
    values, codes = _checked_cells(values, {"case": case, "rater": rater, "seed": seed})
    codes |= {
        f"{a}:{b}": _codes(np.stack([codes[a], codes[b]], axis=1))
        for a, b in combinations(("case", "rater", "seed"), 2)
    }
    n_levels = {name: int(code.max(initial=-1)) + 1 for name, code in codes.items()} | {"residual": len(values)}
    terms = _separable_terms(codes, n_levels)
    anova, reml = dict.fromkeys(TERMS, math.nan), dict.fromkeys(TERMS, math.nan)
    main = [name for name in terms if ":" not in name]
    if terms and len(values) == math.prod(n_levels[name] for name in main):
        order = np.lexsort([codes[name] for name in reversed(main)])
        grid = values[order].reshape([n_levels[name] for name in main])
        every = np.ones((1, len(grid)))
        names = [*terms, "residual"]
        anova |= dict(zip(names, _anova(crossed_mean_squares(every, grid))[0].tolist(), strict=True))
        reml |= dict(zip(names, crossed_components(every, grid)[0].tolist(), strict=True))
    elif terms:
        reml |= dict(zip([*terms, "residual"], _reml_of_cells(values, [codes[name] for name in terms]), strict=True))
    columns = [[found[name] for name in TERMS] for found in (anova, reml)]
    return _table(list(TERMS), [n_levels[name] for name in TERMS], *columns)


def _checked_cells(values: np.ndarray, factors: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Values that are defined, with the number of their level of each factor."""
    values = np.asarray(values, dtype=float)
    shapes = {name: np.shape(factor) for name, factor in factors.items()}
    if values.ndim != 1 or any(shape != values.shape for shape in shapes.values()):
        raise ValueError(f"expected one case, seed and rater per value, got values {values.shape} and {shapes}")
    if np.isinf(values).any():
        raise ValueError("values must be finite, or NaN where undefined; got infinity")
    defined = ~np.isnan(values)
    codes = {name: _codes(np.asarray(factor)[defined]) for name, factor in factors.items()}
    cells = np.stack(list(codes.values()), axis=1)
    if len(np.unique(cells, axis=0)) < len(cells):
        raise ValueError("each case, seed and rater must come once; average values that belong together first")
    return values[defined], codes


def _codes(levels: np.ndarray) -> np.ndarray:
    axis = 0 if levels.ndim > 1 else None  # along an axis, NumPy before 2.3 sorts no names
    return np.unique(levels, axis=axis, return_inverse=True)[1].reshape(-1)


def _separable_terms(codes: dict[str, np.ndarray], n_levels: dict[str, int]) -> list[str]:
    """Terms with two levels or more that divide the values in another way than an earlier term, or each by itself."""
    terms: list[str] = []
    for name in TERMS[:-1]:
        alike = [
            other
            for other in terms
            if n_levels[other] == n_levels[name] == len(np.unique(np.stack([codes[other], codes[name]]), axis=1).T)
        ]
        if 1 < n_levels[name] < n_levels["residual"] and not alike:
            terms.append(name)
    pairs = np.unique(np.stack([codes["rater"], codes["seed"]]), axis=1)
    if "rater:seed" in terms and np.bincount(pairs[0]).min() < 2:
        terms.remove("rater:seed")
    return terms


def _reml_of_cells(values: np.ndarray, codes: list[np.ndarray]) -> np.ndarray:
    """REML for any pattern of missing cells.

    With Z the incidence of all levels (`q` of them) and D the diagonal of their variances over that of the residual,
    everything follows from the factor of I + √D Z'Z √D: the work grows with q³, not with the number of values.
    """
    scale = float(values.var(ddof=1))
    if scale == 0:
        return np.zeros(len(codes) + 1)
    n, sizes = len(values), [int(code.max()) + 1 for code in codes]
    start = np.cumsum([0, *sizes[:-1]])
    columns = np.stack([code + first for code, first in zip(codes, start, strict=True)], axis=1)
    rows = np.repeat(np.arange(n), len(codes))
    incidence = sparse.csr_matrix((np.ones(rows.size), (rows, columns.ravel())), shape=(n, sum(sizes)))
    data = np.stack([np.ones(n), (values - values.mean()) / math.sqrt(scale)], axis=1)
    crossed = np.hstack([(incidence.T @ incidence).toarray(), incidence.T @ data])  # Z'[Z, 1, y]
    term = np.repeat(np.arange(len(codes)), sizes)
    member = (term[:, None] == np.arange(len(codes))).astype(float)

    def likelihood(components: np.ndarray) -> _Likelihood:
        root, residual = np.sqrt(components[:-1] / components[-1])[term], components[-1]
        factor = linalg.cholesky(np.eye(len(root)) + root[:, None] * crossed[:, : len(root)] * root, lower=True)
        half = linalg.solve_triangular(factor, root[:, None] * crossed, lower=True)
        inner = (crossed - half[:, : len(root)].T @ half) / residual  # Z'V⁻¹[Z, 1, y]
        small = (data.T @ data - half[:, len(root) :].T @ half[:, len(root) :]) / residual  # [1, y]'V⁻¹[1, y]
        projected = inner[:, : len(root)] - np.outer(inner[:, -2], inner[:, -2]) / small[0, 0]  # Z'PZ
        pull = inner[:, -1] - inner[:, -2] * small[0, 1] / small[0, 0]  # Z'Py
        fit = float(small[1, 1] - small[0, 1] ** 2 / small[0, 0])  # y'Py
        deviance = n * math.log(residual) + 2 * float(np.log(np.diag(factor)).sum()) + math.log(small[0, 0]) + fit
        information, score = _with_residual(components, projected, pull, fit, member, n)
        return deviance, information, score

    information = likelihood(np.ones(len(codes) + 1))[1]
    unit = 1 / np.sqrt(np.diag(information))
    if np.linalg.eigvalsh(information * np.outer(unit, unit))[0] < 1e-8:
        raise ValueError(
            "so many cells of case, seed and rater are missing that the components cannot be told apart; "
            "leave out cases, seeds or raters that have few values"
        )
    return _constrained_scoring(likelihood, scale=1.0, n_terms=len(codes) + 1) * scale


def _with_residual(
    components: np.ndarray, projected: np.ndarray, pull: np.ndarray, fit: float, member: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Information and score of all terms from Z'PZ and Z'Py; those of the residual follow from PVP = P."""
    variances, residual = components[:-1], components[-1]
    information = np.zeros((len(components), len(components)))
    information[:-1, :-1] = member.T @ projected**2 @ member
    trace = np.diag(projected) @ member
    information[-1, :-1] = information[:-1, -1] = (trace - information[:-1, :-1] @ variances) / residual
    trace_residual = (n - 1 - trace @ variances) / residual
    information[-1, -1] = (trace_residual - information[-1, :-1] @ variances) / residual
    score = pull**2 @ member
    return information, np.append(score, (fit - score @ variances) / residual)
