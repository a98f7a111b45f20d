"""Batches of tiles, from worker processes if there are any; a SegAssayError in a worker is raised unchanged.

    dataset -> worker process: tiles, or the error -> TileLoader -> batch, or the error is raised

torch alone would pass on only the text of an error, with its traceback and MONAI's error around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monai.data import DataLoader, Dataset, list_data_collate
from torch.utils.data import get_worker_info

from segassay.errors import SegAssayError
from segassay_monai.bundle.settings import find_own_error

__all__ = ["TileLoader"]


class TileLoader(DataLoader):
    """MONAI's loader, which raises a `SegAssayError` of a worker process unchanged.

    Args:
        dataset: Cases, each a dictionary of tensors.
        settings: Arguments of MONAI's loader, except `collate_fn`.

    Raises:
        SegAssayError: When the next batch is read.
    """

    def __init__(self, dataset: Dataset, **settings: Any) -> None:
        super().__init__(_ErrorsAsItems(dataset), collate_fn=_first_error_or_batch, **settings)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Start the workers at once, because they draw the first random numbers then."""
        return _raised(super().__iter__())


class _ErrorsAsItems(Dataset):
    """Return a `SegAssayError` instead of an item, because it would reach the main process only as text."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        try:
            return self.dataset[index]
        except Exception as error:
            ours = find_own_error(error)
            if ours is None or get_worker_info() is None:
                raise
            return ours


def _first_error_or_batch(items: list[Any]) -> Any:
    errors = [item for item in items if isinstance(item, SegAssayError)]
    return errors[0] if errors else list_data_collate(items)


def _raised(batches: Iterator[Any]) -> Iterator[Any]:
    """Batches; after an error nothing holds their processes, which end at once instead of when garbage is collected."""
    try:
        for batch in batches:
            if isinstance(batch, SegAssayError):
                raise batch
            yield batch
    finally:
        del batches
