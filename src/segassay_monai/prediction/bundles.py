"""Read the members of an exported bundle, from its folder or from a zip of it; none of its code is run.

configs/inference.json (network_def), configs/metadata.json, models/model.pt  ->  one checkpoint per member
models/familiar.json  ->  the same beside the checkpoint of the member that it was made with
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from segassay.errors import DataError
from segassay.io.archives import open_archive
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.ensemble.familiar import description_path, parse_description
from segassay_monai.ensemble.images import check_intensity_range
from segassay_monai.ensemble.network import NetworkSettings, read_weights, residual_unet

__all__ = ["UNNAMED", "BundleMembers", "is_bundle", "read_bundle", "split_members"]

_METADATA, _INFERENCE, _WEIGHTS = "configs/metadata.json", "configs/inference.json", "models/model.pt"
_FAMILIAR = "models/familiar.json"  # what the training images were like; older bundles have none
_PREFIX = "members."  # of the state dict of `MeanNet`
_LARGEST = 2**32  # bytes of a file in a zip, before it is unpacked

UNNAMED = "normalised intensity"
"""What metadata call a channel without a name, before its number."""


@dataclass(frozen=True)
class BundleMembers:
    """Members of an exported bundle.

    Attributes:
        checkpoints: One file per member, in a temporary folder that is removed when the program ends.
        name: Name of the model.
        min_object_size: Smallest object, in pixels, that the bundle keeps; None if it does not say.
        channels: Names of the channels that the network sees; empty if they have none.
        image_channels: Names of all channels of the images that it was trained on; empty if they have none.
    """

    checkpoints: tuple[Path, ...]
    name: str
    min_object_size: int | None
    channels: tuple[str, ...] = ()
    image_channels: tuple[str, ...] = ()


def is_bundle(path: Path) -> bool:
    """Whether a path is the folder of an exported bundle, or a zip file."""
    if path.is_dir():
        return all((path / name).is_file() for name in (_METADATA, _INFERENCE, _WEIGHTS))
    return path.suffix.lower() == ".zip"


def read_bundle(path: Path) -> BundleMembers:
    """Read the weights and the network of an exported bundle.

    Args:
        path: Its folder, or a zip that holds the folder or its content.

    Raises:
        DataError: If it is not a bundle that SegAssay exported, or a file in it claims more than 4 GiB.
    """
    read = _reader(path)
    folder = Path(tempfile.mkdtemp(prefix="segassay_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        metadata, config = json.loads(read(_METADATA)), json.loads(read(_INFERENCE))
        network = config["network_def"]
        names = [field.name for field in fields(NetworkSettings) if field.name in network]
        settings = NetworkSettings(**{name: network[name] for name in names}, intensity_range=_intensity_range(config))
        file = path / _WEIGHTS if path.is_dir() else folder / "bundle.pt"
        if not path.is_dir():
            file.write_bytes(read(_WEIGHTS))
        members = split_members(read_weights(file))
        _check_fit(settings, members)
        size, channels = config.get("min_object_size"), _channels(metadata, settings.in_channels)
        image_channels = _image_channels(config, channels)
        name = f"{metadata.get('name', path.stem)} {metadata.get('version', '')}".strip()
        paths = tuple(folder / f"{number:04d}.pt" for number in range(len(members)))
        if _holds(path, _FAMILIAR):
            _write_familiar(read(_FAMILIAR), path / _FAMILIAR, paths)
    except DataError:
        raise
    except PredictionError as error:
        raise DataError.of(path, f"holds weights that cannot be read: {error.what}", "export it again") from error
    except Exception as error:
        what = f"is not a bundle that SegAssay exported ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        raise DataError.of(path, what, "export it again: segassay export zoo MODEL --out DIR") from error
    for file, member in zip(paths, members, strict=True):
        torch.save({"model": member, "network": settings.state_dict()}, file)
    return BundleMembers(paths, name, size if isinstance(size, int) else None, channels, image_channels)


def _check_fit(settings: NetworkSettings, members: Sequence[Mapping[str, torch.Tensor]]) -> None:
    """Compare the weights with what the network would hold, of which none is made: settings may claim any size.

    Raises:
        ValueError: If they differ.
    """
    with torch.device("meta"):
        known = {name: value.shape for name, value in residual_unet(**settings.arguments()).state_dict().items()}
    for number, member in enumerate(members):
        if {name: value.shape for name, value in member.items()} != known:
            raise ValueError(f"the weights of member {number} do not fit the network")


def _intensity_range(config: Mapping[str, Any]) -> tuple[float, float] | None:
    """The fixed values between which images are scaled, as `inference.json` says; None if by their percentiles."""
    steps = config["preprocessing"]["transforms"] if "preprocessing" in config else []
    return check_intensity_range(next((one["intensity_range"] for one in steps if "intensity_range" in one), None))


def _channels(metadata: Mapping[str, Any], n_channels: int) -> tuple[str, ...]:
    """Names of the channels of the image in `metadata.json`; none if it does not say them all."""
    try:
        known = metadata["network_data_format"]["inputs"]["image"]["channel_def"]
        names = [known[str(number)] for number in range(n_channels)]
    except (KeyError, TypeError):
        return ()
    named = all(isinstance(name, str) and not name.startswith(UNNAMED) for name in names)
    return tuple(names) if named and len(set(names)) == len(names) else ()


def _image_channels(config: Mapping[str, Any], channels: tuple[str, ...]) -> tuple[str, ...]:
    """Names of all channels of the images of the training, as the reader in `inference.json` has them.

    Bundles of an earlier version hold those alone that the network sees.
    """
    for transform in config.get("preprocessing", {}).get("transforms", []):
        known = transform.get("image_channels")
        if isinstance(known, list) and all(isinstance(name, str) for name in known) and set(channels) <= set(known):
            return tuple(known) if channels else ()
    return channels


def split_members(weights: Mapping[str, Any]) -> list[dict[str, torch.Tensor]]:
    """Weights of each member of a `MeanNet`; a network without members is a single one."""
    if not all(name.startswith(_PREFIX) for name in weights):
        return [dict(weights)]
    members: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in weights.items():
        number, _, rest = name.removeprefix(_PREFIX).partition(".")
        members.setdefault(int(number), {})[rest] = value
    return [members[number] for number in sorted(members)]


def _write_familiar(content: bytes, path: Path, checkpoints: Sequence[Path]) -> None:
    """Write what the training images were like beside the member that the numbers belong to."""
    text = content.decode("utf-8")
    parse_description(text, path)
    description_path(checkpoints[json.loads(text)["member"]]).write_bytes(content)


def _holds(path: Path, name: str) -> bool:
    if path.is_dir():
        return (path / name).is_file()
    with open_archive(path) as archive:
        return any(f"/{info.filename}".endswith(f"/{name}") for info in archive.infolist())


def _reader(path: Path) -> Callable[[str], bytes]:
    """Function that reads a file of the bundle by its name in the bundle."""
    if path.is_dir():
        return lambda name: (path / name).read_bytes()
    return lambda name: _from_zip(path, name)


def _from_zip(path: Path, name: str) -> bytes:
    """One file of a zip, in memory, so that no name in the archive becomes a path."""
    with open_archive(path) as archive:
        found = [info for info in archive.infolist() if f"/{info.filename}".endswith(f"/{name}")]
        if len(found) != 1:
            what = f"holds {len(found)} files {name}; expected one, of an exported bundle"
            raise DataError.of(path, what, "zip the folder of one bundle")
        if found[0].file_size > _LARGEST:
            raise DataError.of(path, f"holds a {name} that claims {found[0].file_size} bytes", "export it again")
        return archive.read(found[0])
