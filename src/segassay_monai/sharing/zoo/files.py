"""Files of the bundle that do not depend on the model: scripts, license, logging; and the list of large files.

modules of the ensemble and own scripts -> scripts/; files beyond 25 MB -> large_files.yml
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from segassay.data import channel_choice
from segassay.io import images
from segassay.io.images import sha256
from segassay.masks import objects
from segassay_monai.bundle.paths import bundle_root
from segassay_monai.ensemble import mean_net
from segassay_monai.ensemble.classes import TOUCHING
from segassay_monai.ensemble.familiar import description_bytes, read_description
from segassay_monai.ensemble.network import NetworkSettings
from segassay_monai.sharing.zoo import scripts
from segassay_monai.sharing.zoo.configs import gives_logits

__all__ = ["copy_scripts", "large_files", "write_familiar", "write_json", "write_large_files"]

LARGEST = 25 * 10**6
"""Bytes of the largest file that the zoo takes."""

_OF_ONE = ("errors", "images", "inferer", "levels")
_OF_SEVERAL = ("classes", "mean_net", "network")
_OF_CLASSES = ("numbering",)
_OF_TOUCHING = ("depth", "objects", "touching")
_OWN = ("__init__", "image_files")
_OWN_OF_SEVERAL = ("members_inferer",)
_OWN_OF_FOREGROUND = ("instances", "label_files")
_OWN_OF_CLASSES = ("class_files",)
_OWN_OF_TOUCHING = ("label_files", "touching_files")
_OWN_OF_CHANNELS = ("channel_files",)
_OF_MASKS = ("region_values",)
_OF_FILES = ("encoding", "orientation", "picture", "spacing")


def copy_scripts(folder: Path, settings: NetworkSettings, n_members: int, *, has_channels: bool = False) -> None:
    """Copy the modules that the configurations name, unchanged, and the license.

    Args:
        folder: Of the bundle.
        settings: Network of the members.
        n_members: Number of members.
        has_channels: Whether the channels that the network sees have names.
    """
    is_mean, has_classes = not gives_logits(settings, n_members), bool(settings.classes)
    is_touching = settings.objects == TOUCHING
    of_ensemble = _OF_ONE + _OF_SEVERAL * is_mean + _OF_CLASSES * has_classes
    own = _OWN + _OWN_OF_SEVERAL * is_mean + _OWN_OF_CLASSES * has_classes
    own += _OWN_OF_TOUCHING if is_touching else _OWN_OF_FOREGROUND
    target = folder / "scripts"
    target.mkdir()
    own += _OWN_OF_CHANNELS * has_channels
    rooms = (
        (mean_net, of_ensemble),
        (scripts, own),
        (images, _OF_FILES + ("channel_names",) * has_channels),
        (channel_choice, ("channel_choice",) * has_channels),
        (objects, _OF_TOUCHING * is_touching + _OF_MASKS * ("classes" in of_ensemble)),
    )
    for package, names in rooms:
        for name in names:
            shutil.copyfile(Path(str(package.__file__)).with_name(f"{name}.py"), target / f"{name}.py")
    shutil.copyfile(bundle_root() / "LICENSE", folder / "LICENSE")
    shutil.copyfile(bundle_root() / "configs" / "logging.conf", folder / "configs" / "logging.conf")


def write_familiar(path: Path, checkpoints: Sequence[Path]) -> None:
    """Write what the training images of the first member that says it were like, with its number; else nothing."""
    for number, checkpoint in enumerate(checkpoints):
        if (description := read_description(checkpoint)) is not None:
            path.write_bytes(description_bytes(description, member=number))
            return


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON as the zoo formats it."""
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8", newline="")


def large_files(folder: Path) -> list[Path]:
    """Files that are too large for the zoo, by their names."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size > LARGEST]


def write_large_files(folder: Path, paths: list[Path], url: str) -> None:
    """Write `large_files.yml`, which says where the large files can be downloaded; nothing if there are none."""
    entries = [
        {
            "path": path.relative_to(folder).as_posix(),
            "url": f"{url.rstrip('/')}/{path.relative_to(folder).as_posix()}",
            "hash_val": sha256(path),
            "hash_type": "sha256",
        }
        for path in paths
    ]
    if entries:
        text = yaml.safe_dump({"large_files": entries}, sort_keys=False)
        (folder / "large_files.yml").write_text(text, encoding="utf-8", newline="")
