"""Cache of consensus masks: each consensus is computed once per content of its mask files.

The name of a cache file is a hash of the mask files' bytes, so a changed mask, another rater or another order of raters
never gives an old result. If a cache file cannot be read, the consensus is computed again.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import platformdirs

from segassay.consensus.classes import ClassConsensus, Values, fuse_classes, values_of
from segassay.consensus.pixels import Staple, staple
from segassay.io.durable import replaced
from segassay.io.images import sha256

_VERSION, _VERSION_OF_CLASSES = "staple-4", "staple-classes-1"
"""Raise them when the computation or the reading of masks changes: `tests/consensus/test_cache.py` fails if the same
files have another consensus under one version."""

_Result = TypeVar("_Result", Staple, ClassConsensus)


def cached_staple(
    mask_paths: Sequence[Path],
    read_masks: Callable[[], Sequence[np.ndarray]],
    cache_dir: Path | None = None,
    *,
    reading: str = "",
) -> Staple:
    """STAPLE consensus of mask files, from the cache if the same content was fused before.

    Args:
        mask_paths: One file per rater; their bytes are the key.
        read_masks: Reads the boolean masks `(*spatial)` of these files in the same order; called only on a miss.
        cache_dir: Folder of the cache, created if missing; by default `consensus` in the user's cache folder.
        reading: What `read_masks` needs besides the files (the meaning of values, the place of the image); a part
            of the key.

    Returns:
        The same `Staple` as `segassay.consensus.pixels.staple`.

    References:
        Warfield et al. (2004), IEEE TMI 23(7):903-921, doi:10.1109/TMI.2004.828354.
    """
    return _cached(Staple, mask_paths, lambda: staple(np.stack(read_masks())), cache_dir, _VERSION + reading)


def cached_class_staple(
    mask_paths: Sequence[Path],
    read_labels: Callable[[], Iterable[np.ndarray]],
    values: Values,
    cache_dir: Path | None = None,
    *,
    reading: str = "",
) -> ClassConsensus:
    """STAPLE consensus of the classes in mask files, from the cache if the same content was fused before.

    Args:
        mask_paths: One file per rater; their bytes are the key.
        read_labels: Reads the values `(*spatial)` of these files in the same order; called only on a miss.
        values: Of each class, as of `segassay.consensus.classes.fuse_classes`; a part of the key.
        cache_dir: As of `cached_staple`.
        reading: As of `cached_staple`.

    Returns:
        The same as `segassay.consensus.classes.fuse_classes`.

    References:
        Warfield et al. (2004), IEEE TMI 23(7):903-921, doi:10.1109/TMI.2004.828354.
    """
    version = f"{_VERSION_OF_CLASSES} {values_of(values)} {reading}"
    return _cached(ClassConsensus, mask_paths, lambda: fuse_classes(read_labels(), values), cache_dir, version)


def _cached(
    kind: type[_Result], mask_paths: Sequence[Path], fuse: Callable[[], _Result], cache_dir: Path | None, version: str
) -> _Result:
    folder = Path(cache_dir) if cache_dir else Path(platformdirs.user_cache_dir("segassay")) / "consensus"
    key = hashlib.sha256("\n".join([version, *map(sha256, mask_paths)]).encode()).hexdigest()
    path = folder / f"{key}.npz"
    known = _read(kind, path)
    if known is not None:
        return known
    result = fuse()
    _write(path, result)
    return result


_OF_EXCLUSIVE_CLASSES = {"confusion", "log_likelihood"}
"""Fields that a consensus of regions does not have."""


def _stored_fields(kind: type[Staple] | type[ClassConsensus]) -> list[str]:
    return [field.name for field in fields(kind) if field.name != "objects"]  # which STAPLE does not have


def _read(kind: type[_Result], path: Path) -> _Result | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            of_regions = kind is ClassConsensus and not _OF_EXCLUSIVE_CLASSES & set(stored.files)
            left_out = _OF_EXCLUSIVE_CLASSES if of_regions else set()
            values = {name: stored[name] for name in _stored_fields(kind) if name not in left_out}
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return None
    found: dict[str, Any] = dict.fromkeys(left_out)
    found |= {name: value.item() if value.ndim == 0 else value for name, value in values.items()}
    return kind(**found)


def _write(path: Path, result: Staple | ClassConsensus) -> None:
    """Write the file completely; if the cache cannot be written, continue without it."""
    values = {name: getattr(result, name) for name in _stored_fields(type(result))}
    with suppress(OSError):  # a full disk must not stop the caller, who does not need the cache
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path, wait=False) as new, new.open("xb") as file:
            np.savez_compressed(file, **{name: value for name, value in values.items() if value is not None})
