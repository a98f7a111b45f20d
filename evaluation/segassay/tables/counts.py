"""Count the objects of one mask: the row of an evaluation's `counts`, and of a prediction's `cases.csv`.

JointOverlaps of an image, position of a mask  ->  n_objects, area_px, mean_intensity, region_area_px, density
"""

import numpy as np
import pandas as pd

from segassay.data.named_channels import INTENSITY
from segassay.masks.joint import JointOverlaps
from segassay.tables.columns import UNKNOWN

__all__ = ["COUNT_COLUMNS", "count_objects", "with_intensities"]

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


def with_intensities(counts: pd.DataFrame, intensities: pd.DataFrame) -> pd.DataFrame:
    """The table of counts with a column for each channel that is measured, in place of `mean_intensity`.

    Args:
        counts: Rows with case and annotator, and `mean_intensity`.
        intensities: Rows with case, annotator, measure (`mean_intensity_<channel>`) and value.

    Returns:
        The same table if there are no rows, as for images with one channel.

    Example:
        >>> counts = pd.DataFrame({"case": ["1"], "annotator": "anna", "mean_intensity": [3.0], "density": [0.1]})
        >>> rows = [("1", "anna", "mean_intensity_DAPI", 3.0), ("1", "anna", "mean_intensity_cFOS", 8.0)]
        >>> list(with_intensities(counts, pd.DataFrame(rows, columns=["case", "annotator", "measure", "value"])))
        ['case', 'annotator', 'mean_intensity_DAPI', 'mean_intensity_cFOS', 'density']
    """
    if intensities.empty:
        return counts
    keys = ["case", "annotator"]
    measures = list(intensities["measure"].unique())
    of_each = intensities.pivot(index=keys, columns="measure", values="value")
    of_each = of_each.reindex(pd.MultiIndex.from_frame(counts[keys]))
    place = list(counts.columns).index(INTENSITY)
    columns = [*counts.columns[:place], *measures, *counts.columns[place + 1 :]]
    values = {measure: of_each[measure].to_numpy(dtype=float) for measure in measures}
    return counts.assign(**values)[columns]
