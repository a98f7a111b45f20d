"""What a model learns from several raters: one of them, their consensus, all of them softly, or one at random.

    trained_on           strategy               label of a case (C, *spatial)         compared with
    <rater>              expert                 their mask, bool (1, …)               the same mask
    staple, majority …   consensus:<method>     the consensus, bool (1, …)            the same mask
    soft                 soft                   share of raters, float32 (1, …)       the majority
    random_rater         random_rater           all masks, bool (R, …); one per tile  the majority

The last two learn a probability that raters mark a pixel; above one half that is what the majority does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segassay.cache import cached_staple
from segassay.cases import read_case_mask
from segassay.consensus import METHODS as PIXEL_METHODS
from segassay.consensus import count_decisions, fuse_decisions
from segassay.dataset import Dataset, case_raters
from segassay.errors import DataError, UsageError
from segassay.files import image_shape
from segassay.object_consensus import object_consensus

SOFT, RANDOM_RATER = "soft", "random_rater"
METHODS = (*(method for method in PIXEL_METHODS if method != SOFT), "object")
OF_ALL_RATERS = (*METHODS, SOFT, RANDOM_RATER)


def targets_of(dataset: Dataset) -> list[str]:
    """Everything that a model can be trained on: what all raters say together, then each rater.

    Raises:
        DataError: If a rater has the name of something else.
    """
    for rater in dataset.raters:
        if rater in (*OF_ALL_RATERS, "expert"):
            raise DataError(
                f"{dataset.folder}: a rater is named {rater}, which here means several raters; "
                "rename the folder, or name the rater under `raters` in dataset.yaml"
            )
    return [*OF_ALL_RATERS, *dataset.raters]


def check_target(dataset: Dataset, trained_on: str) -> None:
    """Refuse what no model can be trained on.

    Raises:
        UsageError: If there is no such rater or consensus.
        DataError: As `targets_of`.
    """
    if trained_on not in targets_of(dataset):
        raise UsageError(
            f"--rater {trained_on}: {dataset.folder} has no such rater; choose one of {', '.join(dataset.raters)}, or "
            f"of all together {', '.join(OF_ALL_RATERS)}"
        )


def strategy_of(trained_on: str) -> str:
    """Kind of a training target.

    Example:
        >>> [strategy_of(name) for name in ("anna", "majority", "soft", "random_rater")]
        ['expert', 'consensus:majority', 'soft', 'random_rater']
    """
    if trained_on in METHODS:
        return f"consensus:{trained_on}"
    return trained_on if trained_on in OF_ALL_RATERS else "expert"


def target_name(trained_on: str) -> str:
    """Annotator name of the mask that a model is compared with.

    Example:
        >>> [target_name(name) for name in ("anna", "staple", "soft")]
        ['anna', 'consensus_staple', 'consensus_majority']
    """
    method = _compared_with(trained_on)
    return f"consensus_{method}" if method in METHODS else method


def describe_target(trained_on: str) -> str:
    """Words for a message, as in "learning from …".

    Example:
        >>> describe_target("staple"), describe_target("anna")
        ("the raters' consensus (staple)", 'the annotation by anna')
    """
    if trained_on == SOFT:
        return "the share of raters who marked each pixel"
    if trained_on == RANDOM_RATER:
        return "one rater per tile, drawn at random,"
    return f"the raters' consensus ({trained_on})" if trained_on in METHODS else f"the annotation by {trained_on}"


def raters_of(dataset: Dataset, trained_on: str) -> list[str]:
    """Raters whose masks are read; a case annotated by none of them has no label.

    Raises:
        UsageError: As `check_target`.
    """
    check_target(dataset, trained_on)
    return list(dataset.raters) if trained_on in OF_ALL_RATERS else [trained_on]


def is_labelled(dataset: Dataset, trained_on: str, case: str) -> bool:
    """Whether there is a label of the case."""
    return any(case in dataset.masks[rater] for rater in raters_of(dataset, trained_on))


def read_target(dataset: Dataset, case: str, trained_on: str, cache_dir: Path | None = None) -> np.ndarray:
    """Mask that a model is compared with, by which its best state is selected and itself is scored.

    Args:
        dataset: The annotated images.
        case: A case annotated by at least one of `raters_of`.
        trained_on: One of `targets_of`.
        cache_dir: Folder of computed STAPLE masks; by default the user's cache folder.

    Returns:
        Boolean mask `(*spatial)`; ignored areas are still in it.
    """
    method = _compared_with(trained_on)
    if method not in METHODS:
        return read_case_mask(dataset, trained_on, case) > 0
    if method == "staple":
        return _read_staple(dataset, case, cache_dir)
    masks = [read_case_mask(dataset, rater, case) for rater in case_raters(dataset, case)]
    if method == "object":
        return object_consensus(masks).mask
    return fuse_decisions(count_decisions(mask > 0 for mask in masks), method).mask


def _compared_with(trained_on: str) -> str:
    return "majority" if trained_on in (SOFT, RANDOM_RATER) else trained_on


def _read_staple(dataset: Dataset, case: str, cache_dir: Path | None) -> np.ndarray:
    raters = case_raters(dataset, case)
    paths = [dataset.masks[rater][case] for rater in raters]
    reading = "" if dataset.classes is None else str(dataset.classes)
    mask = cached_staple(
        paths, lambda: [read_case_mask(dataset, rater, case) > 0 for rater in raters], cache_dir, reading=reading
    ).mask
    if mask.shape != image_shape(dataset.images[case]):  # read from the cache, beside an image that was exchanged
        raise DataError(f"{paths[0]} has shape {mask.shape}, another than its image {dataset.images[case]}")
    return mask


def read_labels(dataset: Dataset, case: str, trained_on: str, cache_dir: Path | None = None) -> np.ndarray:
    """Label that tiles for training are cut from.

    Returns:
        `(C, *spatial)`: for `random_rater` a boolean mask of each rater of the case in natural order; for `soft` one
        float32 channel, the share of these raters who marked a pixel; else one boolean mask.
    """
    if trained_on not in (SOFT, RANDOM_RATER):
        return read_target(dataset, case, trained_on, cache_dir)[None]
    masks = np.stack([read_case_mask(dataset, rater, case) > 0 for rater in case_raters(dataset, case)])
    return masks if trained_on == RANDOM_RATER else masks.mean(axis=0, dtype=np.float32, keepdims=True)
