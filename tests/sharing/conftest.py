"""What the tests of this room share."""

import pytest
import torch

from segassay_monai.ensemble.members import Member
from segassay_monai.ensemble.network import NetworkSettings, residual_unet
from sharing_secrets import SECRETS


def member(seed):
    case, digest, subject, rater, dataset = SECRETS
    return Member(
        dataset, digest, "expert", rater, 0, 2, seed, (case,), (case,), (case,), (digest,), (subject,), digest
    )


def members(folder, settings, n=3):
    """Checkpoints of untrained members that differ, and whose masks have both kinds of pixels."""
    paths = []
    for seed in range(n):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = residual_unet(**settings.state_dict())
            for value in net.parameters():
                value.data += 0.2 * torch.randn_like(value)
        paths.append(folder / f"s{seed}" / "model.pt")
        paths[-1].parent.mkdir(parents=True)
        content = {"model": net, "network": settings, "member": member(seed)}
        torch.save({name: part.state_dict() for name, part in content.items()}, paths[-1])
    return paths


@pytest.fixture(scope="session", params=["flat", "volume"])
def ensemble(request, tmp_path_factory):
    """Settings and checkpoints of an ensemble: of images with two channels, and of volumes."""
    settings = {
        "flat": NetworkSettings(2, 2, [4, 8, 8], [[2, 2], [2, 2]]),
        "volume": NetworkSettings(3, 1, [4, 8], [[1, 2, 2]]),
    }[request.param]
    return settings, members(tmp_path_factory.mktemp(request.param), settings)
