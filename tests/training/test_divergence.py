"""A training that diverges ends with one message, before a state is kept."""

import pytest
import torch
from ignite.engine import Engine, Events

from segassay.errors import DataError
from segassay_monai.training.divergence import StopDiverged


def _trainer(losses: list[float], network: torch.nn.Module, spoil: int | None = None) -> Engine:
    def step(engine: Engine, batch: int) -> list[dict[str, torch.Tensor]]:
        if engine.state.iteration == spoil:
            with torch.no_grad():
                network.weight[0, 0] = torch.nan
        return [{"loss": torch.tensor(losses[batch])}]

    engine = Engine(step)
    engine.kept = []
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: engine.kept.append(engine.state.epoch))
    StopDiverged(network).attach(engine)
    return engine


def test_a_training_that_learns_is_left_alone() -> None:
    engine = _trainer([2.0, 1.0, 1e5], torch.nn.Linear(2, 2))
    engine.run(range(3), max_epochs=2)
    assert engine.kept == [1, 2]


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 1.3e23, -float("inf")])
def test_a_loss_out_of_bounds_is_one_message(loss: float) -> None:
    engine = _trainer([2.0, loss, 1.0], torch.nn.Linear(2, 2))
    with pytest.raises(DataError, match=r"the training diverged: the loss is .*epoch 1.*smaller --learning_rate"):
        engine.run(range(3), max_epochs=2)
    assert engine.kept == []


def test_weights_that_are_no_numbers_are_found_before_a_state_is_kept() -> None:
    """The last step of an epoch may spoil the weights without another loss."""
    engine = _trainer([1.0, 1.0], torch.nn.Linear(2, 2), spoil=4)
    with pytest.raises(DataError, match=r"weights of the network are not numbers .* in epoch 2"):
        engine.run(range(2), max_epochs=3)
    assert engine.kept == [1]
