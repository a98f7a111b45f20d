"""Read one case: its image, masks, ignored area and region, each when it is needed.

Dataset, case -> Picture (C, *spatial) | mask (*spatial) | area (*spatial), all of one spatial shape
"""

import dataclasses
import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from segassay.data.classes import ClassMap, Meaning, numbers_problem, read_classes, read_foreground, read_ignored
from segassay.data.dataset import Dataset
from segassay.data.named_channels import in_order
from segassay.errors import DataError, Problem, UsageError, number_of, raise_problems
from segassay.io.grids import Grid, on_grid
from segassay.io.images import Picture, holds_outlines, read_grid, read_image, read_mask
from segassay.masks.numbers import numbers_of

_ENOUGH = 50
"""Masks of one annotator that say what the numbers in all of them are."""


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
    return read_spaced_image(image_files(dataset, case), dataset.settings.spacing_um, dataset.names_in_files)


def read_seen_image(dataset: Dataset, case: str) -> Picture:
    """Image of one case with the channels that a network sees, `segment_channels`. Raises as `read_case_image`."""
    return _seen(dataset, read_case_image(dataset, case))


def _seen(dataset: Dataset, picture: Picture) -> Picture:
    """A picture with the channels that a network sees.

    Raises:
        DataError: If it has fewer channels than there are names.
    """
    places = dataset.segmented
    if not places:
        return picture
    if max(places) >= len(picture.array):
        what = f"has {number_of(len(picture.array), 'channel')}, but {len(dataset.channels)} names"
        raise DataError.of(dataset.folder, f"an image {what}", "check the dataset", kind="channel-count")
    return dataclasses.replace(picture, array=picture.array[list(places)], channel_names=dataset.seen_channels)


def read_spaced_image(
    paths: Sequence[Path], spacing_um: tuple[float, ...] | None, names: Sequence[str] = ()
) -> Picture:
    """Image of one or more files, with their channels in order; spacing and affine come from the first.

    Further NIfTI files that are stored in another orientation than the first are turned to it, as masks are.

    Args:
        paths: At least one file.
        spacing_um: From `dataset.yaml`; if given, it overrides that of the file.
        names: Of the channels in their order, if files name them.

    Raises:
        DataError: As `read_case_image`; or if a file names other channels, or lies elsewhere than the first.
    """
    picture = read_image(paths[0])
    if len(paths) > 1:
        grid = Grid(paths[0], picture.array.shape[1:], picture.affine)
        arrays = [picture.array, *(_on_first(path, read_image(path), grid) for path in paths[1:])]
        picture = dataclasses.replace(picture, array=np.concatenate(arrays))
    return spaced(paths[0], in_order(paths[0], picture, names), spacing_um)


def _on_first(path: Path, picture: Picture, first: Grid) -> np.ndarray:
    """Channels of a further file of an image, `(C, *spatial)`, in the axes of the first file."""
    shape = picture.array.shape[1:]
    if sorted(shape) == sorted(first.shape):
        try:
            array = np.stack([on_grid(path, channel, picture.affine, first) for channel in picture.array])
        except DataError as error:
            what = f"lies elsewhere than channel {first.path}, by the affines of both files"
            action = "resample it onto that channel, or correct the header that is wrong"
            raise DataError.of(path, what, action, kind="geometry") from error
        if array.shape[1:] == first.shape:
            return array
    what = f"has shape {shape}, but channel {first.path} has {first.shape}"
    raise DataError.of(path, what, expected="the same, export the channels again", kind="channel-shape")


def spaced(path: Path, picture: Picture, spacing_um: tuple[float, ...] | None) -> Picture:
    """A picture with the pixel size of `dataset.yaml`, if there is one. Raises as `read_case_image`."""
    if spacing_um is None:
        return picture
    if len(spacing_um) != picture.array.ndim - 1:
        what = f"spacing_um has {len(spacing_um)} numbers, but {path} has {picture.array.ndim - 1} axes"
        raise DataError.of_problem(Problem("dataset.yaml", what, "give one number per axis", kind="spacing-axes"))
    return dataclasses.replace(picture, spacing_um=spacing_um, unread="")


def channel_reader(dataset: Dataset) -> Callable[[str], Picture]:
    """Make a function that reads an image with the channels that a network sees, given the file of the first one."""
    files = {str(dataset.images[case]): paths for case, paths in dataset.more_channels.items()}
    return functools.partial(_read_all_channels, dataset, files)


def _read_all_channels(dataset: Dataset, files: Mapping[str, tuple[Path, ...]], path: str) -> Picture:
    picture = read_spaced_image([Path(path), *files.get(str(path), ())], None, dataset.names_in_files)
    return _seen(dataset, picture)


def read_case_mask(dataset: Dataset, annotator: str, case: str) -> np.ndarray:
    """Mask of one case by a rater or the reference: bool, or int32 for a label image (see `io.images.read_mask`).

    Classes, as nnU-Net's masks hold them, are one boolean foreground.

    Raises:
        UsageError: If there is no such rater or case, or that rater did not annotate the case.
        DataError: If the file cannot be read, its shape is not the image's, or its numbers look like classes.
    """
    path, grid = _mask_file(dataset, annotator, case), _grid_of(dataset, case)
    meaning = dataset.meaning_of(annotator)
    return _fitting(path, read_annotation(path, meaning, instances=dataset.holds_instances, grid=grid), grid)


def read_case_classes(dataset: Dataset, annotator: str, case: str) -> np.ndarray:
    """Value of the class of each pixel by a rater or the reference, int32 `(*spatial)`; 0 for background.

    Pixels to ignore are 0 too. Raises as `read_case_mask`, and a UsageError if the dataset has no classes.
    """
    if dataset.classes is None or not dataset.class_names:
        raise UsageError(f"{dataset.folder} has no classes; name them as `classes` in dataset.yaml")
    path, grid = _mask_file(dataset, annotator, case), _grid_of(dataset, case)
    return _fitting(path, read_classes(path, dataset.classes, grid), grid)


def _mask_file(dataset: Dataset, annotator: str, case: str) -> Path:
    """Mask file of a rater or the reference. Raises a UsageError if there is none."""
    everyone = dict(dataset.masks)
    if dataset.reference_name is not None:
        everyone[dataset.reference_name] = dataset.reference
    if annotator not in everyone:
        raise UsageError(f"{dataset.folder} has no rater {annotator!r}; expected one of {', '.join(everyone)}")
    return _of_case(dataset, everyone[annotator], case, f"mask by {annotator}")


def read_annotation(
    path: Path, meaning: Meaning | None, *, instances: bool = False, grid: Grid | None = None
) -> np.ndarray:
    """Mask of a file by a rater or the reference.

    Args:
        path: The file.
        meaning: Of its values, if these are classes or inverted.
        instances: Whether the dataset says that each number is one object.
        grid: Of its image; outlines cannot be read without.

    Raises:
        DataError: If the file cannot be read, or its numbers look like classes and nothing says what they are.
    """
    if meaning is not None:
        return read_foreground(path, meaning, grid)
    mask = read_mask(path, grid)
    if mask.dtype != bool and not instances and not holds_outlines(path):
        problem = numbers_problem(str(path), [numbers_of(mask)])
        if problem is not None:
            raise DataError.of_problem(problem)
    return mask


def refuse_classes(dataset: Dataset) -> None:
    """Raise an error if the numbers in label images of an annotator look like classes and nothing says what they are.

    At most 50 masks of each rater and of the reference are read, from the first to the last in equal steps.

    Args:
        dataset: Nothing is read if it says `objects: instances`, or holds classes as nnU-Net does.

    Raises:
        DataError: Lists all such annotators; also if a mask cannot be read.
    """
    if dataset.holds_instances or dataset.classes is not None:
        return
    problems = []
    for paths in [*dataset.masks.values(), dataset.reference]:
        files = [path for path in paths.values() if not holds_outlines(path)]
        masks = [read_annotation(path, None) for path in files[:: -(-len(files) // _ENOUGH) or 1]]
        numbers = [numbers_of(mask) for mask in masks if mask.dtype != bool]
        problem = numbers_problem(str(files[0].parent), numbers) if numbers else None
        problems += [problem] if problem is not None and problem.level == "error" else []
    raise_problems(dataset.folder, problems)


def read_case_ignore(dataset: Dataset, case: str) -> np.ndarray | None:
    """Boolean mask `(*spatial)` of the ignored area; None if the case has none. Raises as `read_case_mask`."""
    _of_case(dataset, dataset.images, case, "image")
    path = dataset.ignore.get(case)
    if path is None:
        return None
    grid = _grid_of(dataset, case)
    return _fitting(path, read_ignored_area(path, dataset.ignored_class, grid), grid)


def read_ignored_area(path: Path, ignored_class: ClassMap | None, grid: Grid | None = None) -> np.ndarray:
    """Boolean mask of the ignored area in a file: its foreground, or the class `ignore` of a mask of nnU-Net."""
    return read_mask(path, grid) > 0 if ignored_class is None else read_ignored(path, ignored_class, grid)


def read_case_region(dataset: Dataset, case: str) -> np.ndarray | None:
    """Boolean mask `(*spatial)` of the region in which objects count; None if the case has none. Raises as above."""
    _of_case(dataset, dataset.images, case, "image")
    path = dataset.region_masks.get(case)
    if path is None:
        return None
    grid = _grid_of(dataset, case)
    return _fitting(path, read_mask(path, grid) > 0, grid)


def _grid_of(dataset: Dataset, case: str) -> Grid:
    return read_grid(dataset.images[case])


def _fitting(path: Path, mask: np.ndarray, grid: Grid) -> np.ndarray:
    if mask.shape != grid.shape:
        what = f"has shape {mask.shape}, but its image {grid.path} has {grid.shape}"
        raise DataError.of(path, what, expected="the same", kind="mask-shape")
    return mask


def _of_case(dataset: Dataset, files: dict[str, Path], case: str, what: str) -> Path:
    if case in files:
        return files[case]
    if case in dataset.images:
        raise UsageError(f"{dataset.folder}: case {case!r} has no {what}")
    nearest = difflib.get_close_matches(case, dataset.images, n=1, cutoff=0)
    raise UsageError(f"{dataset.folder} has no case {case!r}; did you mean {', '.join(map(repr, nearest))}?")
