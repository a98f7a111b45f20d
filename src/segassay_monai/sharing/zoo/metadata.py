"""Metadata of the bundle: what it needs, what goes in and comes out, what it scored.

NetworkSettings, About, Numbers, installed versions -> metadata.json
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from segassay_monai.ensemble.classes import TOUCHING, Classes, is_exclusive, meaning_of_values, n_outputs
from segassay_monai.ensemble.network import NetworkSettings, size_divisor
from segassay_monai.prediction.bundles import UNNAMED
from segassay_monai.sharing.about import About
from segassay_monai.sharing.zoo.configs import gives_logits

__all__ = ["bundle_metadata"]

SCHEMA = "https://project-monai.github.io/schema/meta_schema_20240725.json"

_REQUIRED = {
    "pytorch-ignite": "0.5.5",
    "imagecodecs": "2026.3.6",
    "nibabel": "5.4.2",
    "tifffile": "2026.3.3",
    "fire": "0.7.1",
    "jsonschema": "4.26.0",
    "huggingface_hub": "2.4.0",
}
"""What the bundle needs beside torch, monai and numpy: engines, image files, MONAI's command line, its check of the
metadata, and its download. The version is the installed one, else this."""

_REQUIRED_OF_TOUCHING = {"scipy": "1.18.1", "scikit-image": "0.26.0"}
"""What divides objects that touch needs, too."""

_REFERENCES = (
    "Ronneberger et al. (2015), U-Net, MICCAI, doi:10.1007/978-3-319-24574-4_28",
    "Kerfoot et al. (2019), Left-Ventricle Quantification Using Residual U-Net, STACOM, "
    "doi:10.1007/978-3-030-12029-0_40",
    "Segebarth et al. (2020), On the objectivity, reliability, and validity of deep learning enabled bioimage "
    "analyses, eLife 9:e59780, doi:10.7554/eLife.59780",
)


def bundle_metadata(
    name: str,
    settings: NetworkSettings,
    n_members: int,
    about: About,
    eval_metrics: dict[str, float],
    channels: Sequence[str] = (),
) -> dict[str, Any]:
    """Content of `metadata.json`.

    Args:
        name: Name of the bundle, as of its folder.
        settings: Network of the members.
        n_members: Number of members.
        about: What the author said.
        eval_metrics: Measure -> value.
        channels: Names of the channels that the network sees, in its order; empty if they have none.
    """
    authors = ", ".join(about.authors) or "not stated"
    kind = "A residual U-Net" if n_members == 1 else f"The mean of {n_members} residual U-Nets"
    required = _REQUIRED | (_REQUIRED_OF_TOUCHING if settings.objects == TOUCHING else {})
    newest = "initial release" if not about.changelog else "new version"
    metadata = {
        "schema": SCHEMA,
        "version": about.version,
        "changelog": {about.version: newest} | about.changelog,
        "monai_version": _installed("monai", "1.6.1"),
        "pytorch_version": _installed("torch", "2.13.0"),
        "numpy_version": _installed("numpy", "2.4.6"),
        "required_packages_version": {package: _installed(package, known) for package, known in required.items()},
        "name": about.title or name.replace("_", " ").capitalize(),
        "task": f"Segmentation of {about.objects} in {about.modality} images",
        "description": about.description or f"{kind}, trained on images annotated by several raters",
        "authors": authors,
        "copyright": about.copyright or f"Copyright (c) {authors}",
        "data_source": about.data_source or "not stated",
        "data_type": "PNG, TIFF, NIfTI",
        "image_classes": f"{settings.in_channels} intensity channel(s); in each, {_normalised(settings)}, and values "
        "are clipped to -8 and 8",
        **(_of_classes(settings.classes) if settings.classes else _of_foreground(settings, about.objects, n_members)),
        "eval_metrics": eval_metrics,
        "intended_use": about.intended_use,
        "references": [*_REFERENCES, *about.references],
        "network_data_format": _data_format(settings, n_members, about, channels),
    }
    if about.huggingface:
        metadata["huggingface_url"] = f"https://huggingface.co/{about.huggingface}"
    return metadata


def _normalised(settings: NetworkSettings) -> str:
    """How the network's images are scaled."""
    if settings.intensity_range is None:
        return "the 1st and the 99th percentile of the whole image become 0 and 1"
    low, high = settings.intensity_range
    return f"the values {low:g} and {high:g} become 0 and 1"


def _of_foreground(settings: NetworkSettings, objects: str, n_members: int) -> dict[str, str]:
    channels = f"one channel; {_OUTPUT[gives_logits(settings, n_members)]} of {objects}"
    if settings.objects == TOUCHING:
        channels = (
            f"two channels; the probability of {objects}, and the depth of each pixel in its object: 0 outside, 1 in "
            "the middle, with a valley where two objects touch"
        )
    return {
        "label_classes": f"1 is {objects}, 0 is everything else",
        "pred_classes": f"{channels}. In masks, 1 (255 in files) is {objects}, 0 is everything else",
    }


def _of_classes(classes: Classes) -> dict[str, str]:
    """What masks and channels mean of a model of classes."""
    names = [name for name, _ in classes]
    values = "; ".join(f"{name} is {' or '.join(map(str, values))}" for name, values in classes)
    drawn = ", ".join(f"{value} is {' and '.join(said)}" for value, said in meaning_of_values(classes).items())
    rest = "; the background has 1 minus their sum" if is_exclusive(classes) else "; they overlap"
    return {
        "label_classes": f"{values}; 0 is everything else",
        "pred_classes": f"{len(names)} channel(s), probabilities of {', '.join(names)}{rest}. In masks, {drawn}, 0 "
        "is everything else",
    }


_OUTPUT = {True: "the logit (its sigmoid is the probability)", False: "the probability"}


def _data_format(settings: NetworkSettings, n_members: int, about: About, names: Sequence[str]) -> dict[str, Any]:
    """What the network takes and gives; `channel_def` names the values of the mask, as programs with labels read it.

    Of the image it has the names of the channels, by which `segassay predict` picks them.
    """
    shape = [f"{divisor}*n" for divisor in size_divisor(settings.strides)]
    common = {"spatial_shape": shape, "dtype": "float32", "is_patch_data": False}
    image = {"type": "image", "format": "magnitude", "modality": about.modality, "num_channels": settings.in_channels}
    channels = {str(number): f"{UNNAMED} {number}" for number in range(settings.in_channels)}
    channels |= {str(number): name for number, name in enumerate(names)}
    is_logit = gives_logits(settings, n_members)
    values = meaning_of_values(settings.classes).items()
    marked = {str(value): " and ".join(names) for value, names in values} or {"1": about.objects}
    pred = {
        "type": "logits" if is_logit else "probabilities",
        "format": "segmentation",
        "num_channels": len(settings.classes) or n_outputs((), settings.objects),
        **common,
        "value_range": [] if is_logit else [0, 1],
        "channel_def": {"0": "background"} | marked,
    }
    return {
        "inputs": {"image": image | common | {"value_range": [-8, 8], "channel_def": channels}},
        "outputs": {"pred": pred},
    }


def _installed(package: str, otherwise: str) -> str:
    """Installed version without the local part, such as `+cpu`, which no registry has."""
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return otherwise
