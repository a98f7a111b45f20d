"""Windows of images in which the place of an object says nothing: what a network may learn is its look alone.

    folder with images/ and labels/<rater>/ -> the same folder, each volume cut to a window of its slices

The published nodules lie in the middle of their images, to a pixel or two. A network that sees whole slices and their
borders learns that place; one that sees tiles, as in a whole scan, cannot. See docs/peers.md.
"""

from pathlib import Path

import nibabel as nib
import numpy as np


def move_off_centre(folder: Path, side: int, seed: int) -> None:
    """Cut each case to a window of `side` × `side` pixels that holds all that was marked, anywhere in it.

    The window is drawn among those of the image that hold every marked voxel of every rater; images, masks and their
    affines are changed in place. The place of a case depends on the seed and on its position in the list of files.

    Args:
        folder: With `images/*.nii.gz` and `labels/<rater>/*.nii.gz`, axes (x, y, slices).
        side: Of the window, in pixels.
        seed: Of the places.

    Raises:
        ValueError: If what is marked in an image does not fit into the window.
    """
    rng = np.random.default_rng(seed)
    for image in sorted((folder / "images").iterdir()):
        masks = sorted((folder / "labels").glob(f"*/{image.name}"))
        marked = np.any([np.asarray(nib.load(path).dataobj) > 0 for path in masks], axis=(0, 3))  # type: ignore[attr-defined]
        start = [
            _draw_start(marked.any(axis=1 - axis), side, rng, f"{image}: axis {axis}") for axis in range(marked.ndim)
        ]
        for path in (image, *masks):
            _cut(path, start, side)


def _draw_start(marked: np.ndarray, side: int, rng: np.random.Generator, where: str) -> int:
    """First pixel of the window along one axis; `marked` says which pixels of the axis hold something."""
    places = np.flatnonzero(marked)
    lowest, highest = max(0, int(places[-1]) + 1 - side), min(int(places[0]), len(marked) - side)
    if lowest > highest:
        raise ValueError(f"{where}: pixels {places[0]} to {places[-1]} are marked and do not fit into {side} pixels")
    return int(rng.integers(lowest, highest + 1))


def _cut(path: Path, start: list[int], side: int) -> None:
    """Write the window of a volume over the volume, at the same place in the world."""
    volume = nib.load(path)
    window = volume.slicer[start[0] : start[0] + side, start[1] : start[1] + side]  # type: ignore[attr-defined]
    array = np.asarray(window.dataobj).copy()
    nib.save(nib.Nifti1Image(array, window.affine, window.header), path)  # type: ignore[attr-defined,no-untyped-call]
