"""Read and write the settings of a simulation: YAML with the fields of `Simulation`."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from segassay.errors import UsageError, why_unreadable, wrong_value
from segassay.io.yaml_files import read_yaml
from segassay.simulation.settings import Effect, NucleusClass, RaterHabit, Region, Simulation


def read_simulation(path: Path) -> Simulation:
    """Read settings from YAML, or from the `simulation.json` of a simulated dataset.

    Every key is a field of `Simulation`, and optional; a list of `raters`, or a mapping of `groups` or `regions`,
    replaces the whole default.

    Args:
        path: The file; it cannot run code.

    Raises:
        UsageError: Lists every unknown key, with the most similar known one, and every impossible value.
    """
    path = Path(path)
    content = _read_mapping(path)
    if path.suffix == ".json" and isinstance(content.get("settings"), Mapping):
        content = content["settings"]
    try:
        return TypeAdapter(Simulation).validate_python(content)
    except ValidationError as error:
        problems = dict.fromkeys(_problem(detail) for detail in error.errors())
        raise UsageError("\n".join(f"{path}: {problem}" for problem in problems)) from None
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def plain_settings(settings: Simulation) -> dict[str, Any]:
    """Settings as a file holds them; `read_simulation` reads them back, and 6 nuclei are written as 6.0 are.

    Those of a marker and of classes are left out where there are none, `instances` where it is not set, so that files
    of simulations without them stay as they were.
    """
    plain = asdict(TypeAdapter(Simulation).validate_python(asdict(settings)))
    if not settings.instances:
        del plain["instances"]
    if not settings.classes:
        del plain["classes"]
        for rater in plain["raters"]:
            del rater["confusion"]
    if not settings.channels:
        del plain["channels"], plain["marker_contrast"]
        for groups in (plain["groups"], *(region["groups"] for region in plain["regions"].values())):
            for effect in groups.values():
                del effect["marker"]
    return plain


def _read_mapping(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig")) if path.suffix == ".json" else read_yaml(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; give a YAML file of settings") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as YAML: {why_unreadable(error)}") from error
    if not isinstance(content, Mapping):
        raise UsageError(f"{path}: expected lines of the form `n_cases: 12`, got {content!r:.60}")
    return content


def _problem(detail: Any) -> str:
    place = ".".join(map(str, detail["loc"]))
    if detail["type"] in ("unexpected_keyword_argument", "invalid_key"):
        owners = {"raters": RaterHabit, "regions": Region, "groups": Effect, "classes": NucleusClass}
        above = [owners[part] for part in detail["loc"][:-1] if part in owners]
        known = [known.name for known in fields(above[-1] if above else Simulation)]
        (nearest,) = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1, cutoff=0)
        return f"unknown key {place!r}; did you mean {nearest!r}?"
    if place.startswith("spacing_um"):  # a value that fits neither of two types has a problem for each
        return "spacing_um: expected one number, or a list of one per axis"
    if detail["type"] == "dataclass_type":
        return f"{place} is {detail['input']!r:.60}; expected a mapping such as {{{_example(detail)}}}"
    if detail["type"] == "missing":
        return f"{place} is missing"
    return wrong_value(place, detail)


def _example(detail: Any) -> str:
    return {"groups": "count: 1.6", "regions": "density: 1.3", "raters": "name: anna", "classes": "share: 0.4"}.get(
        detail["loc"][-2], ""
    )
