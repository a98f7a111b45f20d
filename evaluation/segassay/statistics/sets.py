"""A set of predictions beside a set of raters: single numbers as distributions, masks as a matrix of agreement.

samples (..., M), observed (..., R)   ->  crps
agreement (..., M, R) of all pairs    ->  best_agreement, matched_agreement
"""

import numpy as np
import scipy

__all__ = ["best_agreement", "crps", "matched_agreement"]


def crps(samples: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of a set of predicted numbers, mean over what was observed.

    The set counts as a distribution of M equal steps: mean |x - y| minus half the mean |x - x'| over all pairs, those
    of a number with itself included. For one prediction it is the absolute error.

    Args:
        samples: `(..., M)`, such as counts of one image by M models.
        observed: `(..., R)`, such as its counts by R raters; NaN where there is none.

    Returns:
        float64 `(...)`, 0 or more, in the unit of the numbers; NaN where a sample is NaN or nothing was observed.

    Raises:
        ValueError: If there is no sample.

    Example:
        >>> crps(np.array([8.0, 12.0]), np.array([10.0])), crps(np.array([13.0]), np.array([10.0, 12.0]))
        (array(1.), array(2.))

    References:
        Gneiting & Raftery (2007), J. Am. Stat. Assoc. 102(477):359-378, doi:10.1198/016214506000001437.
    """
    x, y = np.asarray(samples, dtype=float), np.asarray(observed, dtype=float)
    if not x.shape[-1:] or not x.shape[-1]:
        raise ValueError(f"expected at least one sample, got shape {x.shape}")
    known = ~np.isnan(y)
    apart = np.abs(x[..., :, None] - y[..., None, :]).mean(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.where(known, apart, 0).sum(axis=-1) / known.sum(axis=-1)
    spread = np.abs(x[..., :, None] - x[..., None, :]).mean(axis=(-1, -2))
    return np.asarray(error - spread / 2)


def best_agreement(agreement: np.ndarray) -> np.ndarray:
    """Agreement of each rater with the prediction that agrees best, mean over raters.

    Args:
        agreement: `(..., M, R)`, of every prediction with every rater; with Dice this is Dice_max.

    Returns:
        float64 `(...)`; NaN where an agreement is NaN, or where there is nothing to compare.

    Example:
        >>> best_agreement(np.array([[0.9, 0.8], [0.7, 0.2]]))
        array(0.85)

    References:
        Wu et al. (2024), Proc. CVPR: 11470-11479, arXiv:2403.13417.
    """
    values = np.asarray(agreement, dtype=float)
    if 0 in values.shape[-2:]:
        return np.full(values.shape[:-2], np.nan)
    return np.asarray(values.max(axis=-2).mean(axis=-1))


def matched_agreement(agreement: np.ndarray) -> np.ndarray:
    """Agreement of raters with predictions, each prediction given to one rater, so that the mean is highest.

    Args:
        agreement: As for `best_agreement`; with Dice this is Dice_match. A rater for whom no prediction is left, if
            there are fewer predictions than raters, counts as 0.

    Returns:
        float64 `(...)`; NaN where an agreement is NaN, or where there is nothing to compare.

    Example:
        >>> matched_agreement(np.array([[0.9, 0.8], [0.7, 0.2]]))
        array(0.75)

    References:
        Kuhn (1955), Nav. Res. Logist. Q. 2(1-2):83-97, doi:10.1002/nav.3800020109; Wu et al. (2024), as above.
    """
    values = np.asarray(agreement, dtype=float)
    found = np.full(values.shape[:-2], np.nan)
    for place in np.ndindex(found.shape):
        matrix = values[place]
        if matrix.size and not np.isnan(matrix).any():
            found[place] = matrix[scipy.optimize.linear_sum_assignment(matrix, maximize=True)].sum() / matrix.shape[1]
    return found
