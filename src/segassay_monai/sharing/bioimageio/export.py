"""Export a model as a package for bioimage.io.

MODEL -> members, numbers of the assay, about.yaml -> weights in three formats, images, cover, README.md, rdf.yaml
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
import yaml

from segassay.errors import UsageError
from segassay.io.images import is_nifti, read_image
from segassay.io.outputs import prepare_output, publish_output, refuse_inputs, whole_or_nothing
from segassay_monai.ensemble.backends import save_onnx, scripted
from segassay_monai.ensemble.images import as_float, check_image
from segassay_monai.ensemble.network import read_network_settings
from segassay_monai.prediction.models import find_model, model_places
from segassay_monai.sharing import whole_image_net
from segassay_monai.sharing.about import About, read_about
from segassay_monai.sharing.bioimageio.axes import as_seen, network_axes
from segassay_monai.sharing.bioimageio.card import write_card
from segassay_monai.sharing.bioimageio.cover import write_cover
from segassay_monai.sharing.bioimageio.description import Files, describe, environment, model_name
from segassay_monai.sharing.bioimageio.tiles import tiles_of
from segassay_monai.sharing.certificate import RDF, write_certificate
from segassay_monai.sharing.onnx import TOLERANCE, compare_with_onnx
from segassay_monai.sharing.sample import sample_image
from segassay_monai.sharing.weights import read_whole_image_net, save_state, save_torchscript
from segassay_monai.sharing.whole_image_net import WholeImageNet
from segassay_monai.sharing.zoo.numbers import Numbers, certificate_of, numbers_of

__all__ = ["export_bioimageio"]

logger = logging.getLogger("segassay")

SIMULATED = {2: (256, 256), 3: (24, 96, 96)}
"""Size of the simulated sample; for tiles it is at least the smallest tile."""

LARGEST = {2: 512, 3: 96}
"""Pixels along an axis of the sample, of images and of volumes, or the smallest tile; a larger one is cut to its
middle."""


def export_bioimageio(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    about: str | os.PathLike[str] | None = None,
    sample: str | os.PathLike[str] | None = None,
    axes: str | None = None,
    both_channels: bool = False,
    tiles: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a model package of bioimage.io, which predicts without this package.

    Args:
        model: As of `find_model`: study (its best ensemble), folder of members, checkpoint, `models:/NAME@best`.
        out: Folder to write; its name becomes that of the model unless `about` has a title.
        about: `about.yaml` with what only the author knows.
        sample: Image that becomes public as sample and test; by default a simulated one.
        axes: Order of the axes of the files that the members were trained on: `zyx` (TIFF) or `xyz` (NIfTI); by default
            as the strides of the network tell.
        both_channels: Whether the output has background and foreground, or classes, not these alone.
        tiles: Whether images are predicted in tiles, as those must that are too large for the memory. Then other
            programs normalise, not the network, which is less exact, and whole images give other masks.
        overwrite: Whether `out` may be replaced.

    Returns:
        The folder. What a reviewer would miss is logged as a warning.

    Raises:
        UsageError: If `model` or `about` cannot be used, `out` exists or its name is no name of a model, `onnx` is not
            installed, ONNX Runtime predicts otherwise, or `sample` is smaller than the smallest tile.
        DataError: If `sample` cannot be read.
        PredictionError: If a file is not a checkpoint, members differ in their network, or `sample` does not fit it.

    Example:
        >>> export_bioimageio("nowhere", "c")
        Traceback (most recent call last):
        segassay.errors.UsageError: 'c' is not a name of a model: expected 5 to 128 letters, digits, spaces or _+-(); \
give another --out, or a title in --about
    """
    said, final = read_about(None if about is None else Path(about)), Path(os.path.abspath(out))
    name = model_name(said.title or final.name)
    found = find_model(model)
    classes = read_network_settings(found.checkpoints).classes
    given, folders = model_places(model)
    inputs = [*given, *found.checkpoints, *(path for path in (about, sample) if path is not None)]
    refuse_inputs(final, inputs, folders=folders, used="exported", option="--out")
    work_dir = prepare_output(final, overwrite, options=("--out", "--overwrite"))
    with whole_or_nothing(work_dir):
        numbers = numbers_of(model, found)
        net = read_whole_image_net(found.checkpoints, both_channels=both_channels, normalised=tiles)
        order = network_axes(net.strides, axes)
        files = _write_files(work_dir, net, order, _sample(net, order, sample))
        words: dict[str, Any] = {"name": name, "net": net, "axes": order, "about": said, "classes": classes}
        write_card(work_dir / files.card, numbers=numbers, channels=found.channels, **words)
        write_certificate(work_dir, certificate_of("bioimageio", work_dir, model, found))
        described = describe(work_dir, files=files, channels=found.channels, **words)
        text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=120)
        (work_dir / RDF).write_text(text, encoding="utf-8", newline="")
    for text in _missing(said, numbers):
        logger.warning(text)
    return publish_output(work_dir)


def _missing(about: About, numbers: Numbers) -> Iterator[str]:
    """What a reviewer of bioimage.io would ask for."""
    unsaid = [entry for entry in ("authors", "description", "data_source", "data_license") if not getattr(about, entry)]
    if unsaid:
        yield f"the package says nothing about {', '.join(unsaid)}; add them to a YAML file and give it as --about"
    if not numbers.numbers:
        yield "the documentation holds no scores, because there is no evaluation of a study and members hold none"


def _write_files(folder: Path, net: WholeImageNet, axes: str, image: torch.Tensor) -> Files:
    """Write the weights and images: all files but the texts and the certificate."""
    files = Files()
    _write_weights(folder, net, image, files)
    prob = _write_images(folder, net, axes, image, files)
    marked = prob[0, int(net.both_channels) : prob.shape[1] - net.depth].amax(dim=0)
    write_cover(folder / files.cover, as_seen(net.normalise(image)[0].numpy(), axes), as_seen(marked.numpy(), axes))
    return files


def _sample(net: WholeImageNet, axes: str, path: str | os.PathLike[str] | None) -> torch.Tensor:
    """Image `(1, C, *spatial)` that shows how the model is used; of a model for tiles it has the size of one."""
    n_channels, n_axes = net.in_channels, len(net.axes)
    tiles = tiles_of(net.strides) if net.normalised else None
    if path is None:
        size = SIMULATED[n_axes] if axes[0] != "x" else SIMULATED[n_axes][::-1]
        size = size if tiles is None else tiles.fitting(size)
        return as_float(as_seen(sample_image(n_channels, size if axes[0] != "x" else size[::-1]), axes))[None]
    array = read_image(path).array
    upright = as_seen(array, "xyz"[: array.ndim - 1]) if is_nifti(Path(path)) else array
    image = as_float(as_seen(upright, axes) if array.ndim - 1 == n_axes else array)
    check_image(os.fspath(path), image, n_channels, n_axes)
    kept = [min(size, LARGEST[n_axes]) for size in image.shape[1:]]
    if tiles is not None:
        kept = list(tiles.fitting(kept))
        if any(size < least for size, least in zip(image.shape[1:], tiles.smallest, strict=True)):
            least, found = (" × ".join(map(str, sizes)) for sizes in (tiles.smallest, image.shape[1:]))
            raise UsageError(
                f"--sample {path} has {found} pixels along {', '.join(axes)}, and the smallest tile {least}; give a "
                "larger image, or leave out --tiles"
            )
    starts = [(size - part) // 2 for size, part in zip(image.shape[1:], kept, strict=True)]
    middle = tuple(slice(start, start + part) for start, part in zip(starts, kept, strict=True))
    return image[(slice(None), *middle)].contiguous()[None]


def _write_weights(folder: Path, net: WholeImageNet, image: torch.Tensor, files: Files) -> None:
    save_state(net, folder / files.state)
    script = scripted(net)
    save_torchscript(script, folder / files.script)
    save_onnx(script, str(folder / files.onnx), image)
    found = compare_with_onnx(net, folder / files.onnx)
    if found is not None and found.largest > TOLERANCE:
        raise UsageError(f"ONNX Runtime and torch differ {found}; update onnx, onnxruntime and torch")
    shutil.copyfile(whole_image_net.__file__, folder / files.architecture)
    (folder / files.environment).write_text(
        yaml.safe_dump(environment(), sort_keys=False), encoding="utf-8", newline=""
    )


def _write_images(folder: Path, net: WholeImageNet, axes: str, image: torch.Tensor, files: Files) -> torch.Tensor:
    """Write test and sample images; returns the probability `(1, C, *spatial)`."""
    with torch.no_grad():
        prob = net(net.normalise(image) if net.normalised else image)
    metadata = {"axes": "C" + "ZYX"[3 - len(net.axes) :]}
    for values, test, sample in (
        (image, files.test_input, files.sample_input),
        (prob, files.test_output, files.sample_output),
    ):
        np.save(folder / test, values.numpy())
        shown = np.ascontiguousarray(as_seen(values[0].numpy(), axes))
        tifffile.imwrite(folder / sample, shown, metadata=metadata, software="", compression="zlib")
    return prob
