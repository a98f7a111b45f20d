"""How fast ONNX Runtime and OpenVINO predict on one thread, against torch, and how much the probabilities differ.

    python benchmarks/backends.py MODEL

MODEL is as of `segassay predict`: a study, a folder of members, model.pt. Needs `pip install "segassay[monai,onnx]"`,
and `openvino` for its row; a backend that is not installed is left out. Images are simulated. The time is the median
over the repetitions of the prediction of one image by all members, without reading, normalisation and objects, as time
of the processor, so that other work on the machine counts less.
"""

import argparse
import statistics
import time

import pandas as pd
import torch

from segassay.errors import UsageError
from segassay_monai.ensemble.backends import BACKENDS, load_backend
from segassay_monai.ensemble.ensemble_net import THRESHOLD, EnsembleNet
from segassay_monai.ensemble.images import NormalisePercentiled, as_float
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import read_network_settings, residual_unet, size_divisor
from segassay_monai.prediction.models import find_model
from segassay_monai.sharing.sample import sample_image


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024], help="Sides of the images.")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    checkpoints = find_model(arguments.model).checkpoints
    rows = [row for size in arguments.sizes for row in measure(checkpoints, size, arguments.repeats)]
    print(f"{len(checkpoints)} member(s), 1 thread, torch {torch.__version__}")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3g}".format))


@torch.no_grad()
def measure(checkpoints, size, repeats):
    """One row per backend for square images of this size; of volumes, a quarter of it along each axis."""
    settings = read_network_settings(checkpoints)
    shape = [size] * 2 if settings.spatial_dims == 2 else [size // 4] * 3
    image = as_float(sample_image(settings.in_channels, shape))
    image = NormalisePercentiled("image")({"image": image})["image"][None]
    first = None
    for name in BACKENDS:
        start = time.process_time()
        try:
            backend = load_backend(name, checkpoints)
        except UsageError as error:
            print(error)
            continue
        loaded = time.process_time() - start
        inferer = WholeImageInferer(size_divisor(settings.strides))
        ensemble = EnsembleNet(residual_unet(**settings.arguments()), checkpoints, inferer, backend=backend)
        prob = ensemble(image)  # the first call also prepares
        seconds = []
        for _ in range(repeats):
            start = time.process_time()
            ensemble(image)
            seconds.append(time.process_time() - start)
        if first is None:
            first = prob, statistics.median(seconds)
        yield {
            "size": " × ".join(map(str, shape)),
            "backend": name,
            "to load, CPU s": loaded,
            "per image, CPU s": statistics.median(seconds),
            "times torch": first[1] / statistics.median(seconds),
            "largest difference": float((prob - first[0]).abs().max()),
            "pixels that differ": int(((prob > THRESHOLD) != (first[0] > THRESHOLD)).sum()),
        }


if __name__ == "__main__":
    main()
