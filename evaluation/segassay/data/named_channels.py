"""Names of the channels of images: which a network sees, and in which intensities are measured.

    dataset.yaml, dataset.json or OME metadata  ->  names of the channels
    segment_channels, intensity_channel         ->  their places in an image

Where files name their channels and nothing else does, an image whose channels are in another order is put into that of
the first image.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from segassay.data.channel_choice import ChannelError, check_count, choose_channels, name_key, usable_name, usable_names
from segassay.data.harmless import why_harmful
from segassay.errors import DataError, Problem, known_names, shortlist
from segassay.io.images import read_channel_names
from segassay.io.picture import Picture

__all__ = [
    "INTENSITY",
    "broken_channel_names",
    "channel_problems",
    "check_channel_count",
    "contrast_channel",
    "find_channels",
    "in_order",
    "intensities_in",
    "intensity_places",
    "measured_channel",
    "names_of",
    "pick_channels",
    "places_in_order",
    "segmented_places",
]

INTENSITY = "mean_intensity"
"""The measurement of images with one channel, or of a channel that is given by its number; with names, what the names
of the measurements of the channels begin with."""

_NAME_ALL = "name the channels in their order, as `channels: [DAPI, cFOS]`"


class _Settings(Protocol):
    """What is needed of `segassay.data.settings.DatasetFile`, which uses this module."""

    @property
    def channels(self) -> tuple[str, ...] | None: ...
    @property
    def segment_channels(self) -> str | tuple[str, ...] | None: ...
    @property
    def intensity_channel(self) -> int | str | tuple[str, ...] | None: ...


def broken_channel_names(file: str, names: Sequence[str]) -> Iterator[Problem]:
    """Problems of the names in `channels`: they become parts of columns, so they are plain, and no two are alike.

    Args:
        file: The path of `dataset.yaml`.
        names: As written there.
    """
    for name in names:
        if usable_name(name) != name or why_harmful(name):
            what = f"the channel {name!r} has a name that no column can have"
            action = "use letters, digits and _ . + - and spaces inside, a letter or digit first, at most 80 in all"
            yield Problem(file, what, action, kind="channel-name")
    alike = defaultdict(list)
    for name in names:
        alike[name_key(name)].append(name)
    for same in alike.values():
        if len(same) > 1:
            how = "are the same" if len(set(same)) == 1 else "differ in capitals alone"
            what = f"channels {shortlist(list(map(repr, same)))} {how}"
            yield Problem(file, what, "give each channel a name of its own", kind="channel-name")


def find_channels(
    settings: _Settings, of_layout: Sequence[str], images: Mapping[str, Path], *, one_file: bool = True
) -> tuple[tuple[str, ...], bool]:
    """Names of the channels of a dataset: as `dataset.yaml` says, else `dataset.json`, else the first image.

    Args:
        settings: Of `dataset.yaml`.
        of_layout: Names in `dataset.json`; empty without.
        images: First file of each case.
        one_file: Whether all channels of an image are in one file, which may name them.

    Returns:
        The names in the order of the images, and whether they are those of the files. Names that `dataset.yaml` does
        not give count only if there are several channels whose names differ; without them the names are empty.
    """
    if settings.channels is not None:
        return settings.channels, False
    if of_layout:
        return _usable(of_layout), False
    first = next(iter(images.values()), None)
    if first is None or not one_file:
        return (), False
    try:
        names = _usable(read_channel_names(first))
    except DataError:  # whoever reads it says so
        return (), False
    return names, bool(names)


def _usable(names: Sequence[str]) -> tuple[str, ...]:
    """Names that can be parts of columns; none if there is one alone, or two would be the same."""
    return usable_names(names) if len(names) > 1 else ()


def channel_problems(file: str, settings: _Settings, channels: Sequence[str]) -> list[Problem]:
    """Problems of `segment_channels` and `intensity_channel`: names that no channel has, or that stand there twice.

    Args:
        file: The path of `dataset.yaml`, or another name of the settings.
        settings: Its content.
        channels: Names of the channels.
    """
    said = {"segment_channels": _listed(settings.segment_channels), "intensity_channel": _measured(settings, channels)}
    problems = []
    for key, names in said.items():
        for name in dict.fromkeys(names):
            if not channels:
                what = f"{key} is {name!r}, but the channels of the images have no names"
                numbered = "" if key == "segment_channels" else ", or give the number of the channel, 0 for the first"
                problems.append(Problem(file, what, _NAME_ALL + numbered, kind="channel-unknown"))
            elif name not in channels:
                what = f"{key} names {name!r}, which is no channel"
                problems.append(Problem(file, what, known_names(name, channels), kind="channel-unknown"))
            elif names.count(name) > 1:
                problems.append(Problem(file, f"{key} names {name!r} twice", "keep one", kind="channel-unknown"))
    return problems


def _listed(names: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if names is None else (names,) if isinstance(names, str) else names


def _measured(settings: _Settings, channels: Sequence[str]) -> tuple[str, ...]:
    """Names of the channels whose intensity is measured; none if a number says which. A name may be a number."""
    said = settings.intensity_channel
    if said is None:
        return tuple(channels)
    if isinstance(said, int):
        return (str(said),) if str(said) in channels else ()
    return _listed(said)


def segmented_places(settings: _Settings, channels: Sequence[str]) -> tuple[int, ...]:
    """Places of the channels that a network sees, in its order; empty if it sees all."""
    return tuple(channels.index(name) for name in _listed(settings.segment_channels))


def intensity_places(settings: _Settings, channels: Sequence[str]) -> dict[str, int]:
    """Measurement of intensity -> place of its channel.

    Returns:
        `mean_intensity` if there are no names, one channel, or a number in `intensity_channel`; else
        `mean_intensity_<name>` for each channel that `intensity_channel` names, by default all.
    """
    names = _measured(settings, channels)
    if len(channels) > 1 and names:
        return {f"{INTENSITY}_{name}": channels.index(name) for name in names}
    said = settings.intensity_channel
    return {INTENSITY: said if isinstance(said, int) and not names else 0}


def contrast_channel(settings: _Settings, channels: Sequence[str]) -> int:
    """Place of the channel in which objects are as bright as annotators saw them: the first that is segmented."""
    measured = next(iter(intensity_places(settings, channels).values()))
    if isinstance(settings.intensity_channel, int):
        return measured
    return (segmented_places(settings, channels) or (measured,))[0]


def intensities_in(names: Iterable[Hashable]) -> list[str]:
    """Names of measurements, or of columns, that are intensities.

    Example:
        >>> intensities_in(["count", "mean_intensity_DAPI", "mean_intensity_cFOS"]), intensities_in(["mean_intensity"])
        (['mean_intensity_DAPI', 'mean_intensity_cFOS'], ['mean_intensity'])
    """
    texts = map(str, names)
    return [name for name in texts if name == INTENSITY or measured_channel(name) is not None]


def measured_channel(name: str) -> str | None:
    """Channel of a measurement, or of a column, that is the intensity of a named one; None for any other.

    Example:
        >>> measured_channel("mean_intensity_cFOS"), measured_channel("mean_intensity"), measured_channel("count")
        ('cFOS', None, None)
    """
    start = f"{INTENSITY}_"
    return name.removeprefix(start) if name.startswith(start) else None


def names_of(picture: Picture) -> tuple[str, ...]:
    """Names that the file of a picture gives its channels, as they are used; empty if two would be the same."""
    return usable_names(picture.channel_names)


def in_order(path: Path, picture: Picture, names: Sequence[str]) -> Picture:
    """A picture with its channels in the order of these names, which files give.

    Args:
        path: Its file.
        picture: The picture.
        names: Of the channels; empty leaves the order as it is.

    Raises:
        DataError: If the file names other channels.
    """
    places = places_in_order(path, picture, names)
    if not places:
        return picture
    return dataclasses.replace(picture, array=picture.array[places], channel_names=tuple(names))


def places_in_order(path: Path, picture: Picture, names: Sequence[str]) -> list[int]:
    """Place of each of these channels in a picture; empty if they are in order. Arguments and errors of `in_order`."""
    own = names_of(picture)
    if not names or own == tuple(names):
        return []
    if sorted(own) != sorted(names):
        found = f"has the channels {', '.join(own)}" if own else "has channels without names"
        action = "export the images in the same way, or name the channels of all as `channels` in dataset.yaml"
        expected = f"{', '.join(names)}, as the first image"
        raise DataError.of(path, found, action, expected=expected, kind="channel-names")
    return [own.index(name) for name in names]


def check_channel_count(path: Path, n_channels: int, names: Sequence[str]) -> None:
    """Raise a DataError if an image has other channels than there are names; it may have none."""
    with _named(path):
        check_count(n_channels, names)


def pick_channels(
    path: Path, n_channels: int, own: Sequence[str], wanted: Sequence[str], among: Sequence[str]
) -> list[int]:
    """Places of the channels of an image that a model has seen, by name.

    Args:
        path: The image, for messages.
        n_channels: Number of its channels.
        own: Their names; empty if they have none.
        wanted: Names of the channels that the model sees, in its order.
        among: Names of all channels of the images that it was trained on.

    Returns:
        As `channel_choice.choose_channels`.

    Raises:
        DataError: If a name is missing, there are more or fewer names than channels, or nothing says which they are.
    """
    with _named(path):
        return choose_channels(n_channels, own, wanted, among)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say of which image it is that it does not have the channels."""
    try:
        yield
    except ChannelError as error:
        raise DataError.of(path, error.what, error.action, kind=error.kind) from error
