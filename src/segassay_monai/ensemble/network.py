"""The network, and its settings, which each checkpoint holds.

    spacing -> network_strides -> residual_unet -> checkpoint with NetworkSettings -> the same network again

An exported bundle can carry this module unchanged: it imports torch, monai, numpy and modules of this kind only.
"""

from __future__ import annotations

import hashlib
import os
import pickletools
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets import UNet

from .classes import SEPARATE, Classes, n_outputs, plain_classes
from .errors import PredictionError


def network_strides(spacing: Sequence[float], n_levels: int) -> list[list[int]]:
    """Factors by which each level of a U-Net shrinks each axis, so that pixels become isotropic.

    From one level to the next an axis is halved if its pixels are less than twice as long as the shortest ones. Thick
    slices are thus not halved until the pixels in their plane are as large.

    Args:
        spacing: Distance between pixels along each axis, in any unit.
        n_levels: Number of levels of the network, the finest included.

    Returns:
        One list per step between levels, with 1 or 2 for each axis; empty for one level.

    Example:
        >>> network_strides([1.0, 1.0], n_levels=3)
        [[2, 2], [2, 2]]
        >>> network_strides([5.0, 1.0, 1.0], n_levels=4)
        [[1, 2, 2], [1, 2, 2], [2, 2, 2]]

    References:
        Isensee et al. (2021), Nature Methods 18:203-211, doi:10.1038/s41592-020-01008-z (the rule of nnU-Net).
    """
    current, steps = list(map(float, spacing)), []
    for _ in range(n_levels - 1):
        step = [2 if length < 2 * min(current) else 1 for length in current]
        current = [length * factor for length, factor in zip(current, step, strict=True)]
        steps.append(step)
    return steps


def size_divisor(strides: Sequence[Sequence[int]]) -> list[int]:
    """Size along each axis; the network accepts its multiples.

    Example:
        >>> size_divisor([[1, 2, 2], [2, 2, 2]])
        [2, 4, 4]
    """
    return [prod(steps) for steps in zip(*strides, strict=True)]


def residual_unet(
    spatial_dims: int,
    in_channels: int,
    channels: Sequence[int],
    strides: Sequence[Sequence[int]] | None = None,
    classes: Classes = (),
    objects: str = SEPARATE,
) -> UNet:
    """Residual U-Net with batch normalisation, and one output channel (a logit per pixel) or several for classes.

    In prediction, batch normalisation uses statistics of the training set, so the result for a pixel does not depend on
    the window around it, as it would with instance normalisation.

    Args:
        spatial_dims: 2 or 3.
        in_channels: Number of channels of the image.
        channels: Number of features per level, from the finest.
        strides: Factors by which each axis shrinks from level to level; by default each is halved.
        classes: Name and values of each class, as in `ensemble.classes`, which says what the outputs are.
        objects: One of `ensemble.classes.OBJECTS`: `touching` has a second output, the depth.

    Returns:
        The network; input `(B, in_channels, *spatial)`, output `(B, outputs, *spatial)`, one output without classes.
        Sizes are multiples of `size_divisor` (`WholeImageInferer` pads to them).

    Raises:
        PredictionError: If strides do not fit the levels or axes.

    Example:
        >>> net = residual_unet(spatial_dims=3, in_channels=1, channels=[4, 8], strides=[[1, 2, 2]]).eval()
        >>> tuple(net(torch.zeros(1, 1, 5, 16, 24)).shape)
        (1, 1, 5, 16, 24)

    References:
        Ronneberger et al. (2015), MICCAI, doi:10.1007/978-3-319-24574-4_28; Kerfoot et al. (2019), STACOM,
        doi:10.1007/978-3-030-12029-0_40 (the residual variant).
    """
    steps = [[2] * spatial_dims] * (len(channels) - 1) if strides is None else [list(step) for step in strides]
    if len(steps) != len(channels) - 1 or any(len(step) != spatial_dims for step in steps):
        what = (
            f"strides {steps}: expected {len(channels) - 1} steps of {spatial_dims} axes, because --channels has "
            f"{len(channels)} levels and --spatial_dims is {spatial_dims} (2 for images, 3 for volumes)"
        )
        raise PredictionError.of(None, what, "leave out --strides, or give as many steps and axes")
    return UNet(
        spatial_dims=spatial_dims,
        in_channels=in_channels,
        out_channels=n_outputs(classes, objects),
        channels=list(channels),
        strides=steps,  # type: ignore[arg-type]  # annotated too narrowly
        num_res_units=2,
        norm="BATCH",
    )


@dataclass(frozen=True)
class NetworkSettings:
    """Arguments of `residual_unet`; a checkpoint holds them, so that the network can be built again.

    `intensity_range` is no argument of it, but its weights need images that are normalised so (`ensemble.images`).
    """

    spatial_dims: int
    in_channels: int
    channels: Sequence[int]
    strides: Sequence[Sequence[int]]
    classes: Classes = ()
    objects: str = SEPARATE
    intensity_range: Sequence[float] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Plain values for the checkpoint; the last three only if they are not the default, as before."""
        found = self.intensity_range
        return self.arguments() | ({} if found is None else {"intensity_range": [float(value) for value in found]})

    def arguments(self) -> dict[str, Any]:
        """Arguments of `residual_unet` as plain values; `classes` and `objects` only if they are not the default."""
        plain = asdict(self) | {"channels": list(self.channels), "strides": [list(step) for step in self.strides]}
        del plain["classes"], plain["objects"], plain["intensity_range"]
        plain |= {"classes": plain_classes(self.classes)} if self.classes else {}
        return plain | ({"objects": self.objects} if self.objects != SEPARATE else {})


def read_network_settings(checkpoint_paths: Sequence[str | Path]) -> NetworkSettings:
    """Read the settings of the network that all members share.

    Args:
        checkpoint_paths: At least one file, with the settings under `network`.

    Raises:
        PredictionError: If a file is not a checkpoint, does not hold the settings, or members differ in them.
    """
    states: list[dict[str, Any]] = []
    for path in checkpoint_paths:
        state = read_record(path).values.get("network")
        known = {field.name for field in fields(NetworkSettings)}
        if not isinstance(state, dict) or {*state, "classes", "objects", "intensity_range"} != known:
            what = "does not hold the settings of its network, as checkpoints of another version"
            raise PredictionError.of(path, what, "train it again")
        if states and state != states[0]:
            first = states[0]
            names = [name for name in {**state, **first} if state.get(name) != first.get(name)]
            differing = [f"{name} {state.get(name)} and {first.get(name)}" for name in names]
            what = f"its network differs from that of {checkpoint_paths[0]} ({'; '.join(differing)})"
            raise PredictionError.of(path, what, "members of an ensemble share one network: leave one out")
        states.append(state)
    return NetworkSettings(**states[0])


@dataclass(frozen=True)
class Record:
    """What a checkpoint says about its weights, without them.

    Attributes:
        values: Its entries `network`, `member` and `training_version`, those it has; not to be changed.
        weights: `weights_hash` of the weights; empty if they are no tensors.
    """

    values: Mapping[str, Any]
    weights: str


def read_record(path: str | Path) -> Record:
    """Read what a checkpoint says about its weights; a file that was read before and has not changed is not read again.

    Raises:
        PredictionError: As from `read_checkpoint`.
    """
    try:
        found = os.stat(path)
    except OSError:
        read_checkpoint(path)  # says what is wrong
        raise
    return _record(os.fspath(path), (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@lru_cache(maxsize=256)
def _record(path: str, version: tuple[int, ...]) -> Record:
    content = read_checkpoint(path)
    weights = content["model"]
    is_known = all(isinstance(value, torch.Tensor) for value in weights.values())
    values: dict[str, Any] = {
        name: content[name] for name in ("network", "member", "training_version") if name in content
    }
    return Record(values, weights_hash(weights) if is_known else "")


def weights_hash(weights: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of the weights of one member."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].cpu().numpy().tobytes())
    return digest.hexdigest()


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint, with tensors on the CPU; nothing in the file can run code.

    Args:
        path: A file that `segassay train` or a study wrote; every part of it is compared with its checksum.

    Raises:
        PredictionError: If the file is missing or damaged, or was not written by SegAssay; says what it is instead.
    """
    content = read_weights(path)
    if not isinstance(content.get("model"), Mapping):
        raise PredictionError.of(path, f"not a checkpoint written by SegAssay, {_what_it_is(Path(path))}", _OURS)
    return content


def read_weights(path: str | Path) -> dict[str, Any]:
    """Read tensors and plain values by name, such as the state dict of an exported bundle; as `read_checkpoint`."""
    path = Path(path)
    try:
        if damage := _damage(path):
            what = f"damaged: {damage}"
            raise PredictionError.of(path, what, "copy it again, or remove its folder and train it again")
        if _has_part(path, "constants.pkl"):  # torch.load would load a program
            raise ValueError("TorchScript")
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except PredictionError:
        raise
    except OSError as error:
        what = "missing" if isinstance(error, FileNotFoundError) else f"not readable ({error.strerror})"
        raise PredictionError.of(path, what, "give the model.pt of a trained member") from error
    except Exception as error:  # whatever a foreign file causes
        raise PredictionError.of(path, f"not a checkpoint written by SegAssay, {_what_it_is(path)}", _OURS) from error


_OURS = (
    "give a model.pt that `segassay train` or a study wrote, or train it again; masks of another tool are compared "
    "with `segassay evaluate --masks NAME=FOLDER`"
)
_ZIP = b"PK\x03\x04"
_LONGEST_PICKLE = 1 << 22  # bytes; that of a network with 10,000 layers has 2 MB

_OF_WEIGHTS = re.compile(r"torch\._utils\.\w+|torch\.\w+Storage|torch\.[a-z]+\d*|collections\.OrderedDict")

_MARKS = {
    "trainer_name": "but one of nnU-Net",
    "pytorch-lightning_version": "but one of Lightning",
    "diam_labels": "but one of Cellpose",
}
"""A word in a checkpoint of another tool -> that tool."""


def _damage(path: Path) -> str:
    """The part of a zip archive that differs from its checksum; empty if all agree, or the file is no archive."""
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            return ""
    try:
        with zipfile.ZipFile(path) as archive:
            part = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
        return "it is cut off, or its list of parts cannot be read"
    return f"{part} does not agree with its checksum" if part else ""


def _has_part(path: Path, end: str) -> bool:
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith(end) for name in archive.namelist())


def _what_it_is(path: Path) -> str:
    """What a file is that is no checkpoint of ours; it is looked at and never run."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start.strip():
        return "but an empty file"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "but a web page, as servers send it instead of a file: download it again"
    if start.startswith(b"version https://git-lfs"):
        return "but a reference to a file (`git lfs pull` fetches it)"
    if _has_part(path, "constants.pkl"):
        return "but a network of TorchScript"
    if start.startswith(_ZIP):
        with zipfile.ZipFile(path) as archive:
            pickled = next((name for name in archive.namelist() if name.endswith("data.pkl")), None)
            if pickled is None:
                return "but a zip archive of something else"
            with archive.open(pickled) as opened:
                return _what_is_pickled(opened.read(_LONGEST_PICKLE))
    with path.open("rb") as file:
        return _what_is_pickled(file.read(_LONGEST_PICKLE)) if start[:1] == b"\x80" else "but a file of another kind"


def _what_is_pickled(data: bytes) -> str:
    """What a pickle would build; its instructions are listed, and none is done."""
    words: list[str] = []
    objects: set[str] = set()
    try:
        for instruction, argument, _ in pickletools.genops(data):
            if instruction.name == "GLOBAL":
                objects.add(str(argument).replace(" ", "."))
            elif instruction.name == "STACK_GLOBAL" and len(words) > 1:
                objects.add(".".join(words[-2:]))
            elif isinstance(argument, str):
                words.append(argument)
    except Exception:
        return "but a damaged file, or one of another kind"
    for mark, tool in _MARKS.items():
        if mark in words:
            return tool
    if strange := sorted(name for name in objects if not _OF_WEIGHTS.fullmatch(name)):
        return f"but Python objects ({', '.join(strange[:3])}), which could run code and were not loaded"
    return "but weights without the settings of their network and training"
