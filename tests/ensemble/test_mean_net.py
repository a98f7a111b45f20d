"""An ensemble as one network with all its members, held against the ensemble that reads them from files."""

import pytest
import torch

from segassay_monai.ensemble.ensemble_net import EnsembleNet
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.mean_net import MeanNet, read_mean_net
from segassay_monai.ensemble.network import NetworkSettings, residual_unet, size_divisor

SETTINGS = NetworkSettings(2, 2, [4, 8], [[2, 2]])


@pytest.fixture
def checkpoints(tmp_path):
    paths = []
    for seed in range(3):
        torch.manual_seed(seed)
        net = residual_unet(**SETTINGS.state_dict())
        paths.append(tmp_path / f"{seed}.pt")
        torch.save({"model": net.state_dict(), "network": SETTINGS.state_dict()}, paths[-1])
    return paths


def test_it_predicts_as_the_ensemble_that_reads_its_members_from_files(checkpoints):
    image = torch.rand(1, 2, 16, 24, generator=torch.Generator().manual_seed(5))
    net, settings = read_mean_net(checkpoints)
    assert settings.state_dict() == SETTINGS.state_dict()
    ensemble = EnsembleNet(
        residual_unet(**SETTINGS.state_dict()), checkpoints, WholeImageInferer(size_divisor(SETTINGS.strides))
    )
    with torch.no_grad():
        prob = net(image)
        torch.testing.assert_close(prob, ensemble(image), rtol=0, atol=1e-6)
        assert not torch.equal(prob, torch.sigmoid(net.members[0](image)))


def test_an_ensemble_of_none_is_refused():
    with pytest.raises(ValueError, match="at least one member, got 0"):
        MeanNet(0, 2, 1, [4, 8])


def test_a_checkpoint_whose_weights_do_not_fit_its_settings_is_named(checkpoints):
    content = torch.load(checkpoints[1], weights_only=True)
    content["model"] = {"other": torch.zeros(1)}
    torch.save(content, checkpoints[1])
    with pytest.raises(PredictionError, match=r"1\.pt: the weights do not fit the network"):
        read_mean_net(checkpoints)
