"""The ensemble, held against an explicit mean of different networks; its uncertainty, against values by hand."""

import itertools
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.engines import EnsembleEvaluator
from monai.inferers import SimpleInferer
from monai.transforms import Activationsd, Compose, MeanEnsembled
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from networks import CHANNELS, INFERER, image, save, trained, unet
from segassay.errors import DataError
from segassay_monai.bundle.settings import find_own_error
from segassay_monai.ensemble import ensemble_net
from segassay_monai.ensemble.ensemble_net import EnsembleNet, Prediction, uncertainty
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import (
    residual_unet,
)


def ensemble(paths: Sequence[Path], flips: bool = False) -> EnsembleNet:
    return EnsembleNet(residual_unet(2, 1, CHANNELS), paths, INFERER, flips)


class Always(nn.Module):
    """A network that gives one probability everywhere."""

    def __init__(self, prob: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.logit(torch.tensor(prob)))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.logit.expand(len(image), 1, *image.shape[2:])


@torch.no_grad()
def predicted_by(folder: Path, probs: Sequence[float], shape: tuple[int, ...] = (1, 1, 3, 5)) -> Prediction:
    """What an ensemble of networks says that each give one probability everywhere."""
    net = EnsembleNet(Always(0.5), save(folder, [Always(prob) for prob in probs]), WholeImageInferer(divisor=1))
    net(torch.zeros(shape))
    assert net.last is not None
    return net.last


def members_one_by_one(inputs: torch.Tensor, n: int = 3) -> list[torch.Tensor]:
    return [torch.sigmoid(INFERER(inputs, unet(seed))) for seed in range(n)]


@torch.no_grad()
def test_ensemble_is_the_mean_probability_of_different_networks(checkpoints):
    inputs = image(2, 1, 15, 22)
    members = members_one_by_one(inputs)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (members[one] - members[other]).abs().max() > 0.1, "the members must differ for this to show anything"
    prob = ensemble(checkpoints)(inputs)
    torch.testing.assert_close(prob, torch.stack(members).mean(dim=0), atol=1e-6, rtol=0)
    assert prob.shape == (2, 1, 15, 22)
    assert prob.dtype == torch.float32


@torch.no_grad()
def test_ensemble_equals_that_of_monai(checkpoints):
    inputs = image(3, 1, 16, 24)
    keys = [f"pred_{seed}" for seed in range(3)]
    monai = EnsembleEvaluator(
        device=torch.device("cpu"),
        val_data_loader=[{"image": inputs}],
        pred_keys=keys,
        networks=[unet(seed) for seed in range(3)],
        inferer=SimpleInferer(),
        postprocessing=Compose([Activationsd(keys, sigmoid=True), MeanEnsembled(keys, output_key="pred")]),
    )
    monai.run()
    theirs = torch.stack([case["pred"] for case in monai.state.output])
    torch.testing.assert_close(ensemble(checkpoints)(inputs), theirs.as_subclass(torch.Tensor), atol=1e-6, rtol=0)


@torch.no_grad()
def test_one_member_is_its_own_ensemble_and_the_order_does_not_matter(checkpoints):
    inputs = image(1, 1, 16, 16)
    assert torch.equal(ensemble(checkpoints[1:2])(inputs), members_one_by_one(inputs)[1])
    turned = ensemble(checkpoints[::-1])(inputs)
    torch.testing.assert_close(ensemble(checkpoints)(inputs), turned, atol=1e-6, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("room", [0, 2000, 2**26])
def test_every_image_meets_every_member(checkpoints, monkeypatch, room):
    """Also where weights of no member, or of some, are kept."""
    monkeypatch.setattr(ensemble_net, "KEPT_BYTES", room)
    net = ensemble(checkpoints)
    for seed in range(3):
        inputs = image(1, 1, 16, 16, seed=seed)
        expected = torch.stack(members_one_by_one(inputs)).mean(dim=0)
        torch.testing.assert_close(net(inputs), expected, atol=1e-6, rtol=0)
    assert sum(value.nbytes for kept in net._kept.values() for value in kept.values()) <= room


@torch.no_grad()
def test_the_mask_of_each_member_is_kept_in_one_bit_per_pixel(checkpoints):
    inputs = image(2, 1, 15, 22)
    net = ensemble(checkpoints)
    net(inputs)
    assert net.last.packed_masks.nbytes == 3 * 2 * -(-15 * 22 // 8)
    masks = [(prob > 0.5).numpy() for prob in members_one_by_one(inputs)]
    assert any(0 < mask.mean() < 1 for mask in masks)
    for number, case in itertools.product(range(3), range(2)):
        np.testing.assert_array_equal(net.last.member_mask(number, case), masks[number][case, 0])


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and (storage := tensor.untyped_storage()) not in self._known:
                self._known.add(storage)
                self._change(storage.nbytes())
                weakref.finalize(storage, self._change, -storage.nbytes())
        return result

    def _change(self, n_bytes: int) -> None:
        self.now += n_bytes
        self.peak = max(self.peak, self.now)


@pytest.mark.parametrize("flips", [False, True])
def test_memory_does_not_grow_with_the_number_of_members(tmp_path, flips):
    paths = save(tmp_path, [unet(seed) for seed in range(8)])
    inputs, peaks = image(1, 1, 256, 256), {}
    for n in (1, 8):
        net = ensemble(paths[:n], flips)
        with torch.no_grad(), LiveBytes() as live:
            net(inputs)
        packed = net.last.packed_masks.nbytes
        assert live.now < 2.5 * inputs.nbytes, "mean, doubt and small weights stay, no map of a member"
        peaks[n] = live.peak + packed
    assert inputs.nbytes * 8 < peaks[1], "the activations of the network are not counted"
    assert peaks[8] < 1.1 * peaks[1]


def test_a_checkpoint_of_another_architecture_is_named(checkpoints):
    torch.save({"model": unet(0, channels=(4, 8, 16)).state_dict()}, checkpoints[1])
    with pytest.raises(ValueError, match=r"s1.model\.pt: the weights do not fit the network") as caught:
        ensemble(checkpoints)(image(1, 1, 16, 16))
    shown = find_own_error(caught.value)
    assert isinstance(shown, DataError), "the user would see a traceback"
    assert len(str(shown).splitlines()) == 1


def test_a_checkpoint_for_other_image_channels_is_named(checkpoints):
    torch.save({"model": unet(0, in_channels=3).state_dict()}, checkpoints[0])
    with pytest.raises(ValueError, match=r"s0.model\.pt.*size mismatch"):
        ensemble(checkpoints)(image(1, 1, 16, 16))


class Pointwise(nn.Module):
    """A network for which it makes no difference on which side a pixel lies."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.5))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.weight * image


@torch.no_grad()
@pytest.mark.parametrize("shape", [(15, 22), (5, 7, 6)])
def test_flips_change_nothing_where_the_network_does_not_know_left_from_right(tmp_path, shape):
    paths, inputs = save(tmp_path, [Pointwise()]), image(2, 1, *shape)
    plain, flipped = (EnsembleNet(Pointwise(), paths, WholeImageInferer(4), flips)(inputs) for flips in (False, True))
    torch.testing.assert_close(flipped, plain, atol=1e-6, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("shape", [(15, 22), (5, 7, 6)])
def test_flips_average_the_probability_over_all_sets_of_axes(tmp_path, shape):
    networks = [trained(residual_unet(len(shape), 1, CHANNELS), seed) for seed in range(2)]
    inputs = image(1, 1, *shape)
    sets = [axes for n in range(4) for axes in itertools.combinations(range(2, inputs.ndim), n)]
    assert len(sets) == 2 ** len(shape)
    by_flip = [[torch.sigmoid(INFERER(inputs.flip(axes), net)).flip(axes) for axes in sets] for net in networks]
    assert all((probs[0] - other).abs().max() > 0.1 for probs in by_flip for other in probs[1:])
    expected = [torch.stack(probs).mean(dim=0) for probs in by_flip]
    net = EnsembleNet(residual_unet(len(shape), 1, CHANNELS), save(tmp_path, networks), INFERER, flips=True)
    torch.testing.assert_close(net(inputs), torch.stack(expected).mean(dim=0), atol=1e-6, rtol=0)
    for member, prob in enumerate(expected):
        np.testing.assert_array_equal(net.last.member_mask(member), prob[0, 0] > 0.5)
    doubt = torch.stack([uncertainty(prob) for prob in expected]).mean(dim=0)
    torch.testing.assert_close(net.last.doubt, doubt, atol=1e-6, rtol=0)


def test_an_ensemble_of_nobody_is_an_error():
    with pytest.raises(ValueError, match="at least one checkpoint"):
        ensemble([])


@torch.no_grad()
def test_members_predict_with_the_statistics_of_their_training(checkpoints):
    inputs = image(1, 1, 16, 16)
    net = ensemble(checkpoints).train()
    torch.testing.assert_close(net(inputs), torch.stack(members_one_by_one(inputs)).mean(dim=0), atol=1e-6, rtol=0)


def test_uncertainty_is_0_where_sure_and_1_where_undecided():
    assert uncertainty(torch.tensor([0.0, 1.0, 0.5, 0.25])).tolist() == pytest.approx([0, 0, 1, 0.811278], abs=1e-6)
    assert not torch.signbit(uncertainty(torch.tensor([0.0, 1.0]))).any()


@given(prob=st.floats(0, 1, width=32))
def test_uncertainty_is_symmetric_and_within_0_and_1(prob):
    value = uncertainty(torch.tensor(prob)).item()
    assert -1e-6 <= value <= 1 + 1e-6
    assert value == pytest.approx(uncertainty(1 - torch.tensor(prob)).item(), abs=1e-5)


@pytest.mark.parametrize(
    ("probs", "total", "doubt"),
    [
        ([0.0, 1.0], 1, 0),  # each is sure of the opposite
        ([0.5, 0.5], 1, 1),  # each is undecided
        ([0.0, 0.5], 0.811278, 0.5),
        ([0.25], 0.811278, 0.811278),
        ([1.0, 1.0, 1.0], 0, 0),
    ],
)
def test_total_uncertainty_is_disagreement_and_doubt(tmp_path, probs, total, doubt):
    prediction = predicted_by(tmp_path, probs)
    for values, expected in (
        (prediction.total, total),
        (prediction.doubt, doubt),
        (prediction.disagreement, total - doubt),
    ):
        assert values.shape == (1, 1, 3, 5)
        np.testing.assert_allclose(values, expected, atol=1e-6)


@torch.no_grad()
def test_the_parts_of_uncertainty_are_those_of_all_members_at_once(checkpoints):
    """Second way: mean over members of the divergence from their mean, in bits, from all maps in float64."""
    inputs = image(2, 1, 15, 22)
    net = ensemble(checkpoints)
    net(inputs)
    p = torch.stack(members_one_by_one(inputs)).double()
    mean = p.mean(dim=0)
    foreground, background = torch.xlogy(p, p / mean), torch.xlogy(1 - p, (1 - p) / (1 - mean))
    divergence = (foreground + background).nan_to_num(0).mean(dim=0) / np.log(2)  # 0 / 0 where all are sure
    assert divergence.max() > 0.1
    torch.testing.assert_close(net.last.disagreement.double(), divergence, atol=2e-6, rtol=0)
    torch.testing.assert_close(net.last.disagreement + net.last.doubt, net.last.total, atol=1e-6, rtol=0)
    assert (net.last.disagreement >= 0).all()


@torch.no_grad()
def test_a_single_member_disagrees_with_nobody(checkpoints):
    net = ensemble(checkpoints[:1])
    net(image(1, 1, 16, 16))
    assert not net.last.disagreement.any()
    assert torch.equal(net.last.total, net.last.doubt)
