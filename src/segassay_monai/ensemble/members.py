"""Members of an ensemble: what a checkpoint records of its training, and the cases that no member has seen.

checkpoints -> read_members -> held_out_cases -> cases that no member has seen
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from segassay.data.cases import image_files, read_seen_image
from segassay.data.dataset import Dataset, strata
from segassay.data.named_channels import names_of, pick_channels
from segassay.data.names import natural_key
from segassay.errors import DataError, UsageError, number_of
from segassay.io.images import Picture, read_image
from segassay.io.kept_pictures import file_version
from segassay.io.volume_axes import CANONICAL, turn_to
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.ensemble.network import read_record

logger = logging.getLogger("segassay")


_IF_ANY = ("channels", "image_channels")


@dataclass(frozen=True)
class Member:
    """One training: its target, and its cases for training, selection and scoring."""

    dataset: str
    data_hash: str
    strategy: str
    trained_on: str
    fold: int
    n_folds: int
    seed: int
    train: tuple[str, ...]
    val: tuple[str, ...]
    held_out: tuple[str, ...]
    seen_images: tuple[str, ...]  # `image_hashes` of `train` and `val`, which also find renamed and turned copies
    seen_subjects: tuple[
        str, ...
    ]  # of `train` and `val`, with their dataset: other images of an animal are not independent
    initialised_from: str  # member that gave the first weights, whose images are among the seen ones; or empty
    channels: tuple[str, ...] = ()  # names of those that the network sees, in its order; or empty
    image_channels: tuple[str, ...] = ()  # names of all channels of the images

    @property
    def name(self) -> str:
        """Annotator name: training target and seed."""
        return f"{self.trained_on}/s{self.seed}"

    @property
    def folder(self) -> str:
        """Folder name, unique among the members of the dataset."""
        return member_folder(self.trained_on, self.fold, self.seed)

    def state_dict(self) -> dict[str, Any]:
        """Plain values for the checkpoint; names of channels only if there are any, as in those of earlier versions."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {key: value for key, value in plain.items() if value or key not in _IF_ANY}


def member_folder(trained_on: str, fold: int, seed: int) -> str:
    """Name of the folder of a member.

    Example:
        >>> member_folder("staple", 0, 7)
        'staple_fold0_seed7'
    """
    return f"{trained_on}_fold{fold}_seed{seed}"


def member_from_state(state: Mapping[str, Any]) -> Member:
    """Rebuild a member from its `state_dict`."""
    known = [field.name for field in fields(Member) if field.name in state or field.name not in _IF_ANY]
    values: dict[str, Any] = {name: state[name] for name in known}
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return Member(**values)


def common_value(members: Sequence[Member], attribute: str) -> Any:
    """Value of an attribute, such as `seed`, that all members share; empty if they differ, or there is none."""
    values = {getattr(member, attribute) for member in members}
    return values.pop() if len(values) == 1 else ""


def find_checkpoints(models: str | Path | Sequence[str | Path]) -> list[Path]:
    """Find the checkpoints of an ensemble: a list of files, or every `model.pt` below a folder, in natural order.

    Raises:
        UsageError: If a file or the folder is missing, or the folder holds no checkpoint.
    """
    if isinstance(models, (str, Path)):
        folder = Path(models)
        if folder.is_file():
            return [folder]
        found = sorted(folder.rglob("model.pt"), key=lambda path: natural_key(str(path)))
        found = [path for path in found if not any(p.endswith(".partial") for p in path.relative_to(folder).parts)]
        if not found:
            raise UsageError(
                f"--models {folder}: expected a folder with trained members (model.pt), found none; train first"
            )
        return found
    paths = [Path(path) for path in models]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing or not paths:
        raise UsageError(f"--models: no such checkpoint: {', '.join(missing) or 'the list is empty'}")
    return paths


def read_members(paths: Sequence[Path]) -> list[Member]:
    """Read what each checkpoint was trained on; refuse the same weights twice.

    Raises:
        DataError: If a file is not a checkpoint of SegAssay, two hold the same weights, or members see other channels.
    """
    members: list[Member] = []
    known: dict[str, Path] = {}
    for path in paths:
        try:
            record = read_record(path)
        except PredictionError as error:
            raise DataError.of(path, f"is {error.what}", error.action) from error
        try:
            member = member_from_state(record.values["member"])
        except Exception as error:
            what = "is not a checkpoint written by SegAssay, or one of another version: how it was trained is unknown"
            raise DataError.of(path, what, "give a model.pt that `segassay train` wrote, or train it again") from error
        if record.weights in known:
            what = f"and {known[record.weights]} hold the same weights, but an ensemble needs different ones"
            raise DataError.of(path, what, "remove one")
        known[record.weights] = path
        members.append(member)
        if member.channels != members[0].channels:
            seen = [", ".join(one.channels) or "channels without names" for one in (member, members[0])]
            what = f"sees {seen[0]}, but {paths[0]} sees {seen[1]}"
            raise DataError.of(path, what, "members of an ensemble see the same channels: leave one out")
    return members


def held_out_cases(
    dataset: Dataset, members: Sequence[Member], cases: Sequence[str | int] | str | int | None = None
) -> list[str]:
    """Select the cases that may be scored: no member has seen them or another image of their subject. The leak guard.

    Args:
        dataset: The dataset to score on.
        members: The members of the ensemble.
        cases: Cases to score; by default every case that all members held out.

    Raises:
        DataError: If a member has seen one of these cases, no case is held out by all, or members see other channels
            than the dataset names.
    """
    _check_channels(dataset, members)
    if isinstance(cases, (str, int, float)):  # one case; the command line turns 1107 into a number
        cases = _case_names(str(cases), dataset)
    wanted = dataset.cases if cases is None else list(dict.fromkeys(map(str, cases)))
    if not wanted:
        raise UsageError("--cases: the list is empty; leave it out to score every case that was held out")
    unknown = [case for case in wanted if case not in dataset.images]
    if unknown:
        raise UsageError(f"--cases: {dataset.folder} has no case {', '.join(unknown[:5])}")
    subjects = strata(dataset)["subject"]
    leaks = {case: seen_by(members, dataset, case, subjects[case]) for case in wanted}
    leaked = [case for case in wanted if leaks[case]]
    if cases is None and len(leaked) < len(wanted):
        logger.info(f"{len(wanted) - len(leaked)} cases are scored; {len(leaked)} were used to train the members")
        return [case for case in wanted if not leaks[case]]
    if cases is None:
        what = f"has no case that is held out by all {len(members)} members, so nothing can be scored"
        action = "combine members of one fold, or use the run id `inference` to predict without scores"
        raise DataError.of(dataset.folder, what, action)
    if leaked:
        what = (
            f"of case {leaked[0]} was used in the training of {leaks[leaked[0]]} and cannot be scored "
            f"({len(leaked)} of {len(wanted)} cases)"
        )
        raise DataError.of(dataset.images[leaked[0]], what, "leave it out, or leave out the member")
    return wanted


def _check_channels(dataset: Dataset, members: Sequence[Member]) -> None:
    """Raise an error if members see other channels than those of `segment_channels`.

    Without names in the dataset, as many channels as the members see are these, unless those of the training, as many,
    were in another order.
    """
    for member in members:
        own, theirs = dataset.seen_channels, member.channels
        if theirs and not own:
            _check_number(dataset, member)
        if own and theirs and own != theirs:
            what = f"names {', '.join(own)} as what a network sees, but {member.name} sees {', '.join(theirs)}"
            action = f"write `segment_channels: [{', '.join(theirs)}]` into dataset.yaml, or use other members"
            raise DataError.of(dataset.folder, what, action, kind="channel-missing")


def _check_number(dataset: Dataset, member: Member) -> None:
    """The same of a dataset whose channels have no names."""
    seen, among = member.channels, member.image_channels
    n = len(read_seen_image(dataset, dataset.cases[0]).array)
    if n != len(seen) or (n == len(among) and seen != among):
        what = f"has {number_of(n, 'channel')} without names, but {member.name} sees {', '.join(seen)}"
        what += f" of {', '.join(among)}" if among != seen else ""
        action = f"name them as `channels` in dataset.yaml, with `segment_channels: [{', '.join(seen)}]`"
        raise DataError.of(dataset.folder, what, action, kind="channel-missing")


def read_as_seen(members: Sequence[Member], path: str) -> Picture:
    """Image of one file with the channels that the members see, picked as `segassay.data.named_channels.pick_channels`.

    Args:
        members: They see the same channels; of these it is known which, or there are no members.
        path: The file.

    Raises:
        DataError: If it cannot be read, or lacks one of the channels.
    """
    picture = read_image(path)
    if not members or not members[0].channels:
        return picture
    seen, among = members[0].channels, members[0].image_channels
    places = pick_channels(Path(path), len(picture.array), names_of(picture), seen, among)
    return replace(picture, array=picture.array[places])


def _case_names(text: str, dataset: Dataset) -> list[str]:
    """Cases in a text such as `[0144, 0092]`, which the command line does not read as a list due to leading zeros."""
    if text in dataset.images:
        return [text]
    return [name for word in text.strip("[]()").split(",") if (name := word.strip(" '\""))]


def image_hashes(dataset: Dataset, case: str) -> tuple[str, ...]:
    """SHA-256 of the pixels of an image, of all channels that a network sees; the same in every file format.

    Files that this process read before and that have not changed are not read again.

    Returns:
        As `pixel_hashes`.
    """
    files = [file_version(path) for path in image_files(dataset, case)]
    if None in files:
        return _hashes_of(dataset, case)
    key = (*files, tuple(dataset.segmented), tuple(dataset.names_in_files))
    if key not in _HASHES:
        if len(_HASHES) >= _MOST_HASHES:
            _HASHES.clear()
        _HASHES[key] = _hashes_of(dataset, case)
    return _HASHES[key]


_MOST_HASHES = 10_000
_HASHES: dict[tuple[Any, ...], tuple[str, ...]] = {}


def _hashes_of(dataset: Dataset, case: str) -> tuple[str, ...]:
    picture = read_seen_image(dataset, case)
    return pixel_hashes(picture.array, picture.place)


def pixel_hashes(array: np.ndarray, affine: np.ndarray | None = None) -> tuple[str, ...]:
    """SHA-256 of the pixels of an image `(C, *spatial)`; of a NIfTI volume that is stored in other axes also in RAS.

    Two volumes that hold the same voxels in other orders, by their affines, share one of them.

    Args:
        array: The image.
        affine: Of a NIfTI; None if unknown.
    """
    turn = turn_to(CANONICAL, affine, array.ndim - 1)
    return (pixel_hash(array), *([] if turn is None else [pixel_hash(turn.to(array))]))


def pixel_hash(array: np.ndarray) -> str:
    """SHA-256 of the pixels of an image `(C, *spatial)` as it is stored."""
    return hashlib.sha256(f"{array.shape}".encode() + array.astype("<f4").tobytes()).hexdigest()


def pixel_hash_of_parts(shape: tuple[int, ...], parts: Iterable[np.ndarray]) -> str:
    """The same of an image that is read in parts: channel by channel, in the order of memory.

    Example:
        >>> array = np.arange(12.0).reshape(1, 3, 4)
        >>> pixel_hash_of_parts(array.shape, [array[:, :2], array[:, 2:]]) == pixel_hash(array)
        True
    """
    digest = hashlib.sha256(f"{shape}".encode())
    for part in parts:
        digest.update(part.astype("<f4").tobytes())
    return digest.hexdigest()


def subject_of(dataset: Dataset, name: str) -> str:
    """Subject with its dataset, because another dataset may use the same name for another animal."""
    return f"{dataset.name}: {name}"


def seen_by(
    members: Sequence[Member], dataset: Dataset, case: str, subject: str, pixels: Collection[str] | None = None
) -> str:
    """Name of a member that has seen this image (by content or name) or its subject; empty if there is none.

    `pixels` are the `image_hashes`, if they are known.
    """
    pixels = image_hashes(dataset, case) if pixels is None else pixels
    for member in members:
        same_dataset = member.dataset == dataset.name
        if has_seen(member, pixels) or (same_dataset and case in member.train + member.val):
            return member.name
        if subject and subject_of(dataset, subject) in member.seen_subjects:
            return f"{member.name} (subject {subject})"
    return ""


def has_seen(member: Member, pixels: Collection[str]) -> bool:
    """Whether an image with one of these `image_hashes` was in the training of a member."""
    return not set(pixels).isdisjoint(member.seen_images)
