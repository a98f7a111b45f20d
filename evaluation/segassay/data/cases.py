"""Read one case: its image, masks, ignored area and region, each when it is needed.

Dataset, case -> Picture (C, *spatial) | mask (*spatial) | area (*spatial), all of one spatial shape
"""

import dataclasses
import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from segassay.data.classes import ClassMap, read_foreground, read_ignored
from segassay.data.dataset import Dataset
from segassay.errors import DataError, Problem, UsageError
from segassay.io.images import Picture, image_shape, read_image, read_mask


def image_files(dataset: Dataset, case: str) -> tuple[Path, ...]:
    """Files of one image: a single file, or one file per channel, in order.

    Raises:
        UsageError: If there is no such case.
    """
    return (_of_case(dataset, dataset.images, case, "image"), *dataset.more_channels.get(case, ()))


def read_case_image(dataset: Dataset, case: str) -> Picture:
    """Image of one case with all its channels; the dataset's `spacing_um` overrides that of the file.

    Raises:
        UsageError: If there is no such case.
        DataError: If a file cannot be read, `spacing_um` has another number of axes, or channels differ in shape.
    """
    return read_spaced_image(image_files(dataset, case), dataset.settings.spacing_um)


def read_spaced_image(paths: Sequence[Path], spacing_um: tuple[float, ...] | None) -> Picture:
    """Image of one or more files, with their channels in order; spacing and affine come from the first.

    Args:
        paths: At least one file.
        spacing_um: From `dataset.yaml`; if given, it overrides that of the file.

    Raises:
        DataError: As `read_case_image`.
    """
    pictures = [read_image(path) for path in paths]
    picture = pictures[0]
    for path, other in zip(paths, pictures, strict=True):
        if other.array.shape[1:] != picture.array.shape[1:]:
            what = f"has shape {other.array.shape[1:]}, but channel {paths[0]} has {picture.array.shape[1:]}"
            raise DataError.of(path, what, expected="the same, export the channels again", kind="channel-shape")
    if len(pictures) > 1:
        picture = dataclasses.replace(picture, array=np.concatenate([other.array for other in pictures]))
    if spacing_um is None:
        return picture
    if len(spacing_um) != picture.array.ndim - 1:
        what = f"spacing_um has {len(spacing_um)} numbers, but {paths[0]} has {picture.array.ndim - 1} axes"
        raise DataError.of_problem(Problem("dataset.yaml", what, "give one number per axis", kind="spacing-axes"))
    return dataclasses.replace(picture, spacing_um=spacing_um)


def channel_reader(dataset: Dataset) -> Callable[[str], Picture]:
    """Make a function that reads an image with all its channels, given the file of the first channel."""
    files = {str(dataset.images[case]): paths for case, paths in dataset.more_channels.items()}
    return functools.partial(_read_all_channels, files)


def _read_all_channels(files: Mapping[str, tuple[Path, ...]], path: str) -> Picture:
    return read_spaced_image([Path(path), *files.get(str(path), ())], None)


def read_case_mask(dataset: Dataset, annotator: str, case: str) -> np.ndarray:
    """Mask of one case by a rater or the reference: bool, or int32 for a label image (see `io.images.read_mask`).

    Classes, as nnU-Net's masks hold them, are one boolean foreground.

    Raises:
        UsageError: If there is no such rater or case, or that rater did not annotate the case.
        DataError: If the file cannot be read or its shape is not the image's.
    """
    everyone = dict(dataset.masks)
    if dataset.reference_name is not None:
        everyone[dataset.reference_name] = dataset.reference
    if annotator not in everyone:
        raise UsageError(f"{dataset.folder} has no rater {annotator!r}; expected one of {', '.join(everyone)}")
    path = _of_case(dataset, everyone[annotator], case, f"mask by {annotator}")
    return _fitting(dataset, case, path, read_annotation(path, dataset.classes))


def read_annotation(path: Path, classes: ClassMap | None) -> np.ndarray:
    """Mask of a file by a rater or the reference; `classes` are those of the dataset. Raises as `read_case_mask`."""
    return read_mask(path) if classes is None else read_foreground(path, classes)


def read_case_ignore(dataset: Dataset, case: str) -> np.ndarray | None:
    """Boolean mask `(*spatial)` of the ignored area; None if the case has none. Raises as `read_case_mask`."""
    _of_case(dataset, dataset.images, case, "image")
    path = dataset.ignore.get(case)
    return None if path is None else _fitting(dataset, case, path, read_ignored_area(path, dataset.ignored_class))


def read_ignored_area(path: Path, ignored_class: ClassMap | None) -> np.ndarray:
    """Boolean mask of the ignored area in a file: its foreground, or the class `ignore` of a mask of nnU-Net."""
    return read_mask(path) > 0 if ignored_class is None else read_ignored(path, ignored_class)


def read_case_region(dataset: Dataset, case: str) -> np.ndarray | None:
    """Boolean mask `(*spatial)` of the region in which objects count; None if the case has none. Raises as above."""
    _of_case(dataset, dataset.images, case, "image")
    path = dataset.region_masks.get(case)
    return None if path is None else _fitting(dataset, case, path, read_mask(path) > 0)


def _fitting(dataset: Dataset, case: str, path: Path, mask: np.ndarray) -> np.ndarray:
    shape = image_shape(dataset.images[case])
    if mask.shape != shape:
        what = f"has shape {mask.shape}, but its image {dataset.images[case]} has {shape}"
        raise DataError.of(path, what, expected="the same", kind="mask-shape")
    return mask


def _of_case(dataset: Dataset, files: dict[str, Path], case: str, what: str) -> Path:
    if case in files:
        return files[case]
    if case in dataset.images:
        raise UsageError(f"{dataset.folder}: case {case!r} has no {what}")
    nearest = difflib.get_close_matches(case, dataset.images, n=1, cutoff=0)
    raise UsageError(f"{dataset.folder} has no case {case!r}; did you mean {', '.join(map(repr, nearest))}?")
