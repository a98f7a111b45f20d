"""Count the objects of one mask: the row of an evaluation's `counts`, and of a prediction's `cases.csv`.

JointOverlaps of an image, position of a mask  ->  n_objects, area_px, mean_intensity, region_area_px, density
"""

import numpy as np

from segassay.masks.joint import JointOverlaps
from segassay.tables.columns import UNKNOWN

__all__ = ["COUNT_COLUMNS", "count_objects"]

COUNT_COLUMNS = ("n_objects", "area_px", "mean_intensity", "region_area_px", "density")


def count_objects(joint: JointOverlaps, index: int | None, region_area: int) -> tuple[int, int, float, int, float]:
    """Objects of a mask, their area, the mean over objects of their mean raw value, and objects per pixel.

    Args:
        joint: Objects of all masks of the image, with values if intensities are measured.
        index: Position of the mask in `joint`; None if its prediction is missing.
        region_area: Pixels that count.

    Returns:
        Values of `COUNT_COLUMNS`. The intensity is NaN without objects or values, the density if no pixel counts; of
        a missing prediction everything is undefined, counts are `UNKNOWN`.

    Example:
        >>> from segassay.masks.joint import joint_overlaps
        >>> labels = np.array([[1, 1, 0, 2]])
        >>> count_objects(joint_overlaps([labels], values=np.array([[4, 6, 0, 9]])), 0, labels.size)
        (2, 3, 7.0, 4, 0.5)
    """
    if index is None:
        return UNKNOWN, UNKNOWN, np.nan, region_area, np.nan
    sizes = joint.sizes[index]
    mean_intensity = float(joint.mean_values[index].mean()) if joint.mean_values and len(sizes) else np.nan
    density = len(sizes) / region_area if region_area else np.nan
    return len(sizes), int(sizes.sum()), mean_intensity, region_area, density
