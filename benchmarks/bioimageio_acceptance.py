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
  Every channel is compared: of a model of classes the probability of each and the values of the mask, of one that tells
  touching objects apart the depth, and the objects that the code in README.md makes of it, with those of this package.
- With tiles: an image whose sizes are multiples of what the network accepts, in tiles of two sizes; only pixels further
  from the border of the image than the halo are compared, because there a tile sees its mirror image.

Differences are those to `EnsembleNet`. It ends with an error if a test fails, a probability differs by more than 1e-5
in a whole image (1e-4 in tiles, which another program normalises), or a pixel of a mask differs although its
probability is further from one half than that.
"""

import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from bioimageio.core import Sample, Tensor, create_prediction_pipeline
from bioimageio.spec import load_model_description

from segassay.masks.depth import split_by_depth
from segassay.masks.overlaps import match_objects
from segassay_monai.ensemble.classes import TOUCHING, class_masks, is_exclusive, n_outputs, values_of
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
        for check in itertools.chain(whole(packages[0], checkpoints), tiled(packages[1], checkpoints)):
            passed &= check()
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
    """Predict whole images with all kinds of weights; functions that compare with ours."""
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
                found = given(pipeline.predict_sample_without_blocking(as_sample(image, axes)), settings)
                yield partial(same, f"whole, {kind}, {name}", settings, found, expected[name], 1e-5)
                if settings.objects == TOUCHING:
                    yield partial(same_objects, f"objects, {kind}, {name}", package, found, expected[name])


def tiled(package, checkpoints):
    """Predict an image in tiles of two sizes; functions that compare with ours, away from the border."""
    settings = read_network_settings(checkpoints)
    divisors, halo = size_divisor(settings.strides), tiles_of(settings.strides).halo
    axes = network_axes(settings.strides)
    sizes = tiles_of(settings.strides)
    least = [size + 5 * step for size, step in zip(sizes.smallest, sizes.step, strict=True)]
    least = (1000, 1300) if settings.spatial_dims == 2 else least
    image = framed(settings, [-(-size // divisor) * divisor for size, divisor in zip(least, divisors, strict=True)])
    away = tuple(slice(border, -border) for border in halo)
    expected = ours(checkpoints, settings, image)[(slice(None), *away)]
    with create_prediction_pipeline(load_model_description(package / "rdf.yaml")) as pipeline:
        for n in (4, 20) if settings.spatial_dims == 2 else (2, 4):
            found = pipeline.predict_sample_with_blocking(as_sample(image.astype(np.float32), axes), ns=n)
            found = given(found, settings)[(slice(None), *away)]
            yield partial(same, f"tiles, n = {n}", settings, found, expected, 1e-4)


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


def given(sample, settings):
    """What a package gives `(K, *spatial)`: probability of the foreground or of each class, and the depth if any."""
    found = sample.members["prob"].data.to_numpy()[0]
    assert len(found) == (len(settings.classes) or n_outputs((), settings.objects))
    return found


@torch.no_grad()
def ours(checkpoints, settings, image):
    """The same as our own prediction makes it of a whole image, however large; windows would be an approximation."""
    inferer = WholeImageInferer(size_divisor(settings.strides), max_pixels=image.size)
    words = {"classes": settings.classes, "objects": settings.objects}
    ensemble = EnsembleNet(residual_unet(**settings.arguments()), checkpoints, inferer, **words)
    prob = ensemble(
        NormalisePercentiled("image", intensity_range=settings.intensity_range)({"image": as_float(image)})["image"][
            None
        ]
    )[0].numpy()
    depth = ensemble.last.depth
    return prob if depth is None else np.concatenate([prob, depth[0].numpy()])


def same(name, settings, found, expected, tolerance):
    """Print how much a prediction differs, and whether it is accepted."""
    difference = np.abs(found - expected)
    masks, margins = masks_of(expected, settings)
    differ = masks_of(found, settings)[0] != masks
    sure = differ & (margins > 2 * tolerance)
    print(
        f"{name}: largest difference {difference.max():.1e}; of {(masks > 0).sum()} pixels of the mask "
        f"{differ.sum()} differ, {sure.sum()} of them beyond {tolerance:.0e} of the threshold",
        flush=True,
    )
    return difference.max() <= tolerance and not sure.any()


def masks_of(given, settings):
    """Values of the mask `(*spatial)`, and how far from another value each pixel is."""
    if not settings.classes:
        return given[0] > THRESHOLD, 2 * np.abs(given[0] - THRESHOLD)
    masks = class_masks(torch.from_numpy(given[None]), settings.classes)[0].numpy()
    rest = [1 - given.sum(axis=0)] if is_exclusive(settings.classes) else []
    ordered = np.sort([*given, *rest], axis=0)
    margin = ordered[-1] - ordered[-2] if rest else 2 * np.abs(given - THRESHOLD).min(axis=0)
    return values_of(masks, settings.classes), margin


def same_objects(name, package, found, expected):
    """Divide theirs by the code in the documentation of the package, ours by our own, and compare the objects."""
    [code] = re.findall(r"```python\n(.*?)```", (package / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    known = {}
    exec(code, known)
    matches = match_objects(known["objects"](*found), split_by_depth(expected[0] > THRESHOLD, expected[1]))
    print(f"{name}: {matches.n_a} and {matches.n_b} objects, {matches.tp[8]} alike with an IoU above 0.9", flush=True)
    return matches.n_a == matches.n_b == matches.tp[8]


if __name__ == "__main__":
    main()
