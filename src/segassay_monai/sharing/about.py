"""What only the author of a model can say about it: authors, license of the data, and what it is for.

    about.yaml -> About -> metadata and model card of an export

Numbers, data formats and versions are never asked for: an export reads them from the model and its evaluation.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from segassay.errors import UsageError, why_unreadable, wrong_value

__all__ = ["About", "read_about"]


class About(BaseModel):
    """Content of `about.yaml`; every entry is optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    """Name that people read; by default made of the name of the export."""
    description: str = ""
    """One or two sentences: which images, which objects, for which question."""
    authors: list[str] = []
    copyright: str = ""
    """Who holds it; by default the authors."""
    objects: str = "objects"
    """What is segmented, such as `nuclei`."""
    modality: str = "microscopy"
    """How the images were made, such as `fluorescence microscopy` or `CT`."""
    data_source: str = ""
    """Where the images that it was trained on can be had."""
    data_license: str = ""
    """License of these images, with what it demands."""
    intended_use: str = "Research on biomedical images; not a medical device"
    references: list[str] = []
    version: str = "0.1.0"
    changelog: dict[str, str] = {}
    """Version -> what changed; the current version is added if it is missing."""
    files_url: str = ""
    """Address below which the files of `models/` can be downloaded; needed for files beyond 25 MB."""
    huggingface: str = ""
    """Repository on Hugging Face, `owner/name`."""


def read_about(path: str | os.PathLike[str] | None) -> About:
    """Read `about.yaml`; without a file, everything has its default.

    Raises:
        UsageError: If the file is missing or no YAML, or has an unknown or invalid entry.

    Example:
        >>> read_about(None).version
        '0.1.0'
    """
    if path is None:
        return About()
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"--about {path}: no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise UsageError(f"--about {path} cannot be read: {why_unreadable(error)}") from error
    if not isinstance(content, dict):
        raise UsageError(f"--about {path}: expected entries such as `authors: [A. Author]`")
    try:
        return About.model_validate(content)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        name = ".".join(map(str, detail["loc"]))
        if detail["type"] == "extra_forbidden":
            known = ", ".join(About.model_fields)
            raise UsageError(f"--about {path}: unknown entry {name}; expected {known}") from None
        raise UsageError(f"--about {path}: {wrong_value(name, detail)}") from None
