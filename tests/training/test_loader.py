"""Batches of tiles: an error of ours in a process that loads data arrives as it is, and batches are those of MONAI."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import Randomizable, Transform
from torch.utils.data import _utils

from segassay.errors import DataError, SegAssayError, UsageError
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.training.loader import TileLoader
from segassay_monai.training.resume import reseed

ERRORS = {
    "data": DataError("labels/0144.png: truncated;\n\ncopy it again"),
    "usage": UsageError("--rater bob"),
    "prediction": PredictionError("0144.png: expected 1 channel(s)"),
    "bug": KeyError("not ours"),
}


class Draw(Randomizable, Transform):
    """A transform with random numbers of its own."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        if data["case"] in ERRORS:
            raise ERRORS[data["case"]]
        return {"image": torch.from_numpy(self.R.random_sample((1, 4, 4))), "drawn": torch.rand(1)}


@pytest.fixture(autouse=True)
def _processes_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A caught error of torch keeps its loader, whose processes are given 5 seconds when garbage is collected."""
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.1)
    yield
    gc.collect()


def cases(*names: str) -> Dataset:
    return Dataset([{"case": name} for name in names], Draw())


@pytest.mark.parametrize("n_workers", [0, 2])
def test_batches_are_those_of_the_loader_of_monai(n_workers):
    drawn = []
    for kind in (TileLoader, DataLoader):
        loader = kind(cases(*"abcd"), batch_size=2, num_workers=n_workers)
        assert len(loader) == 2
        epochs = []
        for epoch in (1, 2):
            reseed(7, epoch, dataset=loader.dataset)
            started = iter(loader)
            torch.rand(3)  # the first random numbers are drawn when the loader starts
            batches = list(started)
            epochs.append(torch.stack([batch["image"] for batch in batches]))
            assert batches[0]["drawn"].shape == (2, 1)
        assert not torch.equal(*epochs)
        drawn.append(torch.stack(epochs))
    assert torch.equal(*drawn)


@pytest.mark.parametrize("name", ["data", "usage", "prediction"])
def test_an_error_of_ours_in_a_loading_process_is_raised_as_it_is(name):
    batches = iter(TileLoader(cases("a", "b", "c", name), batch_size=2, num_workers=1))
    assert next(batches)["image"].shape == (2, 1, 4, 4)
    with pytest.raises(SegAssayError) as caught:
        next(batches)
    assert type(caught.value) is (UsageError if name == "usage" else DataError)
    assert str(caught.value) == str(ERRORS[name])


def test_an_error_that_is_not_ours_keeps_the_traceback_of_the_loading_process():
    with pytest.raises(RuntimeError, match="KeyError: 'not ours'"):
        list(TileLoader(cases("bug"), num_workers=1))


@pytest.mark.parametrize("name", ["data", "bug"])
def test_in_the_process_itself_the_error_is_that_of_monai_with_its_cause(name):
    with pytest.raises(RuntimeError) as caught:
        list(TileLoader(cases(name), num_workers=0))
    assert caught.value.__cause__ is ERRORS[name]
