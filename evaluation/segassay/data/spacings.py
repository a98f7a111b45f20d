"""Images whose pixels are larger or smaller than those of most: a network sees pixels, not micrometres.

spacing of each image  ->  unlike_spacing  ->  names of those that differ from the median
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from segassay.data.dataset import Dataset
from segassay.io.formats import nifti_layout
from segassay.io.images import is_nifti, read_image

__all__ = ["NOT_RESAMPLED", "case_spacing", "unlike_spacing"]

NOT_RESAMPLED = 1.25
"""Factor between the pixels of two images, along an axis, above which models are said to see them as other sizes. Tiles
are not scaled in a training, and images are predicted pixel by pixel."""


def unlike_spacing(spacings: Mapping[str, tuple[float, ...] | None]) -> list[str]:
    """Names of the images whose pixels are more than a quarter longer along an axis than the median, or shorter.

    Args:
        spacings: Name -> micrometres along each axis; None if unknown, which is left out.

    Returns:
        Their names, in the given order; none if no spacing is known. Images with another number of axes than most have
        a problem of their own, and are left out.

    Example:
        >>> unlike_spacing({"a": (1.0, 1.0), "b": (1.0, 1.2), "c": (1.0, 1.4), "d": (0.7, 1.0), "e": None})
        ['c', 'd']
    """
    known = {name: spacing for name, spacing in spacings.items() if spacing is not None}
    if not known:
        return []
    n_axes = int(np.median([len(spacing) for spacing in known.values()]))
    known = {name: spacing for name, spacing in known.items() if len(spacing) == n_axes}
    median = np.median(list(known.values()), axis=0)
    limit = np.log(NOT_RESAMPLED) + 1e-9
    return [name for name, spacing in known.items() if (abs(np.log(np.array(spacing) / median)) > limit).any()]


def case_spacing(dataset: Dataset, case: str) -> tuple[float, ...] | None:
    """Micrometres from pixel to pixel of an image; None if unknown. Of a NIfTI only the header is read."""
    if dataset.settings.spacing_um is not None:
        return dataset.settings.spacing_um
    path: Path = dataset.images[case]
    return nifti_layout(path)[1].spacing_um if is_nifti(path) else read_image(path).spacing_um
