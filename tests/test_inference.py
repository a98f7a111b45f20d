"""Ensemble, inferer and uncertainty; the ensemble is held against an explicit mean of different networks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.engines import EnsembleEvaluator
from monai.inferers import SimpleInferer
from monai.networks.nets import UNet
from monai.transforms import Activationsd, Compose, MeanEnsembled
from torch import nn

from segassay.errors import DataError
from segassay_monai.inference import EnsembleNet, WholeImageInferer, pad_to_multiple, residual_unet, uncertainty
from segassay_monai.settings import find_own_error

CHANNELS = (4, 8)
INFERER = WholeImageInferer(divisor=2)


def trained(network: nn.Module, seed: int) -> nn.Module:
    """The network with weights and normalisation statistics of its own, as after a training."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                noise = torch.randn(value.shape, generator=rng)
                value.copy_(noise.abs() + 0.5 if name.endswith("running_var") else value + 0.3 * noise)
    return network.eval()


def unet(seed: int, channels: Sequence[int] = CHANNELS, in_channels: int = 1) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return trained(residual_unet(2, in_channels, channels), seed)


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def checkpoints(tmp_path: Path) -> list[Path]:
    """Three members that differ."""
    paths = [tmp_path / f"s{seed}" / "model.pt" for seed in range(3)]
    for seed, path in enumerate(paths):
        path.parent.mkdir()
        torch.save({"model": unet(seed).state_dict(), "member": {"seed": seed}}, path)
    return paths


def ensemble(paths: Sequence[Path]) -> EnsembleNet:
    return EnsembleNet(residual_unet(2, 1, CHANNELS), paths, INFERER)


def members_one_by_one(inputs: torch.Tensor, n: int = 3) -> list[torch.Tensor]:
    return [torch.sigmoid(INFERER(inputs, unet(seed))) for seed in range(n)]


# ----------------------------------------------------------------------------------------------------------- ensemble


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
def test_every_image_meets_every_member(checkpoints):
    net = ensemble(checkpoints)
    for seed in range(3):
        inputs = image(1, 1, 16, 16, seed=seed)
        expected = torch.stack(members_one_by_one(inputs)).mean(dim=0)
        torch.testing.assert_close(net(inputs), expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_observer_sees_each_member_once_in_order_and_may_keep_what_it_sees(checkpoints):
    inputs, seen = image(1, 1, 16, 16), []
    net = ensemble(checkpoints)
    net.observe = lambda number, prob: seen.append((number, prob))
    net(inputs)
    assert [number for number, _ in seen] == [0, 1, 2]
    for (_, prob), expected in zip(seen, members_one_by_one(inputs), strict=True):
        assert torch.equal(prob, expected)


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


def test_an_ensemble_of_nobody_is_an_error():
    with pytest.raises(ValueError, match="at least one checkpoint"):
        ensemble([])


@torch.no_grad()
def test_members_predict_with_the_statistics_of_their_training(checkpoints):
    inputs = image(1, 1, 16, 16)
    net = ensemble(checkpoints).train()
    torch.testing.assert_close(net(inputs), torch.stack(members_one_by_one(inputs)).mean(dim=0), atol=1e-6, rtol=0)


# ------------------------------------------------------------------------------------------------- windows and padding


def change_by_window(network: nn.Module) -> float:
    """Largest change of the logits in the middle when half of the surroundings is cut off."""
    inputs = image(1, 1, 96, 96)
    whole, window = network(inputs), network(inputs[..., 24:72, 24:72])
    return (whole[..., 44:52, 44:52] - window[..., 20:28, 20:28]).abs().max().item()


@torch.no_grad()
def test_the_result_for_a_pixel_does_not_depend_on_the_window():
    assert change_by_window(unet(0)) < 1e-5
    instance = UNet(2, 1, 1, list(CHANNELS), [2], num_res_units=2, norm="INSTANCE")
    assert change_by_window(trained(instance, 0)) > 1e-3, "instance normalisation should show what is avoided"


@torch.no_grad()
@pytest.mark.parametrize("shape", [(160, 200), (161, 201)])
def test_windows_and_whole_image_agree(shape):
    inputs, network = image(1, 1, *shape), unet(0)
    whole = torch.sigmoid(WholeImageInferer(divisor=2)(inputs, network))
    windows = torch.sigmoid(WholeImageInferer(divisor=2, max_pixels=4 * 64**2)(inputs, network))
    assert whole.shape == windows.shape == (1, 1, *shape)
    difference = (whole - windows).abs()[0, 0]
    assert difference[16:32, 16:32].max() < 1e-5  # far from the borders of the only window that covers them
    assert difference.mean() < 0.01


@torch.no_grad()
def test_large_images_are_predicted_in_windows_and_small_ones_whole():
    shapes: list[tuple[int, ...]] = []

    def network(inputs: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(inputs.shape[2:]))
        return inputs.clone()

    inferer = WholeImageInferer(divisor=8, max_pixels=64 * 64)
    inferer(image(1, 1, 64, 64), network)
    assert shapes == [(64, 64)]
    shapes.clear()
    output = inferer(image(1, 1, 65, 64), network)
    assert set(shapes) == {(32, 32)}
    torch.testing.assert_close(output, image(1, 1, 65, 64))
    shapes.clear()
    inferer(image(1, 1, 24, 24, 24), network)
    assert set(shapes) == {(8, 8, 8)}, "a window of a volume must be bounded as well"


@torch.no_grad()
def test_any_size_is_padded_to_what_the_network_accepts_and_cut_back():
    network = unet(0, channels=(2, 2, 2, 2))
    for shape in [(1, 1), (1, 9), (7, 8), (8, 8), (13, 30)]:
        assert WholeImageInferer(divisor=8)(image(2, 1, *shape), network).shape == (2, 1, *shape)
    volume = trained(residual_unet(3, 1, (2, 2)), 0)
    assert WholeImageInferer(divisor=2)(image(1, 1, 1, 5, 6), volume).shape == (1, 1, 1, 5, 6)


@torch.no_grad()
def test_a_fitting_size_is_predicted_as_it_is():
    inputs, network = image(1, 1, 16, 24), unet(0)
    assert torch.equal(WholeImageInferer(divisor=8)(inputs, network), network(inputs))


@settings(max_examples=40, deadline=None)
@given(shape=st.lists(st.integers(1, 20), min_size=2, max_size=3), divisor=st.sampled_from([1, 2, 8, 16]))
def test_padding_is_the_symmetric_padding_of_numpy(shape, divisor):
    inputs = image(1, 2, *shape)
    widths = [(0, 0), (0, 0), *[(0, -size % divisor) for size in shape]]
    expected = np.pad(inputs.numpy(), widths, mode="symmetric")
    np.testing.assert_array_equal(pad_to_multiple(inputs, divisor), expected)
    assert all(size % divisor == 0 for size in expected.shape[2:])


# -------------------------------------------------------------------------------------------------------- uncertainty


def test_uncertainty_is_0_where_sure_and_1_where_undecided():
    assert uncertainty(torch.tensor([0.0, 1.0, 0.5, 0.25])).tolist() == pytest.approx([0, 0, 1, 0.811278], abs=1e-6)
    assert not torch.signbit(uncertainty(torch.tensor([0.0, 1.0]))).any()


@given(prob=st.floats(0, 1, width=32))
def test_uncertainty_is_symmetric_and_within_0_and_1(prob):
    value = uncertainty(torch.tensor(prob)).item()
    assert -1e-6 <= value <= 1 + 1e-6
    assert value == pytest.approx(uncertainty(1 - torch.tensor(prob)).item(), abs=1e-5)
