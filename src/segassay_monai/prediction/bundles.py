"""Read the members of an exported bundle, from its folder or from a zip of it; none of its code is run.

configs/inference.json (network_def), configs/metadata.json, models/model.pt  ->  one checkpoint per member
"""

from __future__ import annotations

import atexit
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from segassay.errors import DataError
from segassay_monai.ensemble.network import NetworkSettings

__all__ = ["BundleMembers", "is_bundle", "read_bundle"]

_METADATA, _INFERENCE, _WEIGHTS = "configs/metadata.json", "configs/inference.json", "models/model.pt"
_PREFIX = "members."  # of the state dict of `MeanNet`
_LARGEST = 2**32  # bytes of a file in a zip, before it is unpacked


@dataclass(frozen=True)
class BundleMembers:
    """Members of an exported bundle.

    Attributes:
        checkpoints: One file per member, in a temporary folder that is removed when the program ends.
        name: Name of the model.
        min_object_size: Smallest object, in pixels, that the bundle keeps; None if it does not say.
    """

    checkpoints: tuple[Path, ...]
    name: str
    min_object_size: int | None


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
    try:
        metadata, config = json.loads(read(_METADATA)), json.loads(read(_INFERENCE))
        network = config["network_def"]
        settings = NetworkSettings(**{field.name: network[field.name] for field in fields(NetworkSettings)})
        content = io.BytesIO(read(_WEIGHTS))
        weights = torch.load(content, map_location="cpu", weights_only=True)
        members = _members(weights)
    except DataError:
        raise
    except Exception as error:
        what = f"is not a bundle that SegAssay exported ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        raise DataError.of(path, what, "export it again: segassay export zoo MODEL --out DIR") from error
    folder = Path(tempfile.mkdtemp(prefix="segassay_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    paths = tuple(folder / f"{number:04d}.pt" for number in range(len(members)))
    for file, member in zip(paths, members, strict=True):
        torch.save({"model": member, "network": settings.state_dict()}, file)
    size = config.get("min_object_size")
    return BundleMembers(
        paths,
        name=f"{metadata.get('name', path.stem)} {metadata.get('version', '')}".strip(),
        min_object_size=size if isinstance(size, int) else None,
    )


def _members(weights: Mapping[str, Any]) -> list[dict[str, torch.Tensor]]:
    """Weights of each member of a `MeanNet`; a network without members is a single one."""
    if not all(name.startswith(_PREFIX) for name in weights):
        return [dict(weights)]
    members: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in weights.items():
        number, _, rest = name.removeprefix(_PREFIX).partition(".")
        members.setdefault(int(number), {})[rest] = value
    return [members[number] for number in sorted(members)]


def _reader(path: Path) -> Callable[[str], bytes]:
    """Function that reads a file of the bundle by its name in the bundle."""
    if path.is_dir():
        return lambda name: (path / name).read_bytes()
    return lambda name: _from_zip(path, name)


def _from_zip(path: Path, name: str) -> bytes:
    """One file of a zip, in memory, so that no name in the archive becomes a path."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = [info for info in archive.infolist() if f"/{info.filename}".endswith(f"/{name}")]
            if len(found) != 1:
                what = f"holds {len(found)} files {name}; expected one, of an exported bundle"
                raise DataError.of(path, what, "zip the folder of one bundle")
            if found[0].file_size > _LARGEST:
                raise DataError.of(path, f"holds a {name} that claims {found[0].file_size} bytes", "export it again")
            return archive.read(found[0])
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError.of(path, f"is not a zip file that can be read ({error})", "zip or copy it again") from error
