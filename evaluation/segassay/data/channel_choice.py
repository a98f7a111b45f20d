"""Which channels of an image a model sees: by their names, or by their number.

names of the channels of an image, of those that the model sees, and of the images of its training  ->  places

An exported bundle can carry this module unchanged: it imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import category, normalize

__all__ = ["LONGEST_NAME", "ChannelError", "check_count", "choose_channels", "name_key", "usable_name", "usable_names"]

_MARKS = " _.+-"

LONGEST_NAME = 80
"""Letters of a name."""


class ChannelError(ValueError):
    """An image does not have the channels of a model.

    Attributes:
        what: What is wrong with the image.
        action: What to do about it.
        kind: Of the problem.
    """

    def __init__(self, what: str, action: str, kind: str) -> None:
        super().__init__(f"{what}; {action}")
        self.what, self.action, self.kind = what, action, kind


def usable_name(name: str) -> str:
    """A name that can be that of a folder and a column: other letters become `_`, and some marks at the ends go.

    Example:
        >>> usable_name("left/right kidney "), usable_name("-PZ (prostate)"), usable_name("CD4+ T-cell")
        ('left_right kidney', 'PZ _prostate_', 'CD4+ T-cell')
    """
    letters = "".join(letter if _is_usable(letter) else "_" for letter in name)
    return letters.lstrip(" .+-")[:LONGEST_NAME].rstrip(" .") or "_"


def _is_usable(letter: str) -> bool:
    return letter.isalnum() or letter in _MARKS or category(letter).startswith("M")


def name_key(name: str) -> str:
    """What two names share that nobody would tell apart.

    Example:
        >>> name_key("DAPI") == name_key("dapi")
        True
    """
    return normalize("NFKC", name).casefold()


def usable_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of channels in a file, as they are used; empty if two would be the same.

    Example:
        >>> usable_names(["DAPI", "c-Fos/488"]), usable_names(["DAPI", "dapi"])
        (('DAPI', 'c-Fos_488'), ())
    """
    plain = tuple(usable_name(normalize("NFC", name)) for name in names)
    return plain if len({name_key(name) for name in plain}) == len(plain) else ()


def check_count(n_channels: int, names: Sequence[str]) -> None:
    """Raise a ChannelError if an image has other channels than there are names; it may have none.

    Example:
        >>> check_count(2, ["DAPI"])
        Traceback (most recent call last):
        segassay.data.channel_choice.ChannelError: has 2 channels, but the names are DAPI; correct `channels` in \
dataset.yaml
    """
    if names and len(names) != n_channels:
        what = f"has {_counted(n_channels)}, but the names are {', '.join(names)}"
        raise ChannelError(what, "correct `channels` in dataset.yaml", "channel-count")


def _counted(n_channels: int) -> str:
    return f"{n_channels} channel" + "s" * (n_channels != 1)


def choose_channels(n_channels: int, own: Sequence[str], wanted: Sequence[str], among: Sequence[str]) -> list[int]:
    """Places of the channels of an image that a model has seen, by name.

    Args:
        n_channels: Number of channels of the image.
        own: Their names; empty if they have none.
        wanted: Names of the channels that the model sees, in its order.
        among: Names of all channels of the images that it was trained on.

    Returns:
        By name, if the channels have names. Without names an image with as many channels as those of the training has
        these in the same order, and one with as many as the model sees has these. The only channel is that of a model
        of images with one channel, whatever its name.

    Raises:
        ChannelError: If a name is missing, there are more or fewer names than channels, or nothing says which they are.

    Example:
        >>> choose_channels(2, ["cFOS", "DAPI"], ["DAPI"], ["DAPI", "cFOS"])
        [1]
    """
    check_count(n_channels, own)
    if n_channels == len(among) == 1:
        return [0]
    if own and set(wanted) <= set(own):
        return [list(own).index(name) for name in wanted]
    sees = f"the model sees {', '.join(wanted)}"
    if own:
        missing = [name for name in wanted if name not in own]
        what = f"has the channels {', '.join(own)}, but {sees}: {', '.join(missing)} is missing"
        action = "correct the names as `channels` in dataset.yaml, or use a model trained on these channels"
        raise ChannelError(what, action, "channel-missing")
    if n_channels == len(among):
        return [list(among).index(name) for name in wanted]
    if n_channels == len(wanted):
        return list(range(n_channels))
    what = f"has {_counted(n_channels)} without names, but {sees}"
    action = "save OME-TIFF with names of the channels, or a dataset.yaml with `channels` beside a folder images/"
    raise ChannelError(what, action, "channel-missing")
