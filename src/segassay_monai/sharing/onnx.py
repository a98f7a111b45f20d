"""Export a model as one ONNX file, and measure how much its predictions differ from ours.

checkpoints -> WholeImageNet -> FILE.onnx -> ONNX Runtime at three sizes -> largest difference
FILE.onnx, members, numbers of the assay -> FILE.certificate.json
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segassay.errors import UsageError
from segassay_monai.ensemble.backends import save_onnx
from segassay_monai.ensemble.ensemble_net import THRESHOLD
from segassay_monai.ensemble.network import read_network_settings
from segassay_monai.prediction.models import find_model
from segassay_monai.sharing.certificate import ONNX, certificate_path, write_certificate
from segassay_monai.sharing.sample import sample_image
from segassay_monai.sharing.weights import output_names, read_whole_image_net
from segassay_monai.sharing.whole_image_net import WholeImageNet
from segassay_monai.sharing.zoo.numbers import certificate_of

__all__ = ["TOLERANCE", "Difference", "compare_with_onnx", "export_onnx"]

TOLERANCE = 1e-5
"""Largest difference of a probability with which an exported file is kept."""


@dataclass(frozen=True)
class Difference:
    """How much the probabilities of an exported file differ from those of the network.

    Attributes:
        largest: Largest difference of a probability.
        n_pixels: Pixels of the masks that differ; a depth has no mask.
        sizes: Sizes of the images.
    """

    largest: float
    n_pixels: int
    sizes: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        """As a sentence."""
        sizes = ", ".join(" × ".join(map(str, size)) for size in self.sizes)
        return f"at {sizes} pixels: largest difference of a probability {self.largest:.1e}, {self.n_pixels} of the mask"


def export_onnx(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    both_channels: bool = False,
    overwrite: bool = False,
) -> Difference | None:
    """Write the ensemble as one ONNX file that takes raw intensities of any size.

    Args:
        model: As of `find_model`: study (its best ensemble), folder of members, checkpoint, `models:/NAME@best`.
        out: File to write, ending in `.onnx`; the certificate is written beside it.
        both_channels: Whether the output has background and foreground, not the foreground alone.
        overwrite: Whether an existing file may be replaced.

    Returns:
        The difference between ONNX Runtime and torch; None if ONNX Runtime is not installed.

    Raises:
        UsageError: If `model` cannot be used, `out` exists or does not end in `.onnx`, `onnx` is not installed, or the
            predictions of the written file differ by more than `TOLERANCE`; the file is removed then.
        PredictionError: If a file is not a checkpoint, or members differ in their network.
    """
    out = Path(out)
    if out.suffix != ONNX:
        raise UsageError(f"--out {out}: expected a name that ends in {ONNX}")
    certificate, found = certificate_path(out), find_model(model)
    for path in (out, certificate):
        if path.exists() and not overwrite:
            raise UsageError(f"{path} exists already; give another --out, or --overwrite to replace it")
    classes = read_network_settings(found.checkpoints).classes
    net = read_whole_image_net(found.checkpoints, both_channels=both_channels)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(out.name + ".partial")
    try:
        save_onnx(net, str(partial), _images(net)[0])
        differing = compare_with_onnx(net, partial)
        if differing is not None and differing.largest > TOLERANCE:
            raise UsageError(f"{out}: ONNX Runtime and torch differ {differing}; update onnx, onnxruntime and torch")
        _name_channels(partial, {"input_channels": found.channels, "output_channels": output_names(net, classes)})
        certificate.unlink(missing_ok=True)  # of a file that is replaced now
        partial.replace(out)
        write_certificate(out, certificate_of("onnx", out, model, found))
    finally:
        partial.unlink(missing_ok=True)
    return differing


def _name_channels(path: Path, names: Mapping[str, Sequence[str]]) -> None:
    """Write names of channels into the metadata of an ONNX file, as lists in JSON; unknown ones are left out.

    ONNX Runtime has them as `session.get_modelmeta().custom_metadata_map`.
    """
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {key: json.dumps(list(each)) for key, each in names.items() if each})
    onnx.save(model, path)


def compare_with_onnx(net: WholeImageNet, path: Path) -> Difference | None:
    """Compare the predictions of a file with those of the network; None if ONNX Runtime is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return compare(net, lambda image: session.run(None, {"image": image})[0], _images(net))


def compare(net: WholeImageNet, run: Any, images: Sequence[torch.Tensor]) -> Difference:
    """Compare a function of arrays with the network, over images `(B, C, *spatial)`."""
    largest, n_pixels = 0.0, 0
    for image in images:
        with torch.no_grad():
            ours = net(image).numpy()
        theirs = run(image.numpy())
        largest = max(largest, float(np.abs(ours - theirs).max()))
        differs = (ours > THRESHOLD) != (theirs > THRESHOLD)
        n_pixels += int(differs[:, : ours.shape[1] - net.depth].sum())
    return Difference(largest, n_pixels, tuple(tuple(image.shape[2:]) for image in images))


def _images(net: WholeImageNet) -> list[torch.Tensor]:
    """Simulated images of three sizes: larger than the divisors, a multiple of them, and smaller along an axis."""
    divisors = net.divisors
    n_channels = net.in_channels
    many = 16 if len(divisors) == 2 else 4
    sizes: list[list[int]] = [
        [(many - 1) * size + 5 for size in divisors],
        [many * size for size in divisors],
        [max(size // 2, 1) if axis == 0 else (many - 2) * size + 1 for axis, size in enumerate(divisors)],
    ]
    images = [torch.from_numpy(sample_image(n_channels, size).astype(np.float32))[None] for size in sizes]
    return [net.normalise(image) for image in images] if net.normalised else images
