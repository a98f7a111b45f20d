"""Cellpose 3 from scratch, without a pretrained model, with the settings of its documentation (SGD, rate 0.1).

An epoch is one batch of 8 images here, so that the 10 epochs in which the rate rises do not take the whole budget.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from budget import Budget, Case, Prediction, read_cases, run
from cellpose import train as cellpose_train
from cellpose.models import CellposeModel


class OutOfTime(Exception):
    """The budget is spent."""


def train(data: Path, model: Path, budget: Budget, seed: int, settings: dict[str, str]) -> None:
    """Train until the budget is spent."""
    logging.basicConfig(level=logging.INFO)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    cases = read_cases(data, "train", "val")
    started = CellposeModel(gpu=False, pretrained_model=None, mkldnn=False, diam_mean=30.0)
    net, steps = started.net, 0

    def stop(*_: object) -> None:
        nonlocal steps
        if budget.is_over:
            raise OutOfTime
        steps += 1

    net.register_forward_pre_hook(stop)
    try:
        cellpose_train.train_seg(
            net,
            train_data=[case.image for case in cases],
            train_labels=[case.labels.astype(np.uint16) for case in cases],
            channels=[0, 0],
            SGD=True,
            learning_rate=0.1,
            weight_decay=1e-4,
            n_epochs=100_000,
            nimg_per_epoch=8,
            save_path=model,
            save_every=1_000_000,
        )
    except OutOfTime:
        net.save_model(str(model / "cellpose"))
    print("steps:", steps)


def predict(data: Path, model: Path, cases: Sequence[Case]) -> Iterator[Prediction]:
    """Predict with Cellpose's defaults, at the mean diameter of the training."""
    torch.set_num_threads(1)
    trained = CellposeModel(gpu=False, pretrained_model=str(model / "cellpose"))
    for case in cases:
        masks = trained.eval(case.image, channels=[0, 0], diameter=None)[0]
        yield masks.astype(np.int32), None


if __name__ == "__main__":
    run(train, predict, ["torch", "cellpose"])
