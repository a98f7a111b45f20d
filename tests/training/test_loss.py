"""Dice + cross-entropy: by hand, against MONAI, and blind to what is ignored."""

import math

import pytest
import torch
from monai.losses import DiceCELoss

from segassay_monai.training.loss import MaskedDiceCELoss

LOSS = MaskedDiceCELoss()


def pack(label: torch.Tensor, valid: torch.Tensor, *weight: torch.Tensor) -> torch.Tensor:
    return torch.cat([label, valid, *weight], dim=1)


def random_batch(seed: int = 0, shape: tuple[int, ...] = (3, 1, 8, 10)) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=rng), (torch.rand(shape, generator=rng) < 0.3).float()


def test_two_pixels_by_hand():
    logits = torch.tensor([[[[0.0, math.log(3)]]]])  # probabilities 1/2 and 3/4
    label = torch.tensor([[[[0.0, 1.0]]]])
    cross_entropy = (math.log(2) + math.log(4 / 3)) / 2
    dice = (2 * 0.75 + 1) / (0.5 + 0.75 + 1 + 1)
    loss = LOSS(logits, pack(label, torch.ones_like(label)))
    assert loss.item() == pytest.approx(cross_entropy + 1 - dice, abs=1e-6)


def test_an_ignored_pixel_leaves_the_other_one_by_hand():
    logits = torch.tensor([[[[0.0, math.log(3)]]]])
    target = pack(torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[[0.0, 1.0]]]]))
    assert LOSS(logits, target).item() == pytest.approx(math.log(4 / 3) + 1 - 2.5 / 2.75, abs=1e-6)


@pytest.mark.parametrize("shape", [(3, 1, 8, 10), (2, 1, 4, 5, 6)])
def test_equals_monai_where_nothing_is_ignored(shape):
    logits, label = random_batch(shape=shape)
    theirs = DiceCELoss(sigmoid=True, batch=True, smooth_nr=1.0, smooth_dr=1.0)(logits, label)
    assert LOSS(logits, pack(label, torch.ones_like(label))).item() == pytest.approx(theirs.item(), abs=1e-6)


def test_ignored_pixels_have_no_gradient_and_no_say():
    logits, label = random_batch()
    valid = torch.ones_like(label)
    valid[:, :, 2:5, 1:7] = 0
    logits.requires_grad_()
    loss = LOSS(logits, pack(label, valid))
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad[valid == 0].any()
    assert (logits.grad[valid == 1] != 0).all()
    other_logits = torch.where(valid == 1, logits.detach(), 50 * torch.randn(logits.shape))
    other_label = torch.where(valid == 1, label, 1 - label)
    assert LOSS(other_logits, pack(other_label, valid)).item() == loss.item()


def test_half_an_image_ignored_is_the_other_half_alone():
    logits, label = random_batch()
    valid = torch.ones_like(label)
    valid[..., 5:] = 0
    half = LOSS(logits[..., :5], pack(label[..., :5], valid[..., :5]))
    assert LOSS(logits, pack(label, valid)).item() == pytest.approx(half.item(), abs=1e-6)


@pytest.mark.parametrize("valid", [0.0, 1.0], ids=["all ignored", "nothing labelled"])
def test_empty_is_finite_with_finite_gradients(valid):
    logits, label = random_batch()
    logits.requires_grad_()
    loss = LOSS(logits, pack(torch.zeros_like(label), torch.full_like(label, valid)))
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_a_right_prediction_costs_nothing_and_a_wrong_one_much():
    _, label = random_batch()
    target = pack(label, torch.ones_like(label))
    assert LOSS(40 * label - 20, target).item() < 1e-4
    assert LOSS(20 - 40 * label, target).item() > 10


def constant(prob: float, label: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of one probability, and a label of one value, everywhere."""
    shape = (1, 1, 10, 10)
    return torch.full(shape, math.log(prob / (1 - prob))), torch.full(shape, label)


def classical_dice(logits: torch.Tensor, label: torch.Tensor) -> float:
    prob = torch.sigmoid(logits)
    return (1 - (2 * (prob * label).sum() + 1) / (prob.sum() + label.sum() + 1)).item()


def dice_part(logits: torch.Tensor, label: torch.Tensor) -> float:
    """The loss without its cross-entropy: that is left out by weights of 0."""
    ones = torch.ones_like(label)
    return LOSS(logits, pack(label, ones, 0 * ones)).item()


@pytest.mark.parametrize("label", [0.2, 0.4, 0.6, 0.8])
def test_a_soft_label_is_best_predicted_by_itself(label):
    probabilities = [number / 20 for number in range(1, 20)]
    assert min(probabilities, key=lambda prob: dice_part(*constant(prob, label))) == label
    whole = [
        LOSS(logits, pack(q, torch.ones_like(q))).item() for logits, q in (constant(p, label) for p in probabilities)
    ]
    assert probabilities[whole.index(min(whole))] == label
    assert dice_part(*constant(label, label)) == pytest.approx(0, abs=1e-6)
    assert min(probabilities, key=lambda prob: classical_dice(*constant(prob, label))) == 0.95, (
        "the reason for all this"
    )


def test_for_hard_labels_it_is_the_classical_dice_to_the_last_bit():
    for seed in range(5):
        logits, label = random_batch(seed)
        assert dice_part(logits, label) == classical_dice(logits, label)


def test_gradients_of_soft_labels_are_finite_also_where_the_prediction_is_right():
    logits, _ = random_batch()
    label = torch.sigmoid(logits)
    logits.requires_grad_()
    LOSS(logits, pack(label, torch.ones_like(label))).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_weights_count_in_the_cross_entropy_alone_by_hand():
    logits = torch.tensor([[[[0.0, math.log(3)]]]])  # cross-entropy log 2 and log 4/3
    label, ones = torch.tensor([[[[0.0, 1.0]]]]), torch.ones(1, 1, 1, 2)
    weight = torch.tensor([[[[6.0, 2.0]]]])
    expected = (6 * math.log(2) + 2 * math.log(4 / 3)) / 8 + 1 - (2 * 0.75 + 1) / (0.5 + 0.75 + 1 + 1)
    assert LOSS(logits, pack(label, ones, weight)).item() == pytest.approx(expected, abs=1e-6)


def test_equal_weights_change_nothing_and_ignored_pixels_keep_no_say():
    logits, label = random_batch()
    valid = (random_batch(seed=1)[1] == 0).float()
    plain = LOSS(logits, pack(label, valid)).item()
    assert LOSS(logits, pack(label, valid, torch.full_like(label, 7.0))).item() == pytest.approx(plain, abs=1e-6)
    weight = 1 + random_batch(seed=2)[0].abs()
    elsewhere = torch.where(valid == 1, weight, 1e6)
    assert (
        LOSS(logits, pack(label, valid, weight)).item() == LOSS(logits, pack(label, valid, elsewhere)).item() != plain
    )


def test_small_weights_are_no_smaller_loss():
    """Normalised by the sum of the weights, also where that is below 1."""
    logits, label = random_batch(shape=(1, 1, 2, 2))
    ones = torch.ones_like(label)
    assert LOSS(logits, pack(label, ones, 0.01 * ones)).item() == pytest.approx(
        LOSS(logits, pack(label, ones)).item(), abs=1e-6
    )
