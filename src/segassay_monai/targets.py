"""Training targets: one rater, a consensus, the share of raters, or one rater at random.

    trained_on           strategy               label of a case (C, *spatial)         compared with
    <rater>              expert                 their mask, bool (1, …)               the same mask
    staple, majority …   consensus:<method>     the consensus, bool (1, …)            the same mask
    soft                 soft                   share of raters, float32 (1, …)       the majority
    random_rater         random_rater           all masks, bool (R, …); one per tile  the majority

The last two learn the probability that raters mark a pixel; above one half, the majority marks it.

All but the first can be restricted to some raters: `staple_without_anna` is the consensus of all raters but one,
`staple_of_anna+ben` that of the named ones.

With K classes each has a channel: `(K, …)`, of `random_rater` `(R K, …)`, those of the first rater first. The consensus
is that of `segassay.consensus.classes`: of exclusive classes together, of regions that of each alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segassay.consensus.cache import cached_class_staple, cached_staple
from segassay.consensus.classes import are_exclusive, fuse_classes
from segassay.consensus.instances import keep_instances
from segassay.consensus.objects import object_consensus
from segassay.consensus.pixels import METHODS as PIXEL_METHODS
from segassay.consensus.pixels import count_decisions, fuse_decisions
from segassay.data.annotations import WITHOUT
from segassay.data.cases import read_case_classes, read_case_image, read_case_mask
from segassay.data.dataset import Dataset, case_raters
from segassay.errors import DataError, UsageError, shortlist
from segassay.io.images import image_shape, read_grid
from segassay.masks.objects import label_objects

logger = logging.getLogger("segassay")

Classes = Sequence[tuple[str, Sequence[int]]]
"""Name and values of each class."""

SOFT, RANDOM_RATER = "soft", "random_rater"
METHODS = (*(method for method in PIXEL_METHODS if method != SOFT), "object")
OF_ALL_RATERS = (*METHODS, SOFT, RANDOM_RATER)
OF, AND = "_of_", "+"
_OF_SOME_RATERS = re.compile(f"({'|'.join(OF_ALL_RATERS)})({WITHOUT}|{OF})(.+)", re.S)


def targets_of(dataset: Dataset) -> list[str]:
    """All training targets of a dataset: those of all raters together, then each rater.

    Raises:
        DataError: If a rater has the name of another target.
    """
    for rater in dataset.raters:
        if rater in (*OF_ALL_RATERS, "expert") or _OF_SOME_RATERS.fullmatch(rater):
            what = f"has a rater named {rater}, which is the name of a target of several raters"
            action = "rename the folder, or name the rater under `raters` in dataset.yaml"
            raise DataError.of(dataset.folder, what, action)
    return [*OF_ALL_RATERS, *dataset.raters]


def check_target(dataset: Dataset, trained_on: str, *, said: str = "--rater") -> None:
    """Check that a training target exists.

    Args:
        dataset: The annotated images.
        trained_on: The training target.
        said: How the user gave it, for the message.

    Raises:
        UsageError: If there is no such rater or consensus, or if it is about a single rater although raters are
            exchangeable: their masks were drawn by another person in each case.
        DataError: As `targets_of`.
    """
    known = targets_of(dataset)
    method, kind, names = _parts(trained_on)
    unknown = [name for name in names if name not in dataset.raters]
    if method not in known or unknown:
        raise UsageError(
            f"{said} {trained_on}: {dataset.folder} has no such rater{''.join(f' ({name})' for name in unknown)}; "
            f"choose one of {', '.join(dataset.raters)}, or of all together {', '.join(OF_ALL_RATERS)}"
        )
    if kind == WITHOUT and len(dataset.raters) == 1:
        raise UsageError(f"{said} {trained_on}: {dataset.folder} has no other rater")
    if dataset.settings.exchangeable and (method in dataset.raters or kind == WITHOUT):
        raise UsageError(
            f"{said} {trained_on}: raters of {dataset.folder} are exchangeable, so {names[0] if names else method} is "
            f"another person in each image, whom no model can learn or leave out; choose {', '.join(OF_ALL_RATERS)} "
            "(in STUDY.yaml as `strategies`, for example [staple, random_rater])"
        )


def _parts(trained_on: str) -> tuple[str, str, list[str]]:
    """Method (or rater), the kind of restriction, and its raters."""
    found = _OF_SOME_RATERS.fullmatch(trained_on)
    if found is None:
        return trained_on, "", []
    return found[1], found[2], found[3].split(AND) if found[2] == OF else [found[3]]


def target_of(method: str, raters: Sequence[str]) -> str:
    """Name of the target that applies a method to some raters; for one rater, the rater.

    Example:
        >>> target_of("staple", ["anna", "ben"]), target_of("staple", ["anna"])
        ('staple_of_anna+ben', 'anna')
    """
    return raters[0] if len(raters) == 1 else f"{method}{OF}{AND.join(raters)}"


def strategy_of(trained_on: str) -> str:
    """Strategy of a training target.

    Example:
        >>> [strategy_of(name) for name in ("anna", "majority", "soft", "random_rater")]
        ['expert', 'consensus:majority', 'soft', 'random_rater']
        >>> [strategy_of(name) for name in ("staple_without_anna", "soft_of_anna+ben")]
        ['consensus:staple_without', 'soft_of_2']
    """
    method, kind, names = _parts(trained_on)
    if method not in OF_ALL_RATERS:
        return "expert"
    of = {"": "", WITHOUT: WITHOUT.rstrip("_"), OF: f"{OF}{len(names)}"}[kind]
    return f"consensus:{method}{of}" if method in METHODS else f"{method}{of}"


def target_name(trained_on: str) -> str:
    """Annotator name of the mask that a model is compared with.

    Example:
        >>> [target_name(name) for name in ("anna", "staple", "soft", "staple_without_anna")]
        ['anna', 'consensus_staple', 'consensus_majority', 'consensus_staple_without_anna']
    """
    method, kind, names = _parts(trained_on)
    compared_with = _compared_with(method)
    return f"consensus_{compared_with}{kind}{AND.join(names)}" if compared_with in METHODS else compared_with


def describe_target(trained_on: str) -> str:
    """Describe a target for a message, as in "training on …".

    Example:
        >>> describe_target("staple"), describe_target("anna")
        ("the raters' consensus (staple)", 'the annotation by anna')
        >>> describe_target("staple_without_anna"), describe_target("staple_of_anna+ben")
        ("the raters' consensus (staple) without anna", "the raters' consensus (staple) of anna, ben")
    """
    method, kind, names = _parts(trained_on)
    of = f"{kind.replace('_', ' ')}{', '.join(names)}"
    if method == SOFT:
        return f"the share of raters{of} who marked each pixel"
    if method == RANDOM_RATER:
        return f"one rater{of} per tile, drawn at random,"
    return f"the raters' consensus ({method}){of}" if method in METHODS else f"the annotation by {method}"


def raters_of(dataset: Dataset, trained_on: str) -> list[str]:
    """Raters whose masks are read for a target; a case annotated by none of them has no label.

    Raises:
        UsageError: As `check_target`.
    """
    check_target(dataset, trained_on)
    method, kind, names = _parts(trained_on)
    if method not in OF_ALL_RATERS:
        return [method]
    return [rater for rater in dataset.raters if not kind or (rater in names) == (kind == OF)]


def _raters_of_case(dataset: Dataset, case: str, trained_on: str) -> list[str]:
    wanted = raters_of(dataset, trained_on)
    return [rater for rater in case_raters(dataset, case) if rater in wanted]


def is_labelled(dataset: Dataset, trained_on: str, case: str) -> bool:
    """Whether a case has a label for this target."""
    return any(case in dataset.masks[rater] for rater in raters_of(dataset, trained_on))


def read_target(
    dataset: Dataset, case: str, trained_on: str, cache_dir: Path | None = None, classes: Classes = ()
) -> np.ndarray:
    """Mask that a model is compared with, to select its best state and to score it.

    Args:
        dataset: The annotated images.
        case: A case annotated by at least one of `raters_of`.
        trained_on: One of `targets_of`.
        cache_dir: Folder of computed STAPLE masks; by default the user's cache folder.
        classes: Name and values of each class of the model; by default all classes are one foreground.

    Returns:
        Boolean mask `(*spatial)`, or `(K, *spatial)` of each class; ignored areas are not removed.
    """
    if classes:
        return _read_classes(dataset, case, trained_on, cache_dir, classes)
    method = _compared_with(_parts(trained_on)[0])
    if method not in METHODS:
        return read_case_mask(dataset, trained_on, case) > 0
    raters = _raters_of_case(dataset, case, trained_on)
    if method == "staple":
        return _read_staple(dataset, case, raters, cache_dir)
    masks = [read_case_mask(dataset, rater, case) for rater in raters]
    if method == "object":
        return object_consensus(masks, read_case_image(dataset, case).spacing_um).mask
    return fuse_decisions(count_decisions(mask > 0 for mask in masks), method).mask


def read_instances(dataset: Dataset, case: str, trained_on: str, cache_dir: Path | None = None) -> np.ndarray:
    """The same mask with its objects apart, also those that touch: int32 `(*spatial)`, objects 1..n.

    Of one rater these are the objects of the rater's mask; of a consensus those of the object consensus, or the
    foreground of a consensus by pixels, divided as `consensus.instances.keep_instances` does.

    Args:
        dataset: The annotated images, without classes.
        case: A case annotated by at least one of `raters_of`.
        trained_on: One of `targets_of`.
        cache_dir: Folder of computed STAPLE masks; by default the user's cache folder.
    """
    method = _compared_with(_parts(trained_on)[0])
    if method not in METHODS:
        return label_objects(read_case_mask(dataset, trained_on, case))
    masks = [read_case_mask(dataset, rater, case) for rater in _raters_of_case(dataset, case, trained_on)]
    spacing = read_case_image(dataset, case).spacing_um
    if method == "object":
        return object_consensus(masks, spacing).labels
    return keep_instances(read_target(dataset, case, trained_on, cache_dir), masks, spacing)


def read_label_instances(
    dataset: Dataset, case: str, trained_on: str, cache_dir: Path | None = None
) -> list[np.ndarray]:
    """Label images from which a model of touching objects learns, each as `read_instances` gives it.

    One for each rater of the case for `random_rater` and `soft`, else one.
    """
    if _parts(trained_on)[0] not in (SOFT, RANDOM_RATER):
        return [read_instances(dataset, case, trained_on, cache_dir)]
    raters = _raters_of_case(dataset, case, trained_on)
    return [label_objects(read_case_mask(dataset, rater, case)) for rater in raters]


def warn_without_instances(dataset: Dataset, trained_on: str, cases: Sequence[str]) -> None:
    """Say so if objects that touch are to be told apart, but no mask shows where they touch.

    Args:
        dataset: The annotated images.
        trained_on: One of `targets_of`.
        cases: Cases to train on; their masks are read until one is a label image.
    """
    raters = raters_of(dataset, trained_on)
    masks = ((rater, case) for case in cases for rater in raters if case in dataset.masks[rater])
    if all(read_case_mask(dataset, rater, case).dtype == bool for rater, case in masks):
        logger.warning(
            f"{dataset.folder}: objects: touching, but no mask of {shortlist(raters)} holds instances: in binary masks "
            "neighbours that touch are one object, so the model learns to divide only those that most raters drew "
            "apart; give label images (1, 2, 3 …) or outlines, or leave it out"
        )


def is_soft(trained_on: str) -> bool:
    """Whether the label is the share of raters.

    Example:
        >>> is_soft("soft_of_anna+ben"), is_soft("staple")
        (True, False)
    """
    return _parts(trained_on)[0] == SOFT


def masks_of(values: np.ndarray, classes: Classes) -> np.ndarray:
    """Mask of each class, boolean `(K, *spatial)`, in an image of values `(*spatial)`.

    Example:
        >>> masks_of(np.array([0, 1, 2]), [("organ", [1, 2]), ("tumour", [2])]).astype(int)
        array([[0, 1, 1],
               [0, 0, 1]])
    """
    return np.stack([np.isin(values, of_class) for _, of_class in classes])


def _read_classes(dataset: Dataset, case: str, trained_on: str, cache_dir: Path | None, classes: Classes) -> np.ndarray:
    """Target of each class, `(K, *spatial)`."""
    method = _compared_with(_parts(trained_on)[0])
    if method not in METHODS:
        return masks_of(read_case_classes(dataset, trained_on, case), classes)
    raters, values = _raters_of_case(dataset, case, trained_on), [tuple(of_class) for _, of_class in classes]
    labels = (read_case_classes(dataset, rater, case) for rater in raters)
    if method == "staple":
        paths = [dataset.masks[rater][case] for rater in raters]
        affine = read_grid(dataset.images[case]).affine
        reading = str([dataset.classes, None if affine is None else affine.tolist()])
        found = cached_class_staple(paths, lambda: labels, values, cache_dir, reading=reading)
        _check_shape(dataset, case, paths[0], found.labels.shape)
    else:
        spacing = read_case_image(dataset, case).spacing_um if method == "object" else None
        found = fuse_classes(labels, values, method, spacing)
    return masks_of(found.labels, classes) if are_exclusive(values) else found.prob[1:] > 0.5


def _check_shape(dataset: Dataset, case: str, path: Path, shape: tuple[int, ...]) -> None:
    """Refuse a consensus that was read from the cache after the image was replaced by one of another shape."""
    if shape != image_shape(dataset.images[case]):
        what = f"has shape {shape}, but its image {dataset.images[case]} has another"
        raise DataError.of(path, what, "give both one shape")


def _compared_with(method: str) -> str:
    return "majority" if method in (SOFT, RANDOM_RATER) else method


def _read_staple(dataset: Dataset, case: str, raters: Sequence[str], cache_dir: Path | None) -> np.ndarray:
    paths = [dataset.masks[rater][case] for rater in raters]
    affine = read_grid(dataset.images[case]).affine  # masks are turned to their image
    meanings = [dataset.meaning_of(rater) for rater in raters]
    reading = (
        str([meanings, None if affine is None else affine.tolist()]) if any(meanings) or affine is not None else ""
    )
    mask = cached_staple(
        paths, lambda: [read_case_mask(dataset, rater, case) > 0 for rater in raters], cache_dir, reading=reading
    ).mask
    _check_shape(dataset, case, paths[0], mask.shape)
    return mask


def read_labels(
    dataset: Dataset, case: str, trained_on: str, cache_dir: Path | None = None, classes: Classes = ()
) -> np.ndarray:
    """Label from which training tiles are cut.

    Returns:
        `(C, *spatial)`: for `random_rater` a boolean mask of each rater of the case in natural order; for `soft` one
        float32 channel, the share of these raters who marked a pixel; else one boolean mask. With classes the same of
        each class: `(K, *spatial)`, for `random_rater` `(R K, *spatial)`, those of the first rater first.
    """
    method = _parts(trained_on)[0]
    if method not in (SOFT, RANDOM_RATER):
        label = read_target(dataset, case, trained_on, cache_dir, classes)
        return label if classes else label[None]
    raters = _raters_of_case(dataset, case, trained_on)
    if classes:
        each = np.stack([masks_of(read_case_classes(dataset, rater, case), classes) for rater in raters])
        return each.reshape(-1, *each.shape[2:]) if method == RANDOM_RATER else each.mean(axis=0, dtype=np.float32)
    masks = np.stack([read_case_mask(dataset, rater, case) > 0 for rater in raters])
    return masks if method == RANDOM_RATER else masks.mean(axis=0, dtype=np.float32, keepdims=True)
