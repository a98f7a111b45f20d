"""Read `dataset.yaml` and find every problem in it.

    dataset.yaml -> text, lists and mappings (plain YAML: no tags, no aliases, no key twice) -> DatasetFile

Numbers stay text until a setting asks for a number, so a group `0144` keeps its zero and a group `no` its name.
"""

import os
import reprlib
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any, Literal
from unicodedata import normalize

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from segassay.data.class_rules import rules_broken
from segassay.data.facets import EXCHANGEABLE, RaterFacets, facet_problems, says_exchangeable
from segassay.data.named_channels import broken_channel_names
from segassay.errors import Problem, known_names, why_unreadable
from segassay.io.yaml_files import read_yaml

_Value = Annotated[int, Field(ge=1)]
_Values = Annotated[tuple[_Value, ...], Field(min_length=1)]


class ClassFile(BaseModel):
    """A class with a colour in `dataset.yaml`.

    Attributes:
        value: Of its pixels in masks, or
        values: of a region that joins several; one of the two.
        colour: As `#e69f00`, in figures; by default one that colour-blind readers tell from the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: _Value | None = None
    values: _Values | None = None
    colour: Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "ClassFile":
        if (self.value is None) == (self.values is None):
            raise ValueError("expected one of value and values")
        return self


class DatasetFile(BaseModel):
    """Keys of `dataset.yaml`; every key is optional, paths are relative to the dataset folder and stay inside it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(default=None, max_length=255)  # as that of a folder
    images: str = "images"
    image_suffix: str | None = None
    raters: str | dict[str, str | RaterFacets] = "labels/*"
    mask_prefix: str | None = None
    mask_suffix: str | None = None
    foreground: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(default=None, min_length=1)
    classes: dict[str, _Value | _Values | ClassFile] | None = Field(default=None, min_length=1)
    ignore_value: _Value | None = None
    invert: bool | tuple[str, ...] = False
    reference: str | None = None
    ignore: str | None = None
    ignore_suffix: str | None = None
    region_masks: str | None = None
    experiment: str | None = None
    control_group: str | None = None
    measurements: tuple[str, ...] | None = Field(default=None, min_length=1)
    endpoints: str | None = None
    equivalence_margin: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    objects: Literal["instances"] | None = None
    min_object_size: int = Field(default=1, ge=0)
    spacing_um: tuple[Annotated[float, Field(ge=1e-6, le=1e6)], ...] | None = Field(
        default=None, min_length=2, max_length=3
    )
    channels: tuple[str, ...] | None = Field(default=None, min_length=1)
    segment_channels: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    intensity_channel: Annotated[int, Field(ge=0)] | str | Annotated[tuple[str, ...], Field(min_length=1)] | None = (
        Field(default=None, union_mode="left_to_right")
    )

    @property
    def rater_folders(self) -> str | dict[str, str]:
        """Pattern of folders, or the folder of each rater."""
        if isinstance(self.raters, str):
            return self.raters
        folders = {
            rater: said if isinstance(said, str) else said.folder or f"labels/{rater}"
            for rater, said in self.raters.items()
            if rater != EXCHANGEABLE
        }
        return folders if folders or EXCHANGEABLE not in self.raters else "labels/*"

    @property
    def class_values(self) -> dict[str, tuple[int, ...]]:
        """Values of each class in the masks; empty if `classes` is not given."""
        return {name: _values_of(said) for name, said in (self.classes or {}).items()}

    @property
    def class_colours(self) -> dict[str, str]:
        """Colours of the classes that have one."""
        said = (self.classes or {}).items()
        return {name: one.colour for name, one in said if isinstance(one, ClassFile) and one.colour is not None}

    @property
    def exchangeable(self) -> bool:
        """Whether a rater of one case need not be the person who has the same name in another case."""
        return says_exchangeable(self.raters)

    @property
    def facets(self) -> dict[str, RaterFacets]:
        """Person, tool, session and site of the raters that are described so."""
        said = {} if isinstance(self.raters, str) else self.raters
        return {rater: facets for rater, facets in said.items() if isinstance(facets, RaterFacets)}


def _values_of(said: int | tuple[int, ...] | ClassFile) -> tuple[int, ...]:
    if isinstance(said, ClassFile):
        return said.values or (said.value or 0,)
    return said if isinstance(said, tuple) else (said,)


_EXPECTED = {
    "classes": "a value for each class above 0, such as {tumour: 2}; a list of values for a region, such as "
    "{organ: [1, 2]}; or {value: 2, colour: '#e69f00'}",
    "ignore_value": "a whole number above 0, that of pixels which do not count",
    "raters": "a pattern of folders such as labels/*, or a mapping `rater: folder` or `rater: {person: …, tool: …}`",
    "equivalence_margin": "a number above 0, such as 0.1",
    "objects": "instances (each number in a label image is one object), or nothing",
    "min_object_size": "a whole number of pixels, 0 or more",
    "spacing_um": "two or three numbers of micrometres from 1e-6 to 1e6, such as [0.62, 0.62]",
    "channels": "a list of names, one for each channel of an image, such as [DAPI, cFOS]",
    "segment_channels": "names of channels, such as [DAPI]",
    "intensity_channel": "names of channels, such as [cFOS], or the number of one, 0 for the first",
    "foreground": "a list of numbers of the masks, such as [1]",
    "invert": "true for all masks, or a list of raters, such as [anna]",
    "measurements": "a list of names, such as [count, area]",
    "name": "a text of at most 255 letters",
}
_PATHS = ("images", "reference", "ignore", "region_masks", "experiment", "endpoints")


def read_dataset_file(path: Path) -> tuple[DatasetFile | None, list[Problem]]:
    """Read the settings of a dataset; wrong ones are replaced by their defaults.

    Args:
        path: The file; it may be missing.

    Returns:
        The settings, None if the file cannot be read or its `images` or `raters` are wrong, so that the rest of the
        folder cannot be checked; and all problems.
    """
    if not os.path.lexists(path):
        return DatasetFile(), []
    try:
        content = read_yaml(path, as_text=True)
    except (OSError, ValueError) as error:
        return None, [
            Problem(
                str(path),
                f"cannot be read: {why_unreadable(error)}",
                "write plain YAML, saved as UTF-8",
                kind="unreadable",
            )
        ]
    if content is None:
        return DatasetFile(), []
    if not isinstance(content, Mapping):
        came = {"list": "a list", "str": "a text"}.get(type(content).__name__, type(content).__name__)
        return None, [
            Problem(
                str(path), f"expected settings, got {came}", "write one line `key: value` for each", kind="no-settings"
            )
        ]
    wrong = _problems_of_keys(str(path), content)
    if wrong.keys() & {"images", "raters"}:
        return None, list(wrong.values())
    settings = DatasetFile.model_validate({key: value for key, value in content.items() if key not in wrong})
    return settings, list(wrong.values())


def _problems_of_keys(path: str, content: Mapping[Any, Any]) -> dict[Any, Problem]:
    """Problems by key of the file."""
    wrong = {}
    for key in content:
        if key not in DatasetFile.model_fields:
            action = known_names(str(key), DatasetFile.model_fields, cutoff=0)
            wrong[key] = Problem(path, f"unknown key {reprlib.repr(key)}", action, kind="unknown-key")
    for problem in facet_problems(path, content.get("raters")):
        wrong.setdefault("raters", problem)
    try:
        DatasetFile.model_validate({key: value for key, value in content.items() if key not in wrong})
    except ValidationError as error:
        for key in dict.fromkeys(detail["loc"][0] for detail in error.errors()):
            came, expected = reprlib.repr(content[key]), _EXPECTED.get(str(key), "a text")
            wrong[key] = Problem(
                path, f"{key} is {came}; expected {expected}", f"correct {key}, or leave it out", kind="key-value"
            )
    usable = {key: value for key, value in content.items() if key not in wrong}
    checked = DatasetFile.model_validate(usable)
    for key, problem in rules_broken(path, checked):
        wrong.setdefault(key, problem)
    for problem in broken_channel_names(path, checked.channels or ()):
        wrong.setdefault("channels", problem)
    for key, value in content.items():
        if key not in wrong and key in (*_PATHS, "raters"):
            leaving = [name for name in _paths_of(key, value) if _leaves_folder(name[1])]
            for name, folder in leaving:
                what = f"{name} is {folder!r}; expected a relative path inside the dataset folder, without .."
                wrong[key] = Problem(
                    path,
                    what,
                    "move the files into the dataset folder, or put a link to them there",
                    kind="path-outside",
                )
    return wrong


def _paths_of(key: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        folders = {
            rater: said.get("folder", f"labels/{rater}") if isinstance(said, dict) else said
            for rater, said in value.items()
        }
        return [(f"{key}.{rater}", path) for rater, path in folders.items()]
    return [] if value is None else [(key, value)]


def _leaves_folder(path: str) -> bool:
    """Whether a path leaves the folder as written: links that a user put into the folder are allowed."""
    parts = path.replace("\\", "/").split("/")
    return not path or "\0" in path or PureWindowsPath(path).anchor != "" or path.startswith("/") or ".." in parts


def inside(folder: Path, path: str) -> Path:
    """A path of `dataset.yaml`, which may use the separators of Windows, and letters composed in another way."""
    found = folder / os.path.normpath(path.replace("\\", "/"))
    if os.path.lexists(found) or path.isascii():
        return found
    place = folder
    for part in found.relative_to(folder).parts:
        alike = [one for one in _entries(place) if normalize("NFC", one.name) == normalize("NFC", part)]
        place = alike[0] if alike else place / part
    return place


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
