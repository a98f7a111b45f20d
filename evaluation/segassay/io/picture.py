"""An image in memory, whatever file it came from.

An exported bundle can carry this module unchanged: it imports numpy alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["PLACEMENT", "Picture"]

PLACEMENT = (
    "pixdim",
    "xyzt_units",
    "qform_code",
    "sform_code",
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)
"""Fields of a NIfTI header that say where the voxels are; a mask has those of its image."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One image as stored in its file.

    Attributes:
        array: `(C, *spatial)` in the file's own number type; grey images have one channel, alpha is dropped.
        spacing_um: Micrometres from one pixel to the next along each spatial axis, in array order; None if unknown.
        unread: What the file gives as spacing and is none, as `PhysicalSizeX="0,25"`; empty unless the spacing is
            unknown for that.
        unit: Unit in which the file gives the spacing, as in `UM_PER_UNIT`; None if unknown.
        affine: NIfTI only: 4 × 4 matrix from voxel to world coordinates, in the file's unit.
        placement: NIfTI only: the fields of its header that say where the voxels are, such as `qform_code`.
        colours: Masks only: whether the channels are red, green and blue.
        palette: Masks only: colours `(n, 3)` of the numbers in `array`; None if these are no indices.
        turned: Whether the file asks viewers to turn or mirror its pixels, as has been done here.
        overlay: Masks only: ROIs that ImageJ keeps in the file, each as the content of a .roi file.
        channel_names: Names that an OME-TIFF or OME-Zarr gives its channels; empty unless every channel has one.
    """

    array: np.ndarray
    spacing_um: tuple[float, ...] | None = None
    affine: np.ndarray | None = None
    placement: Mapping[str, np.ndarray] | None = None
    palette: np.ndarray | None = None
    turned: bool = False
    unit: str | None = None
    colours: bool = False
    overlay: tuple[bytes, ...] = ()
    channel_names: tuple[str, ...] = ()
    unread: str = ""

    @property
    def place(self) -> np.ndarray | None:
        """The affine; None also if the header of the NIfTI says that its place is unknown (both codes are 0)."""
        of = self.placement
        is_unknown = of is not None and not (int(of["qform_code"]) or int(of["sform_code"]))
        return None if is_unknown else self.affine
