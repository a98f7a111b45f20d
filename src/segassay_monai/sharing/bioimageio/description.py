"""The description of a model package, `rdf.yaml`, after version 0.5 of the format.

files, network, About -> describe -> plain values

The format is written here and not by `bioimageio.spec`, which would be one more dependency.

References:
    https://github.com/bioimage-io/spec-bioimage-io
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from segassay.errors import UsageError
from segassay.io.images import sha256
from segassay_monai.ensemble.backends import OPSET
from segassay_monai.ensemble.classes import Classes
from segassay_monai.sharing.about import About
from segassay_monai.sharing.bioimageio.tiles import tiles_of
from segassay_monai.sharing.certificate import CERTIFICATE
from segassay_monai.sharing.weights import network_arguments, output_names
from segassay_monai.sharing.whole_image_net import WholeImageNet

__all__ = ["FORMAT", "Files", "describe", "environment", "model_name"]

FORMAT = "0.5.4"
"""Version of the format; programs that know a later 0.5 read it."""

EPS = 1e-30
"""Added to the range of a channel; the usual 1e-6 would change images of a small range."""

_CITE = (
    ("Segebarth et al. (2020), eLife: several raters, consensus ensembles", "10.7554/eLife.59780"),
    ("Ronneberger et al. (2015), MICCAI: U-Net", "10.1007/978-3-319-24574-4_28"),
    ("Kerfoot et al. (2019), STACOM: residual U-Net", "10.1007/978-3-030-12029-0_40"),
)
_DOI = re.compile(r"10\.\d{4,}/\S+[^\s.,;)]")


@dataclass(frozen=True)
class Files:
    """Names of the files of a package."""

    state: str = "weights.pt"
    script: str = "weights_torchscript.pt"
    onnx: str = "weights.onnx"
    architecture: str = "whole_image_net.py"
    environment: str = "environment.yaml"
    test_input: str = "test_input.npy"
    test_output: str = "test_output.npy"
    sample_input: str = "sample_input.tif"
    sample_output: str = "sample_output.tif"
    cover: str = "cover.png"
    card: str = "README.md"
    certificate: str = CERTIFICATE


def model_name(text: str) -> str:
    """Name of a model, with other characters than those of the format replaced.

    Raises:
        UsageError: If fewer than five or more than 128 characters are left.

    Example:
        >>> model_name("cFOS, mouse (CA1)")
        'cFOS mouse (CA1)'
    """
    name = " ".join(re.sub(r"[^A-Za-z0-9_+\- ()]", " ", text).split())
    if not 5 <= len(name) <= 128:
        raise UsageError(
            f"{text!r} is not a name of a model: expected 5 to 128 letters, digits, spaces or _+-(); give another "
            "--out, or a title in --about"
        )
    return name


def environment() -> dict[str, Any]:
    """Conda environment in which the state dict is loaded."""
    torch, monai, numpy = (version(package).partition("+")[0] for package in ("torch", "monai", "numpy"))
    dependencies = ["python", f"pytorch={torch}", f"numpy={numpy}", "pip", {"pip": [f"monai=={monai}"]}]
    return {"name": "model", "channels": ["conda-forge"], "dependencies": dependencies}


def describe(
    folder: Path,
    *,
    name: str,
    net: WholeImageNet,
    about: About,
    files: Files,
    axes: str,
    classes: Classes = (),
    channels: Sequence[str] = (),
) -> dict[str, Any]:
    """Content of `rdf.yaml` as plain values; every file is given with its SHA-256.

    Args:
        folder: Where the files of the package are.
        name: From `model_name`.
        net: The network.
        about: What the author said.
        files: Their names.
        axes: From `network_axes`.
        classes: Of the model.
        channels: Names of the channels that the network sees, in its order; empty if they have none.
    """
    n_axes = len(net.axes)
    return {
        "format_version": FORMAT,
        "type": "model",
        "name": name,
        "description": _description(net, about),
        "version": about.version,
        "authors": [{"name": author.replace("/", " ")} for author in about.authors],
        "cite": list(_cited(about)),
        "license": "Apache-2.0",
        "documentation": _file(folder, files.card),
        "covers": [_file(folder, files.cover)],
        "attachments": [_file(folder, files.certificate)],
        "tags": ["segmentation", "unet", f"{n_axes}d", "pytorch", "ensemble", *_words(about.modality, about.objects)],
        "inputs": [_input(folder, net, files, axes, channels)],
        "outputs": [_output(folder, net, files, axes, output_names(net, classes))],
        "weights": _weights(folder, net, files),
        "config": {
            "bioimageio": {
                "architecture_type": f"{n_axes}D U-Net",
                "modality": about.modality,
                "target_structure": [about.objects],
                "task": "instance segmentation" if net.depth else "semantic segmentation",
                "model_parameter_count": sum(weights.numel() for weights in net.parameters()),
            }
        },
    }


def _description(net: WholeImageNet, about: About) -> str:
    n_members, n_axes = len(net.members), len(net.axes)
    network = "A residual U-Net" if n_members == 1 else f"The mean of {n_members} residual U-Nets"
    images = f"{'images' if n_axes == 2 else 'volumes'} {'in tiles' if net.normalised else 'of any size'}"
    made = f"{network}: {images} with raw intensities in, probability of {about.objects} out."
    return " ".join([text for text in (about.description, made) if text])[:1024]


def _words(*texts: str) -> list[str]:
    """Words for the tags, each once."""
    return list(dict.fromkeys(word for text in texts for word in re.findall(r"[a-z0-9-]{3,}", text.lower())))


def _cited(about: About) -> Iterator[dict[str, str]]:
    """What to cite; the format takes entries with a DOI or an address only."""
    for text in about.references:
        if doi := _DOI.search(text):
            yield {"text": text, "doi": doi.group()}
        elif url := re.search(r"https?://\S+", text):
            yield {"text": text, "url": url.group()}
    for text, known in _CITE:
        yield {"text": text, "doi": known}


def _file(folder: Path, name: str) -> dict[str, str]:
    return {"source": name, "sha256": sha256(folder / name)}


def _input(folder: Path, net: WholeImageNet, files: Files, axes: str, channels: Sequence[str]) -> dict[str, Any]:
    tiles = tiles_of(net.strides)
    if net.normalised:
        about = "Intensities, normalised over the whole image; a tile at a time"
        sizes = [{"min": least, "step": step} for least, step in zip(tiles.smallest, tiles.step, strict=True)]
    else:
        about = "Raw intensities; normalisation is part of the network"
        sizes = [{"min": 1, "step": 1} for _ in net.axes]
    space = [
        {"type": "space", "id": axis, "size": size, "concatenable": net.normalised}
        for axis, size in zip(axes, sizes, strict=True)
    ]
    names = list(channels) or [f"channel{number}" for number in range(net.in_channels)]
    return {
        "id": "image",
        "description": about,
        "axes": [{"type": "batch"}, {"type": "channel", "channel_names": names}, *space],
        "test_tensor": _file(folder, files.test_input),
        "sample_tensor": _file(folder, files.sample_input),
        "data": {"type": "float32", "range": [None, None]},
        "preprocessing": list(_preprocessing(net, axes)),
    }


def _preprocessing(net: WholeImageNet, axes: str) -> Iterator[dict[str, Any]]:
    """Steps before the network. The format has none for a channel whose two percentiles are equal."""
    yield {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
    if net.normalised and net.is_fixed:
        gain = 1 / (net.highest - net.lowest)
        yield {"id": "scale_linear", "kwargs": {"gain": gain, "offset": -net.lowest * gain}}
        yield {"id": "clip", "kwargs": {"min": -net.limit, "max": net.limit}}
    elif net.normalised:
        percentiles = {"min_percentile": net.lower, "max_percentile": net.upper}
        yield {"id": "scale_range", "kwargs": {"axes": list(axes), **percentiles, "eps": EPS}}
        yield {"id": "clip", "kwargs": {"min": -net.limit, "max": net.limit}}


def _output(folder: Path, net: WholeImageNet, files: Files, axes: str, names: list[str]) -> dict[str, Any]:
    mask = "a mask is where it exceeds 0.5"
    if net.softmax:
        mask = "a mask of a class is where it is more probable than the others and than the background"
    if net.depth:
        mask = "a mask is where foreground exceeds 0.5; README.md says how the depth divides it"
    space: list[dict[str, Any]] = [
        {"type": "space", "id": axis, "size": {"tensor_id": "image", "axis_id": axis, "offset": 0}} for axis in axes
    ]
    if net.normalised:
        for place, halo in zip(space, tiles_of(net.strides).halo, strict=True):
            place["halo"] = halo
    return {
        "id": "prob",
        "description": f"Mean probability of the members; {mask}",
        "axes": [{"type": "batch"}, {"type": "channel", "channel_names": names}, *space],
        "test_tensor": _file(folder, files.test_output),
        "sample_tensor": _file(folder, files.sample_output),
        "data": {"type": "float32", "range": [0.0, 1.0]},
    }


def _weights(folder: Path, net: WholeImageNet, files: Files) -> dict[str, Any]:
    arguments = {
        **network_arguments(net.members[0]),
        "n_members": len(net.members),
        "both_channels": net.both_channels,
        "normalised": net.normalised,
        **({"softmax": True} if net.softmax else {}),
        **({"depth": True} if net.depth else {}),
        **({"intensity_range": [net.lowest, net.highest]} if net.is_fixed else {}),
    }
    torch = version("torch").partition("+")[0]
    architecture = {**_file(folder, files.architecture), "callable": "WholeImageNet", "kwargs": arguments}
    return {
        "pytorch_state_dict": {
            **_file(folder, files.state),
            "architecture": architecture,
            "pytorch_version": torch,
            "dependencies": _file(folder, files.environment),
        },
        "torchscript": {
            **_file(folder, files.script),
            "parent": "pytorch_state_dict",
            "pytorch_version": torch,
        },
        "onnx": {**_file(folder, files.onnx), "parent": "pytorch_state_dict", "opset_version": OPSET},
    }
