"""Stop a training whose loss or weights grow beyond all bounds: its model would be published as if it had learned."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events

from segassay.errors import DataError

__all__ = ["StopDiverged"]

_LARGEST_LOSS = 1e6
"""Dice and cross-entropy of any network that has not diverged stay far below."""


class StopDiverged:
    """Raise an error if the loss is no number or out of bounds, or at the end of an epoch a weight is no number.

    The last iteration of an epoch is looked at before its states are kept.

    Args:
        network: Whose weights are watched.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network

    def attach(self, engine: Engine) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._check)

    def _check(self, engine: Any) -> None:
        loss = float(engine.state.output[0]["loss"])
        if not abs(loss) <= _LARGEST_LOSS:
            raise _diverged(engine, f"the loss is {loss:g}")
        if engine.state.iteration % engine.state.epoch_length:
            return
        if not all(bool(torch.isfinite(values).all()) for values in self.network.state_dict().values()):
            raise _diverged(engine, "weights of the network are not numbers (NaN or infinite)")


def _diverged(engine: Any, what: str) -> DataError:
    rate = engine.optimizer.param_groups[0]["lr"] if hasattr(engine, "optimizer") else None
    where = f"in epoch {engine.state.epoch}" + ("" if rate is None else f", at a learning rate of {rate:g}")
    return DataError.of(
        None,
        f"the training diverged: {what} {where}",
        "give a smaller --learning_rate; if it is small, check that the images hold no extreme values",
        kind="diverged",
    )
