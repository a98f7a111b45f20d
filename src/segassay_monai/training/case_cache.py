"""Cases kept between tiles, within a bound on memory: what does not fit lies in temporary files, read where a tile is.

case -> transforms without chance -> tensors, in memory or mapped from a file without a name -> tiles

A volume of 512 × 512 × 300 takes half a GiB with its label; 64 of them would need 30 GiB of memory. A tile of a mapped
volume reads only the pages under it, and the system drops pages when memory is short. Tiles are the same in both cases.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import CacheDataset

from segassay.errors import UsageError

__all__ = ["MAX_BYTES", "CachedCases"]

MAX_BYTES = 2**31
"""Bytes of all cases that are kept in memory, 2 GiB; the rest of them is mapped from files."""


class CachedCases(CacheDataset):
    """As `CacheDataset` of MONAI, with a bound on memory.

    Args:
        data: Cases.
        transform: As for `CacheDataset`; what comes before the first random transform is done once.
        cache_num: Cases that are kept; the others are read and transformed for every tile.
        output_dir: Folder of the training; temporary files lie beside it. They have no name, and are gone when the
            training ends, however it ends.
        max_bytes: Of the cases in memory.

    Raises:
        UsageError: If the disk has no room for a case.
    """

    def __init__(
        self,
        data: Sequence[Any],
        transform: Callable[..., Any],
        cache_num: int,
        output_dir: str | Path,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.folder, self.max_bytes, self.n_bytes = Path(output_dir).parent, max_bytes, 0
        super().__init__(data, transform, cache_num, copy_cache=False, progress=False)

    def _load_cache_item(self, idx: int) -> Any:
        item = super()._load_cache_item(idx)
        tensors = [tensor for value in item.values() for tensor in _tensors(value)]
        n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        if self.n_bytes + n_bytes > self.max_bytes:
            return {key: self._all_mapped(value) for key, value in item.items()}
        self.n_bytes += n_bytes
        return item

    def _all_mapped(self, value: Any) -> Any:
        """A tensor, or a list of one for each class, in temporary files; anything else as it is."""
        mapped = [self._mapped(tensor) for tensor in _tensors(value)]
        if not mapped:
            return value
        return mapped[0] if isinstance(value, torch.Tensor) else mapped

    def _mapped(self, tensor: torch.Tensor) -> torch.Tensor:
        """The same tensor in a temporary file."""
        if not tensor.numel():
            return tensor
        array = tensor.numpy()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as file:  # the mapping keeps its content
                array.tofile(file)
                file.flush()
                mapped = np.memmap(file, dtype=array.dtype, mode="r+", shape=array.shape)
        except OSError as error:
            raise UsageError(
                f"{self.folder} has no room for {array.nbytes / 2**30:.1f} GiB of an image that is kept between tiles "
                f"({error.strerror}); free some, or give a smaller --n_cached (now {self.cache_num})"
            ) from error
        return torch.from_numpy(mapped)


def _tensors(value: Any) -> list[torch.Tensor]:
    """Tensors of an entry of a case: itself, or those of a list."""
    if isinstance(value, list):
        return [tensor for tensor in value if isinstance(tensor, torch.Tensor)]
    return [value] if isinstance(value, torch.Tensor) else []
