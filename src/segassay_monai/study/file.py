"""STUDY.yaml: what a study trains, predicts and judges.

STUDY.yaml  ->  StudyFile, with all defaults filled in
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, field_validator, model_validator

from segassay.data.harmless import why_harmful
from segassay.errors import UsageError, why_unreadable, wrong_value
from segassay.io.addresses import refuse_address
from segassay.io.yaml_files import read_yaml

__all__ = ["EXPERT", "WITHOUT_EACH", "StrategyFile", "StudyFile", "as_yaml", "read_study_file"]

EXPERT = "expert"
"""Target of one model per rater."""

WITHOUT_EACH = re.compile(r"(.+)_without_each")
"""Target of one consensus model per rater, whose consensus leaves out that rater; `staple_without_each`."""

_NAME = r"[\w×][\w×.+ \-]{0,59}"
_Count = Annotated[StrictInt, Field(ge=1)]
_Number = Annotated[StrictInt, Field(ge=0)]
_Numbers = Annotated[list[_Number], Field(min_length=1)]
_FROM_STUDY = {
    "dataset_dir": "dataset",
    "rater": "target of a strategy",
    "n_train": "n_train of a strategy",
    "strategy": "name of a strategy",
    "fold": "folds",
    "n_folds": "n_folds",
    "seed": "seeds",
    "experiment": "name",
    "output_dir": "output_dir",
    "overwrite": "another output_dir",
}
"""Settings of a training that the study sets itself, and the keys that determine them."""
_LISTS = {
    "folds": "a list of folds to hold out, such as [0]; to set their number, give n_folds",
    "ensembles": "a list of numbers of members, such as [2, 4]",
    "strategies": "a list of strategies, such as [staple, expert]",
}
"""What is expected where a list is."""


class StrategyFile(BaseModel):
    """One strategy, as in STUDY.yaml; a text alone is its target.

    Attributes:
        target: As `--rater` of a training; `expert` trains one model for each rater, `staple_without_each` one without
            each rater.
        name: Name in tables and figures; by default it follows from the target.
        n_raters: Number of raters of a model, assigned to the seeds in turn; by default all. With as many seeds as
            raters, each rater takes part equally often.
        n_train: Number of annotated images that a model may use; by default all that are not held out.
        seeds: Number of seeds (from 0), or a list; by default that of the study.
        ensembles: Numbers of members; by default those of the study.
        settings: Settings of the training, such as `epochs: 20`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str = "staple"
    name: Annotated[str, Field(pattern=f"^{_NAME}$")] | None = None
    n_raters: _Count | None = None
    n_train: Annotated[StrictInt, Field(ge=2)] | None = None
    seeds: _Count | _Numbers | None = None
    ensembles: list[Annotated[StrictInt, Field(ge=2)]] | None = None
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _target_alone(cls, value: Any) -> Any:
        return {"target": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self) -> StrategyFile:
        if self.n_raters is not None and (self.target == EXPERT or WITHOUT_EACH.fullmatch(self.target)):
            raise ValueError(
                f"n_raters cannot be combined with the target {self.target}; give staple, or another consensus"
            )
        return self


class StudyFile(BaseModel):
    """Content of STUDY.yaml; only `dataset` is required, and paths are relative to the file.

    Attributes:
        dataset: Dataset folder. It, `output_dir` and folders of masks may be addresses, such as `s3://bucket/lab`.
        name: Name of the study, its MLflow experiment and its registered model; by default the name of the file.
        output_dir: Folder of the study; by default `<file>_results` in the same folder.
        strategies: What is trained.
        n_folds: Number of folds.
        folds: Folds that are held out in turn, by default all; a single one is a test split for all members.
        seeds: Number of seeds (from 0), or a list.
        ensembles: Numbers of members of ensembles that have no member in common; by default powers of two up to half of
            the seeds, and all seeds.
        settings: Settings of every training, such as `epochs: 20`; those of a strategy override them.
        masks: Folders of masks of further annotators to compare, by name, as `--masks` of an evaluation; masks of an
            annotator `truth` are the truth.
        threads: Threads of each training. Results depend on it in the last bits, so it does not depend on the machine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    name: str | None = None
    output_dir: str | None = None
    strategies: list[StrategyFile] = Field(
        default_factory=lambda: [StrategyFile(target=target) for target in ("staple", EXPERT, "staple_without_each")],
        min_length=1,
    )
    n_folds: Annotated[StrictInt, Field(ge=2)] = 4
    folds: _Numbers | None = None
    seeds: _Count | _Numbers = 4
    ensembles: list[Annotated[StrictInt, Field(ge=2)]] | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    masks: dict[str, str] = Field(default_factory=dict)
    threads: _Count = 1

    @field_validator("folds")
    @classmethod
    def _each_once(cls, value: list[int] | None) -> list[int] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError(f"folds {value} has a fold twice; give each once")
        return value

    @field_validator("masks")
    @classmethod
    def _no_formula(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if why := why_harmful(name):
                raise ValueError(f"the name {name!r} {why}; rename it")
        return value


def read_study_file(path: Path) -> StudyFile:
    """Read a study; missing keys have their defaults.

    Args:
        path: The YAML file. Reading it runs no code; the training evaluates settings that begin with `$`.

    Raises:
        UsageError: Names every unknown key, with the nearest known one, and every invalid value.
    """
    refuse_address(path, "STUDY.yaml")
    path = Path(path)
    try:
        content = read_yaml(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; give the YAML file of a study") from error
    except ValueError as error:
        raise UsageError(f"{path} is not valid YAML: {why_unreadable(error)}; fix the file") from error
    if not isinstance(content, Mapping):
        raise UsageError(f"{path}: expected lines of the form `dataset: mydata`, got {content!r:.60}")
    try:
        study = StudyFile.model_validate(content)
    except ValidationError as error:
        problems = {_place(detail): _problem(detail) for detail in reversed(error.errors())}  # the first of each key
        raise UsageError("\n".join(f"{path}: {problem}" for problem in reversed(problems.values()))) from None
    for settings in (study.settings, *(strategy.settings for strategy in study.strategies)):
        for name in settings.keys() & _FROM_STUDY.keys():
            raise UsageError(f"{path}: settings.{name}: the study sets it; remove it and give {_FROM_STUDY[name]}")
    return _resolved(study, path)


def _place(detail: Any) -> tuple[Any, ...]:
    """Keys and numbers that lead to a value, without the names of alternative types."""
    names = {*StudyFile.model_fields, *StrategyFile.model_fields}
    given = detail["loc"][-1] if detail["type"] == "extra_forbidden" else None
    return tuple(part for part in detail["loc"] if isinstance(part, int) or part in names or part == given)


def _problem(detail: Any) -> str:
    parts = _place(detail)
    place = ".".join(map(str, parts))
    if detail["type"] == "extra_forbidden":
        known = list(StudyFile.model_fields if len(parts) == 1 else StrategyFile.model_fields)
        (nearest,) = difflib.get_close_matches(str(parts[-1]), known, n=1, cutoff=0)
        return f"unknown key {place}; did you mean {nearest}? Known are {', '.join(known)}"
    if detail["type"] == "missing":
        return f"{place} is missing; give the dataset folder, relative to this file"
    if detail["type"] == "list_type" and parts[-1] in _LISTS:
        return f"{place} is {detail['input']!r:.60}; expected {_LISTS[parts[-1]]}"
    return wrong_value(place, detail)


def _resolved(study: StudyFile, path: Path) -> StudyFile:
    """The study with all defaults but the folds, which depend on the dataset."""
    seeds = _numbers(study.seeds)
    strategies = []
    for strategy in study.strategies:
        own = seeds if strategy.seeds is None else _numbers(strategy.seeds)
        sizes = study.ensembles if strategy.ensembles is None else strategy.ensembles
        if sizes is None:  # models that leave out a rater only measure the removal of bias
            sizes = [] if WITHOUT_EACH.fullmatch(strategy.target) else _sizes(len(own))
        if too_large := [size for size in sizes if size > len(own)]:
            raise UsageError(
                f"{path}: an ensemble of {max(too_large)} members needs as many seeds, got {len(own)}; give more "
                "seeds, or fewer members"
            )
        own_values = {
            "seeds": own,
            "ensembles": sorted(set(sizes)),
            "settings": study.settings | strategy.settings,
        }
        strategies.append(strategy.model_copy(update=own_values))
    name = study.name or path.stem
    if not re.fullmatch(_NAME, name):
        raise UsageError(
            f"{path}: name {name!r}: expected letters, digits and . _ + - or spaces, as `name` of the study"
        )
    defaults = {"name": name, "output_dir": study.output_dir or f"{path.stem}_results"}
    return study.model_copy(update={**defaults, "strategies": strategies, "seeds": seeds})


def _numbers(seeds: int | list[int]) -> list[int]:
    return list(range(seeds)) if isinstance(seeds, int) else sorted(set(seeds))


def _sizes(n_seeds: int) -> list[int]:
    """Powers of two up to half of the seeds, whose ensembles can be compared, and all seeds.

    Example:
        >>> _sizes(8), _sizes(3), _sizes(1)
        ([2, 4, 8], [3], [])
    """
    halves = [size for power in range(1, n_seeds.bit_length()) if (size := 2**power) * 2 <= n_seeds]
    return [*halves, n_seeds] if n_seeds > 1 else []


def as_yaml(study: StudyFile) -> str:
    """The study as YAML, with all defaults."""
    content = study.model_dump()
    content.pop("ensembles")  # each strategy has its own, as with settings
    content.pop("settings")
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
