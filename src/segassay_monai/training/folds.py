"""Folds: the cases that a member trains on, those that select its checkpoint, and those that it holds out.

dataset, trained_on, fold, seed -> plan_member -> train | val (selection only) | held_out (scored once)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from segassay.data.dataset import Dataset, data_hash, strata, units_of
from segassay.errors import DataError, UsageError
from segassay_monai.ensemble.classes import SEPARATE, Classes, names_of, plain_classes
from segassay_monai.ensemble.images import check_intensity_range
from segassay_monai.ensemble.members import Member, image_hashes, read_members, seen_by, subject_of
from segassay_monai.ensemble.network import read_checkpoint, read_network_settings
from segassay_monai.targets import check_target, is_labelled, strategy_of
from segassay_monai.training.assignment import assign_folds, number_subjects, strata_of


def plan_member(
    dataset: Dataset,
    *,
    trained_on: str,
    fold: int,
    n_folds: int,
    seed: int,
    val_fraction: float,
    n_train: int | None = None,
    strategy: str | None = None,
    initialise_from: str | Path | None = None,
) -> Member:
    """Assign the cases of a member: to train on, to select its checkpoint, to hold out.

    Folds depend on the dataset alone, so every member of a fold has the same held-out cases. The remaining cases are
    split again, at random by seed and fold; both splits distribute the subjects of every group evenly. Cases marked
    `test` in the experiment table are in no fold and are never seen.

    Args:
        dataset: The annotated images.
        trained_on: Training target, one of `segassay_monai.targets.targets_of`.
        fold: Fold that is held out, 0 to `n_folds` - 1.
        n_folds: Number of folds; fewer if there are fewer subjects (or cases, without subjects).
        seed: Random seed of the member.
        val_fraction: Part of the remaining cases that selects the checkpoint; at least one.
        n_train: Number of annotated cases to use, those that select the checkpoint included, since they were annotated
            as well; by default all. Drawn by seed and fold, evenly over the groups; a smaller draw is part of a larger.
        strategy: Name of the strategy in a study; by default it follows from `trained_on`.
        initialise_from: Checkpoint with the first weights; the cases that it has seen count as seen by this member.

    Raises:
        UsageError: If the rater or the fold does not exist, or the checkpoint has seen a held-out case.
        DataError: If there are too few cases to train, select and hold out.
    """
    check_target(dataset, trained_on)
    if not 0 < val_fraction < 1:
        raise UsageError(f"--val_fraction {val_fraction}: expected a number between 0 and 1, such as 0.125")
    if seed < 0:
        raise UsageError(f"--seed {seed}: expected 0 or a positive number")
    table = strata(dataset)
    table = table[table["split"] != "test"]
    folds = assign_folds(table, n_folds)
    if not 0 <= fold <= folds.max():
        raise UsageError(f"--fold {fold}: expected 0 to {folds.max()} ({folds.max() + 1} folds of {len(table)} cases)")
    seen = table[folds != fold]
    seen = seen[[is_labelled(dataset, trained_on, case) for case in seen.index]]
    units = units_of(seen["subject"]).nunique()
    if units < 2:
        what = f"has {len(table)} case(s), of which {len(seen)} in {units} subject(s) are left to train on {trained_on}"
        action = "give images of at least 3 subjects (or 3 images): one to train, one to select, one to hold out"
        if units_of(table["subject"]).nunique() >= 3:
            action = "give more images, masks of this target, or a larger --n_folds, so that two are left"
        raise DataError.of(dataset.folder, what, action)
    number = number_subjects(seen, seed=[seed, fold])
    if n_train is not None:
        seen, number = _use_some(seen, number, n_train)
        units = units_of(seen["subject"]).nunique()
    n_val = min(max(1, round(val_fraction * units)), units - 1)
    is_val = (number + 1) * n_val // units > number * n_val // units  # n_val subjects, evenly spaced over the strata
    train, val = tuple(seen.index[~is_val]), tuple(seen.index[is_val])
    held_out = tuple(table.index[folds == fold])
    earlier = [] if initialise_from is None else _read_initial(dataset, Path(initialise_from), held_out)
    images = [pixels for case in train + val for pixels in image_hashes(dataset, case)]
    images += [pixels for m in earlier for pixels in m.seen_images]
    subjects = [subject_of(dataset, name) for name in seen["subject"] if name]
    subjects += [subject for m in earlier for subject in m.seen_subjects]
    return Member(
        dataset=dataset.name,
        data_hash=data_hash(dataset),
        strategy=strategy_of(trained_on) if strategy is None else strategy,
        trained_on=trained_on,
        fold=fold,
        n_folds=int(folds.max()) + 1,
        seed=seed,
        train=train,
        val=val,
        held_out=held_out,
        seen_images=tuple(dict.fromkeys(images)),
        seen_subjects=tuple(dict.fromkeys(subjects)),
        initialised_from="".join(f"{m.dataset}: {m.name} fold {m.fold}" for m in earlier),
        channels=dataset.seen_channels,
        image_channels=dataset.channels,
    )


def _use_some(seen: pd.DataFrame, number: np.ndarray, n_train: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Take subjects of every stratum in turn, up to `n_train` cases in all, and number them from 0."""
    if not 2 <= n_train <= len(seen):
        raise UsageError(f"--n_train {n_train}: expected 2 to {len(seen)}, the images that are not held out")
    subjects = strata_of(seen).groupby(number).min()  # consecutive within a stratum, see `number_subjects`
    in_turn = subjects.groupby(subjects).cumcount().sort_values(kind="stable").index.to_numpy()
    so_far = np.bincount(number)[in_turn].cumsum()
    used = np.sort(in_turn[: np.searchsorted(so_far, n_train, side="right")])
    if len(used) < 2:
        raise UsageError(
            f"--n_train {n_train}: these are images of one subject, but selection needs a second; give more"
        )
    is_used = np.isin(number, used)
    return seen[is_used], np.searchsorted(used, number[is_used])


def _read_initial(dataset: Dataset, checkpoint: Path, held_out: Sequence[str]) -> list[Member]:
    """Read the member in a checkpoint; it must not have seen the cases that are held out now."""
    if not checkpoint.is_file():
        raise UsageError(f"--initialise_from {checkpoint}: no such file; give the model.pt of a trained member")
    earlier = read_members([checkpoint])
    subjects = strata(dataset)["subject"]
    known = [case for case in held_out if seen_by(earlier, dataset, case, subjects[case])]
    if known:
        raise UsageError(
            f"--initialise_from {checkpoint}: case {known[0]} was used in its training and is now held out "
            f"({len(known)} of {len(held_out)} cases); give a model of the same fold, or of other images"
        )
    return earlier


def initialised(
    network: torch.nn.Module,
    checkpoint: str | Path | None,
    classes: Classes = (),
    objects: str = SEPARATE,
    intensity_range: Sequence[float] | None = None,
) -> torch.nn.Module:
    """Load the weights of a checkpoint into the network; without a checkpoint, leave it unchanged.

    Args:
        network: The network.
        checkpoint: A `model.pt`; None for none.
        classes: Of the training. The outputs of a model of other classes, or of the same in another order, mean
            something else.
        objects: Of the training, as in `ensemble.classes`.
        intensity_range: Of the training, as of `NormalisePercentiled`.

    Raises:
        UsageError: If the weights do not fit, or the classes, the objects or the range differ.
    """
    if checkpoint is None:
        return network
    settings = read_network_settings([checkpoint])
    known = settings.classes
    if settings.objects != objects:
        raise UsageError(
            f"--initialise_from {checkpoint}: it was trained with `objects: {settings.objects}` and has other "
            f"outputs; give a model that was trained with `objects: {objects}`"
        )
    if check_intensity_range(settings.intensity_range) != check_intensity_range(intensity_range):
        own = settings.state_dict().get("intensity_range")
        raise UsageError(
            f"--initialise_from {checkpoint}: it was trained with --intensity_range {own}; give the same one"
        )
    if plain_classes(known) != plain_classes(classes):
        raise UsageError(
            f"--initialise_from {checkpoint}: it was trained on {names_of(known)}, but the dataset has "
            f"{names_of(classes)}; give a model of the same classes in the same order"
        )
    try:
        network.load_state_dict(read_checkpoint(checkpoint)["model"])
    except RuntimeError as error:
        raise UsageError(
            f"--initialise_from {checkpoint}: the weights do not fit the network; give --channels, --spatial_dims and "
            "--strides as in its training"
        ) from error
    return network
