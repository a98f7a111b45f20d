"""A plain U-Net of MONAI, as its tutorials train one: random crops, Dice loss, Adam at a constant rate."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import monai.transforms as mt
import numpy as np
import torch
from budget import Budget, Case, Prediction, components, read_cases, run
from monai.data import CacheDataset, DataLoader
from monai.inferers import sliding_window_inference
from monai.losses import DiceLoss
from monai.networks.nets import UNet
from monai.utils import set_determinism


def network(axes: int) -> torch.nn.Module:
    """The U-Net of the tutorials."""
    return UNet(axes, 1, 1, channels=(16, 32, 64, 128, 256), strides=(2, 2, 2, 2), num_res_units=2)


def tile(axes: int) -> tuple[int, ...]:
    """Size of a crop."""
    return (96, 96) if axes == 2 else (96, 96, 16)


def fit(net: torch.nn.Module, data: Path, budget: Budget, seed: int) -> int:
    """Train until the budget is spent; returns the number of steps."""
    torch.set_num_threads(1)
    set_determinism(seed)
    cases = read_cases(data, "train", "val")
    axes = cases[0].image.ndim
    both, size = ["image", "label"], tile(axes)
    transform = mt.Compose(
        [
            mt.EnsureChannelFirstd(both, channel_dim="no_channel"),
            mt.ScaleIntensityd("image"),
            mt.SpatialPadd(both, size),
            mt.RandCropByPosNegLabeld(both, label_key="label", spatial_size=size, pos=1, neg=1, num_samples=4),
            mt.RandRotate90d(both, prob=0.5, spatial_axes=(0, 1)),
            mt.RandFlipd(both, prob=0.5, spatial_axis=0),
        ]
    )
    items = [{"image": case.image, "label": (case.labels > 0).astype(np.float32)} for case in cases]
    loader = DataLoader(CacheDataset(items, transform, progress=False), batch_size=2, shuffle=True)
    loss_of, optimizer = DiceLoss(sigmoid=True), torch.optim.Adam(net.parameters(), 1e-3)
    net.train()
    steps = 0
    while True:
        for batch in loader:
            if budget.is_over:
                return steps
            optimizer.zero_grad()
            loss_of(net(batch["image"].as_tensor()), batch["label"].as_tensor()).backward()
            optimizer.step()
            steps += 1


def train(data: Path, model: Path, budget: Budget, seed: int, settings: dict[str, str]) -> None:
    """Train and save the weights."""
    torch.manual_seed(seed)
    net = network(read_cases(data, "test")[0].image.ndim)
    print("steps:", fit(net, data, budget, seed))
    torch.save(net.state_dict(), model / "model.pt")


def predicted(net: torch.nn.Module, cases: Sequence[Case]) -> Iterator[Prediction]:
    """Mask of each case, above one half."""
    torch.set_num_threads(1)
    net.eval()
    for case in cases:
        image = mt.ScaleIntensity()(torch.as_tensor(case.image)[None])[None].as_tensor()
        with torch.no_grad():
            logits = sliding_window_inference(image, tile(case.image.ndim), 4, net, overlap=0.25)
        prob = torch.sigmoid(logits)[0, 0].numpy()
        yield components(prob > 0.5), prob


def predict(data: Path, model: Path, cases: Sequence[Case]) -> Iterator[Prediction]:
    """Predict with the saved weights."""
    net = network(cases[0].image.ndim)
    net.load_state_dict(torch.load(model / "model.pt"))
    return predicted(net, cases)


if __name__ == "__main__":
    run(train, predict, ["torch", "monai"])
