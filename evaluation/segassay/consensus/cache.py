"""Cache of consensus masks: each consensus is computed once per content of its mask files.

The name of a cache file is a hash of the mask files' bytes, so a changed mask, another rater or another order of raters
never gives an old result. If a cache file cannot be read, the consensus is computed again.
"""

import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import platformdirs

from segassay.consensus.pixels import Staple, staple
from segassay.io.images import sha256

_VERSION = "staple-3"  # increase it when the computation or the reading of masks changes


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
    folder = Path(cache_dir) if cache_dir else Path(platformdirs.user_cache_dir("segassay")) / "consensus"
    key = hashlib.sha256("\n".join([_VERSION + reading, *map(sha256, mask_paths)]).encode()).hexdigest()
    path = folder / f"{key}.npz"
    known = _read(path)
    if known is not None:
        return known
    result = staple(np.stack(read_masks()))
    _write(path, result)
    return result


def _read(path: Path) -> Staple | None:
    try:
        with np.load(path, allow_pickle=False) as stored:
            values = {field.name: stored[field.name] for field in fields(Staple)}
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return None
    return Staple(**{name: value.item() if value.ndim == 0 else value for name, value in values.items()})


def _write(path: Path, result: Staple) -> None:
    """Write the file completely; if the cache cannot be written, continue without it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(suffix=".npz", dir=path.parent)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **{field.name: getattr(result, field.name) for field in fields(Staple)})
        os.replace(temporary, path)
    except OSError:  # a full disk must not stop the caller, who does not need the cache
        Path(temporary).unlink(missing_ok=True)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
