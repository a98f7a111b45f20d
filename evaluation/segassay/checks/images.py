"""Find problems of images: of each image, and of images compared with the others.

file of a case  ->  facts, problems          facts of all images  ->  images that differ from the others
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from segassay.checks.facts import ImageFacts, spacing_range, spacing_text
from segassay.data.cases import read_case_image
from segassay.data.dataset import Dataset
from segassay.data.named_channels import INTENSITY
from segassay.data.spacings import unlike_spacing
from segassay.errors import DataError, Problem, number_of, shortlist
from segassay.io.grids import NO_PLACE, is_place
from segassay.io.images import Picture
from segassay.io.spacing import UM_PER_UNIT

__all__ = ["across_images", "as_problem", "check_image"]

_SAME_SPACING = 0.01
_CORRECT_SPACING = "correct the header, or write spacing_um into dataset.yaml"


def check_image(dataset: Dataset, case: str) -> tuple[ImageFacts | None, list[Problem]]:
    """Facts of the image of a case, None if it cannot be read; and its problems."""
    path = dataset.images[case]
    as_stored = dataclasses.replace(dataset, settings=dataset.settings.model_copy(update={"spacing_um": None}))
    try:
        picture = read_case_image(as_stored, case)
    except DataError as error:
        return None, [as_problem(path, error)]
    array = picture.array
    facts = ImageFacts(
        path=path,
        shape=array.shape[1:],
        n_channels=array.shape[0],
        dtype=str(array.dtype),
        spacing_um=picture.spacing_um,
        unit=picture.unit,
        digest=hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest(),
    )
    return facts, list(_pixel_problems(path, picture, dataset))


def as_problem(path: Path, error: DataError) -> Problem:
    """Turn an error of reading a file into a problem of this file, or of the file that the error names."""
    return Problem(
        error.file or str(path),
        error.what or str(error),
        error.action or "correct the file, or export it again",
        kind=error.kind or "unreadable",
    )


def _pixel_problems(path: Path, picture: Picture, dataset: Dataset) -> Iterator[Problem]:
    array = picture.array
    if picture.turned:
        what = "asks viewers to turn or mirror it (orientation tag), and is read as they show it"
        action = "check that masks fit: Fiji ignores the tag; to be sure, save the image again without it"
        yield Problem(str(path), what, action, "warning", kind="turned")
    if array.dtype.kind in "fc":
        with np.errstate(invalid="ignore"):  # training and statistics compute in single precision
            n_bad = array.size - int(np.count_nonzero(np.abs(array) <= np.finfo(np.float32).max))
        if n_bad:
            what = f"{n_bad} of {array.size} pixel values are NaN or infinite, or beyond 3.4e38"
            yield Problem(str(path), what, "replace them by numbers, or export the image again", kind="not-finite")
            return
    if picture.affine is not None and not is_place(picture.affine):
        yield Problem(str(path), *NO_PLACE, kind="geometry")
    elif picture.unread and dataset.settings.spacing_um is None:
        what = f"the header gives {picture.unread}, which is not a valid pixel size; distances are in pixels"
        yield Problem(str(path), what, _CORRECT_SPACING, "warning", kind="spacing-unread")
    elif picture.affine is not None and dataset.settings.spacing_um is None:
        yield from _spacing_problems(path, picture, picture.affine)
    constant = [channel.min() == channel.max() for channel in array]
    if all(constant):
        what = f"every pixel has the value {array.flat[0]}, so the image is blank"
        yield Problem(str(path), what, "export it again, or remove the case", "warning", kind="blank")
        return
    used = dict.fromkeys(dataset.intensities.values(), "from which intensities are read")
    for place, why in (used | dict.fromkeys(dataset.segmented, "which a network sees")).items():
        if place < len(array) and constant[place]:
            named = place < len(dataset.channels)
            name = repr(dataset.channels[place]) if named else str(place)
            what = f"channel {name}, {why}, has the value {array[place].flat[0]} everywhere"
            action = "set intensity_channel in dataset.yaml to the channel with the signal (the first is 0)"
            if named:
                action = "check the names of the channels and their order, or export the image again"
            yield Problem(str(path), what, action, "warning", kind="blank-channel")


def _spacing_problems(path: Path, picture: Picture, affine: np.ndarray) -> Iterator[Problem]:
    """A NIfTI has the size of its voxels twice, and programs that change one may forget the other."""
    if picture.spacing_um is None:
        return
    n_axes = len(picture.spacing_um)
    by_affine = np.linalg.norm(affine[:3, :n_axes], axis=0) * UM_PER_UNIT[picture.unit or "mm"]
    if not np.allclose(by_affine, picture.spacing_um, rtol=_SAME_SPACING, atol=0):
        one, other = (spacing_text(sizes, 4, picture.unit) for sizes in (picture.spacing_um, by_affine.tolist()))
        what = f"the header gives voxels two sizes: {one} (pixdim), which distances use, and {other} by its affine"
        yield Problem(str(path), what, _CORRECT_SPACING, "warning", kind="two-spacings")


def across_images(dataset: Dataset, images: Sequence[ImageFacts]) -> Iterator[Problem]:
    """Problems that appear when all images are compared with each other and with dataset.yaml."""
    yield from _unlike_images(images)
    yield from _same_pictures(images)
    yield from _settings_problems(dataset, images)


def _unlike_images(images: Sequence[ImageFacts]) -> Iterator[Problem]:
    export = "export all images in the same way"
    split = "keep one kind of images in a dataset; make a second dataset of the others"
    yield from _odd_ones(images, lambda image: len(image.shape), "has {} spatial axes", split, "error", "image-axes")
    yield from _odd_ones(images, lambda image: image.n_channels, "has {} channels", export, "error", "image-channels")
    yield from _odd_ones(images, lambda image: image.dtype, "has pixels of type {}", export, "warning", "pixel-type")


def _odd_ones(
    images: Sequence[ImageFacts],
    value_of: Callable[[ImageFacts], Any],
    has: str,
    action: str,
    level: Literal["error", "warning"],
    kind: str,
) -> Iterator[Problem]:
    """Images that differ from most; if values are equally common, that of the first image is the usual one."""
    values = [value_of(image) for image in images]
    for usual, n_usual in Counter(values).most_common(1):
        for image, value in zip(images, values, strict=True):
            if value != usual:
                what = f"{has.format(value)}, but {_usual(n_usual, len(images))} {usual}"
                yield Problem(str(image.path), what, action, level, kind=kind)


def _usual(n_usual: int, n_images: int) -> str:
    return f"{n_usual} of {n_images} images {'has' if n_usual == 1 else 'have'}"


def _same_pictures(images: Sequence[ImageFacts]) -> Iterator[Problem]:
    first: dict[tuple[Any, ...], ImageFacts] = {}
    for image in images:
        known = first.setdefault((image.shape, image.dtype, image.digest), image)
        if known is not image:
            what = f"the same image as {known.path.name}"
            yield Problem(
                str(image.path),
                what,
                "keep one: a copy would count twice, and could be in two folds",
                "warning",
                kind="same-image",
            )


def _settings_problems(dataset: Dataset, images: Sequence[ImageFacts]) -> Iterator[Problem]:
    """Settings of dataset.yaml that contradict the images; one problem per setting, however many images differ."""
    file, settings = str(dataset.folder / "dataset.yaml"), dataset.settings
    names, place = dataset.channels, dataset.intensities.get(INTENSITY, 0)
    other = [image for image in images if names and image.n_channels != len(names)]
    if other:
        said = "channels" if settings.channels is not None else "the first image, or dataset.json,"
        what = f"{said} names {', '.join(names)}, but {_such_as(other)} has {number_of(other[0].n_channels, 'channel')}"
        yield Problem(file, what, "name each channel of the images, in their order", kind="channel-count")
    dark = [image for image in images if image.n_channels <= place]
    if dark:
        n_channels = number_of(dark[0].n_channels, "channel")
        what = f"intensity_channel is {settings.intensity_channel}, but {_such_as(dark)} has {n_channels}"
        yield Problem(
            file,
            what,
            "the first channel is 0: correct the number, or leave intensity_channel out",
            kind="intensity-channel",
        )
    spacing = settings.spacing_um
    if spacing is None:
        yield from _unlike_spacing(images)
        return
    wrong = [image for image in images if len(image.shape) != len(spacing)]
    if wrong:
        what = f"spacing_um has {len(spacing)} numbers, but {_such_as(wrong)} has {len(wrong[0].shape)} spatial axes"
        yield Problem(
            file, what, "give one number per axis: rows and columns, or planes, rows and columns", kind="spacing-axes"
        )
    other = [
        image for image in images if image not in wrong and not _same_spacing(image.spacing_um or spacing, spacing)
    ]
    if other:
        said = _listed(other[0].spacing_um, other[0].unit)
        what = f"spacing_um is {_listed(spacing, 'µm')}, but {_such_as(other)} says {said}"
        yield Problem(file, what, "check which is right; dataset.yaml is used", "warning", kind="spacing-settings")


def _unlike_spacing(images: Sequence[ImageFacts]) -> Iterator[Problem]:
    """One problem for each image that differs from most; only one for all if no spacing is that of most images."""
    unlike = unlike_spacing({str(image.path): image.spacing_um for image in images})
    for usual, n_usual in Counter(image.spacing_um for image in images).most_common(1):
        known = {image.spacing_um for image in images if image.spacing_um is not None}
        if 2 * n_usual <= len(images) and len(known) > 2 and len({len(spacing) for spacing in known}) == 1:
            yield _many_spacings(images, sorted(known), unlike)
            return
        for image in images:
            if len(image.shape) == len(usual or image.shape) and not _same_spacing(image.spacing_um, usual):
                unit = image.unit or images[0].unit
                own, others = _listed(image.spacing_um, unit), _listed(usual, unit)
                what = f"spacing {own}, but {_usual(n_usual, len(images))} {others}"
                action = (
                    "correct the file, or give spacing_um in dataset.yaml: sizes in pixels are not comparable otherwise"
                )
                if str(image.path) in unlike:
                    action += "; if it is right, resample image and masks before a training, which does not"
                yield Problem(str(image.path), what, action, "warning", kind="spacing-differs")


def _many_spacings(images: Sequence[ImageFacts], known: Sequence[tuple[float, ...]], unlike: Sequence[str]) -> Problem:
    """Of scanners, which fit the pixels to the patient; `unlike` are the files that are far from the median."""
    n_unknown = sum(image.spacing_um is None for image in images)
    what = f"{len(images)} images have {len(known)} spacings, {spacing_range(known, 3, images[0].unit)}"
    what += f", and {n_unknown} have none" if n_unknown else ""
    pixels = "voxels" if len(known[0]) == 3 else "pixels"
    action = f"distances and sizes use that of each image; only min_object_size is in {pixels}: check that it suits all"
    if unlike:
        files = shortlist([Path(file).name for file in unlike])
        action += (
            f". A model sees {pixels}, and a training does not resample: first resample images that differ from the "
            f"median by more than a quarter along an axis: {files}"
        )
    return Problem(str(images[0].path.parent), what, action, "warning", kind="spacing-differs")


def _same_spacing(one: tuple[float, ...] | None, other: tuple[float, ...] | None) -> bool:
    if one is None or other is None:
        return one is other
    return len(one) == len(other) and bool(np.allclose(one, other, rtol=_SAME_SPACING, atol=0))


def _listed(spacing_um: tuple[float, ...] | None, unit: str | None) -> str:
    return "unknown" if spacing_um is None else spacing_text(spacing_um, 4, unit)


def _such_as(images: Sequence[ImageFacts]) -> str:
    return f"{images[0].path.name}" + (f" (and {number_of(len(images) - 1, 'more image')})" if len(images) > 1 else "")
