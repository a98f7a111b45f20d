"""How well can anybody agree with a rater who does not know the rater's errors?

agreement of raters with each other (..., R, R)  ->  the best possible agreement with each of them (..., R)
"""

import warnings

import numpy as np

__all__ = ["agreement_ceilings"]


def agreement_ceilings(agreement: np.ndarray) -> np.ndarray:
    """The best agreement with each rater of someone whose errors are independent of the rater's.

    If raters differ from what is there independently of each other, the agreement of two of them is the product of
    their agreements with it, a_rs = c_r c_s. Three raters give c_r = √(a_rs a_rt / a_st); of all s and t the median is
    taken, so that one careless rater does not move it. Someone who marks exactly what is there agrees with r by c_r;
    who agrees better knows the rater's errors.

    Args:
        agreement: `(..., R, R)`, symmetric, from 0 to 1, such as mean Dice or F1 of two raters; the diagonal is not
            used, NaN is an unknown pair.

    Returns:
        float64 `(..., R)`, at most 1; NaN with fewer than 3 raters, and where no three pairs are known.

    Raises:
        ValueError: If the last two axes differ in length.

    Example:
        >>> agreement_ceilings(np.full((3, 3), 0.64)).round(6)
        array([0.8, 0.8, 0.8])

    References:
        Spearman (1904), The American Journal of Psychology 15(1):72-101, doi:10.2307/1412159, for correlations.
    """
    agreement = np.asarray(agreement, dtype=float)
    if agreement.ndim < 2 or agreement.shape[-1] != agreement.shape[-2]:
        raise ValueError(f"agreement must be (..., raters, raters), got {agreement.shape}")
    n = agreement.shape[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        roots = np.sqrt(agreement[..., :, :, None] * agreement[..., :, None, :] / agreement[..., None, :, :])
    same = np.eye(n, dtype=bool)
    one_twice = same[:, :, None] | same[:, None, :] | same[None]
    roots = np.where(one_twice | ~np.isfinite(roots), np.nan, roots).reshape(*agreement.shape[:-1], n * n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of empty slices
        return np.asarray(np.minimum(np.nanmedian(roots, axis=-1), 1.0))
