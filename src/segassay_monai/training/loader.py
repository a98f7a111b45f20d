"""Batches of tiles, by several processes where there are; an error of ours in one of them arrives as it is.

    dataset -> worker process: tiles, or the error -> TileLoader -> batch, or the error is raised

torch sends the text of an error alone, with its traceback, and MONAI's error around ours.
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
    """MONAI's loader, which raises an error of ours that a worker process met.

    Args:
        dataset: Cases, each a dictionary of tensors.
        settings: As of MONAI's and torch's loader, but for `collate_fn`.

    Raises:
        SegAssayError: When a batch is asked for.
    """

    def __init__(self, dataset: Dataset, **settings: Any) -> None:
        super().__init__(_ErrorsAsItems(dataset), collate_fn=_first_error_or_batch, **settings)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Start the workers at once, as the first random numbers are drawn then."""
        batches = super().__iter__()
        return (_raised(batch) for batch in batches)


class _ErrorsAsItems(Dataset):
    """Give an error of ours in place of an item, where it would only reach the main process as text."""

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


def _raised(batch: Any) -> Any:
    if isinstance(batch, SegAssayError):
        raise batch
    return batch
