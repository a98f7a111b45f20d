"""Accept an exported model as the reference implementation of bioimage.io runs it: its test, and masks equal to ours.

    python -m venv .venv-bioimageio
    .venv-bioimageio/bin/pip install -e ".[monai,onnx]" "bioimageio.core==0.11.0" "pydantic==2.13.5"
    .venv-bioimageio/bin/python benchmarks/bioimageio_acceptance.py MODEL

MODEL is as of `segassay predict`. bioimageio.core 0.11.0 brings bioimageio.spec 0.5.12.0, which cannot make packages
with pydantic 2.14; therefore an environment of its own. The script exports MODEL for whole images and with `--tiles`.

- `segassay verify` of both packages.
- `bioimageio test` of both packages, with all three kinds of weights; with `--without PYTHON`, in the environment of
  that interpreter, which has torch, monai, onnxruntime and bioimageio.core, but not this package.
- For whole images: every kind of weights predicts images of 1001 × 1301 pixels (volumes: 21 × 75 × 91) with dark
  borders, as grey values of 8 and 16 bits, as floats, and with few objects on a background of one value.
- With tiles: an image whose sizes are multiples of what the network accepts, in tiles of two sizes; only pixels further
  from the border of the image than the halo are compared, because there a tile sees its mirror image.

Differences are those to `EnsembleNet`. It ends with an error if a test fails, a probability differs by more than 1e-5
in a whole image (1e-4 in tiles, which another program normalises), or a pixel of a mask differs although its
probability is further from one half than that.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from bioimageio.core import Sample, Tensor, create_prediction_pipeline
from bioimageio.spec import load_model_description

from segassay_monai.ensemble.ensemble_net import THRESHOLD, EnsembleNet
from segassay_monai.ensemble.images import NormalisePercentiled, as_float
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import read_network_settings, residual_unet, size_divisor
from segassay_monai.prediction.models import find_model
from segassay_monai.sharing.bioimageio.axes import as_seen, network_axes
from segassay_monai.sharing.bioimageio.export import export_bioimageio
from segassay_monai.sharing.bioimageio.tiles import tiles_of
from segassay_monai.sharing.sample import sample_image
from segassay_monai.sharing.verify import verify

KINDS = ("pytorch_state_dict", "torchscript", "onnx")


def main() -> None:
    """Export, test, predict and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--without", default=sys.executable, help="Python of an environment without this package.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    checkpoints = find_model(arguments.model).checkpoints
    with tempfile.TemporaryDirectory() as folder:
        packages = [Path(folder) / name for name in ("whole images", "tiles")]
        passed = True
        for package, tiles in zip(packages, (False, True), strict=True):
            export_bioimageio(arguments.model, package, tiles=tiles)
            passed &= verified(package)
            passed &= tested(package, arguments.without)
        for row in itertools.chain(whole(packages[0], checkpoints), tiled(packages[1], checkpoints)):
            passed &= same(*row)
    sys.exit(0 if passed else "not accepted")


def verified(package):
    """Compare a package with its certificate."""
    wrong = [found for found in verify(package) if found.agrees is False]
    print(f"segassay verify, {package.name}: {len(wrong)} of its claims differ", *wrong, sep="\n  ", flush=True)
    return not wrong


def tested(package, python):
    """Run `bioimageio test` on a package."""
    command = [str(Path(python).with_name("bioimageio")), "test", str(package / "rdf.yaml")]
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=package, env=plain, check=False)
    failures = [line.strip() for line in done.stdout.splitlines() if "❌" in line]
    print(
        f"bioimageio test, {package.name}: exit code {done.returncode}, {len(failures)} failures", *failures, sep="\n  "
    )
    return done.returncode == 0 and not failures


def whole(package, checkpoints):
    """Predict whole images with all kinds of weights: name, prediction, ours, tolerance."""
    settings = read_network_settings(checkpoints)
    axes = network_axes(settings.strides)
    grey = framed(settings, (1001, 1301) if settings.spatial_dims == 2 else as_seen(np.empty((21, 75, 91)), axes).shape)
    images = {
        "8 bits": grey,
        "16 bits": grey.astype(np.uint16) * 200,
        "floats": grey.astype(np.float32) * 1e-6 + 3,
        "few objects": np.where(grey >= np.percentile(grey, 99.5), grey, 7),
    }
    expected = {name: ours(checkpoints, settings, image) for name, image in images.items()}
    model = load_model_description(package / "rdf.yaml")
    for kind in KINDS:
        with create_prediction_pipeline(model, weight_format=kind) as pipeline:
            for name, image in images.items():
                found = pipeline.predict_sample_without_blocking(as_sample(image, axes))
                yield f"whole, {kind}, {name}", probability(found), expected[name], 1e-5


def tiled(package, checkpoints):
    """Predict an image in tiles of two sizes: name, prediction, ours, tolerance; away from the border."""
    settings = read_network_settings(checkpoints)
    divisors, halo = size_divisor(settings.strides), tiles_of(settings.strides).halo
    axes = network_axes(settings.strides)
    least = (1000, 1300) if settings.spatial_dims == 2 else [3 * border for border in halo]
    image = framed(settings, [-(-size // divisor) * divisor for size, divisor in zip(least, divisors, strict=True)])
    away = tuple(slice(border, -border) for border in halo)
    expected = ours(checkpoints, settings, image)[away]
    with create_prediction_pipeline(load_model_description(package / "rdf.yaml")) as pipeline:
        for n in (4, 20) if settings.spatial_dims == 2 else (2, 4):
            found = pipeline.predict_sample_with_blocking(as_sample(image.astype(np.float32), axes), ns=n)
            yield f"tiles, n = {n}", probability(found)[away], expected, 1e-4


def framed(settings, shape):
    """A simulated image with dark borders on two sides."""
    image = sample_image(settings.in_channels, tuple(shape))
    image[..., : shape[-2] // 11, :] = 0
    image[..., -(shape[-1] // 10) :] = 0
    return image


def as_sample(image, axes):
    """An image `(C, *spatial)` as the reference implementation takes it."""
    tensor = Tensor.from_numpy(image[None], dims=["batch", "channel", *axes])
    return Sample(members={"image": tensor}, stat={}, id=None)


def probability(sample):
    """Probability of the foreground `(*spatial)`."""
    return sample.members["prob"].data.to_numpy()[0, -1]


@torch.no_grad()
def ours(checkpoints, settings, image):
    """Mean probability `(*spatial)` as our own prediction makes it."""
    inferer = WholeImageInferer(size_divisor(settings.strides))
    ensemble = EnsembleNet(residual_unet(**settings.state_dict()), checkpoints, inferer)
    return ensemble(NormalisePercentiled("image")({"image": as_float(image)})["image"][None])[0, 0].numpy()


def same(name, found, expected, tolerance):
    """Print how much a prediction differs, and whether it is accepted."""
    difference = np.abs(found - expected)
    differ = (found > THRESHOLD) != (expected > THRESHOLD)
    sure = differ & (np.abs(expected - THRESHOLD) > tolerance)
    print(
        f"{name}: largest difference {difference.max():.1e}; of {(expected > THRESHOLD).sum()} pixels of the mask "
        f"{differ.sum()} differ, {sure.sum()} of them beyond {tolerance:.0e} of the threshold",
        flush=True,
    )
    return difference.max() <= tolerance and not sure.any()


if __name__ == "__main__":
    main()
