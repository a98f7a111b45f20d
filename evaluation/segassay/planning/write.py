"""Write a plan as plan.csv, plan.png and pilot.json, and describe it in a few lines; of several classes one of each.

evaluation  ->  plan.csv, plan.png, pilot.json
of classes  ->  the same of all classes together; classes/<class>/ of each; plan_classes.csv of each and of all
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from segassay.errors import DataError
from segassay.io.csv_tables import csv_text
from segassay.io.outputs import (
    ARGUMENTS,
    check_output,
    prepare_output,
    publish_output,
    refuse_result,
    whole_or_nothing,
)
from segassay.judgement.classes import class_paths
from segassay.planning.figure import draw_plan
from segassay.planning.pilot import Pilot, read_pilot
from segassay.planning.planner import make_plan, plan_of_classes

__all__ = ["Planned", "describe_plan", "write_plan"]

_EVERY = "all"
"""In the column `class`: what every class needs; no class may have this name."""


@dataclass(frozen=True, eq=False)
class Planned:
    """A plan for an evaluation.

    Attributes:
        pilot: The variance components, of all classes together if there are several.
        plan: Table of `make_plan`.
        classes: Class -> its pilot and plan; empty without classes.
        not_planned: Class -> why there is no plan for it.
    """

    pilot: Pilot
    plan: pd.DataFrame
    classes: Mapping[str, tuple[Pilot, pd.DataFrame]] = field(default_factory=dict)
    not_planned: Mapping[str, str] = field(default_factory=dict)

    @property
    def of_every_class(self) -> pd.DataFrame | None:
        """What meets both aims in every class that can be planned; None if there is none."""
        return plan_of_classes({name: plan for name, (_, plan) in self.classes.items()}) if self.classes else None


def write_plan(
    result: Path, out: Path, *, width: float = 0.1, min_phi: float = 0.9, overwrite: bool = False
) -> Planned:
    """Write `plan.csv`, `plan.png` and `pilot.json` for a finished evaluation.

    Of an evaluation of several classes these are about all of them together; `classes/<class>/` has the same of each,
    and `plan_classes.csv` the plans of each class, and of `all`, what every class needs.

    Args:
        result: Folder written by `segassay evaluate`.
        out: Folder to write, completely or not at all.
        width: Wanted full width of the 95 % interval of the mean score.
        min_phi: Wanted reliability of counts.
        overwrite: Replace `out`.

    Raises:
        UsageError: If an aim is impossible, or `out` exists, cannot be written, or holds or lies in `result`.
        DataError: If `result` is not an evaluation, or too small; a class that is too small is left out.
    """
    final = check_output(out, overwrite, options=ARGUMENTS)
    pilot = read_pilot(result)
    refuse_result(final, result)
    plan = make_plan(pilot, width=width, min_phi=min_phi)
    paths = class_paths(_classes(result))
    classes, not_planned = {}, {}
    for name, path in paths.items():
        try:
            of_class = read_pilot(result / path)
        except DataError as error:
            not_planned[name] = error.what
        else:
            classes[name] = of_class, make_plan(of_class, width=width, min_phi=min_phi)
    found = Planned(pilot, plan, classes, not_planned)
    work_dir = prepare_output(final, overwrite, options=ARGUMENTS)
    with whole_or_nothing(work_dir):
        _write(work_dir, pilot, plan, width, min_phi)
        for name, of_class_and_plan in classes.items():
            _write(work_dir / paths[name], *of_class_and_plan, width, min_phi)
        if (every := found.of_every_class) is not None:
            tables = {name: own for name, (_, own) in classes.items()} | {_EVERY: every}
            table = pd.concat([own.assign(**{"class": name}) for name, own in tables.items()], ignore_index=True)
            table.insert(0, "class", table.pop("class"))
            (work_dir / "plan_classes.csv").write_bytes(csv_text(table, float_format="%.6g").encode())
        publish_output(work_dir)
    return found


def _classes(result: Path) -> list[str]:
    """Names of the classes of an evaluation, in their order; none without."""
    path = result / "summary.json"
    return list(json.loads(path.read_text(encoding="utf-8")).get("classes", {})) if path.exists() else []


def _write(folder: Path, pilot: Pilot, plan: pd.DataFrame, width: float, min_phi: float) -> None:
    """Files of one plan; `share` only if it is of a class."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.csv").write_bytes(csv_text(plan, float_format="%.6g").encode())
    known = {name: getattr(pilot, name) for name in Pilot.__dataclass_fields__}
    if pilot.share == 1:
        del known["share"]
    (folder / "pilot.json").write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "plan.png").write_bytes(draw_plan(pilot, plan, width=width, min_phi=min_phi))


def describe_plan(found: Planned, *, width: float, min_phi: float) -> list[str]:
    """Describe the plan in a few lines."""
    pilot, plan = found.pilot, found.plan
    whose = f"{pilot.n_raters} raters" if pilot.scored == "raters" else f"models of {pilot.n_raters} raters"
    seeds = f", {pilot.n_seeds} seeds each" if pilot.n_seeds > 1 else ""
    subjects = f" of {pilot.n_subjects} subjects" if pilot.n_subjects else ""
    lines = [f"pilot: {pilot.n_cases} images{subjects}, {whose}{seeds}", *pilot.notes]
    if subjects:
        lines.append(
            f"images of one subject are not independent (their scores correlate by {pilot.correlation:.2f}), so the "
            f"unit is the subject; planned with {pilot.images_per_subject:.3g} images of each, as in the pilot"
        )
    if not plan["enough"].any():
        lines.append(_too_few(plan, min_phi))
    else:
        beyond = plan.iloc[0]["width_beyond"]
        lines += [
            f"for a mean F1 with a 95 % interval {width:g} wide, and counts with Φ ≥ {min_phi:g}: {_needs(plan)}",
            f"for other raters{' and seeds' if seeds else ''} too, the interval is {beyond:.2f} wide",
        ]
    return [*lines, *_of_classes(found, min_phi)]


def _of_classes(found: Planned, min_phi: float) -> list[str]:
    """The same aims in each class."""
    lines = []
    for name, (pilot, plan) in found.classes.items():
        occurs = f"class {name}: half of the raters or more marked it in {pilot.share:.0%} of the images"
        lines.append(f"{occurs}; {_reached(plan, min_phi)}")
    lines += [f"class {name}: {why}, so it has no plan" for name, why in found.not_planned.items()]
    every = found.of_every_class
    if every is not None and len(every):
        lines.append(f"every class with a plan: {_reached(every, min_phi)}")
    return lines


def _reached(plan: pd.DataFrame, min_phi: float) -> str:
    """What both aims need, or how far they can be reached."""
    return _needs(plan) if plan["enough"].any() else _too_few(plan, min_phi)


def _needs(plan: pd.DataFrame) -> str:
    """Images, raters and seeds of the first row."""
    best = plan.iloc[0]
    of_subjects = f" of {best['n_subjects']} subjects" if best["n_subjects"] else ""
    seeds = f", {best['n_seeds']} seeds" if plan["n_seeds"].max() > 1 else ""
    needs = f"{best['n_cases']} images{of_subjects}, {best['n_raters']} raters{seeds}"
    return f"{needs} ({best['annotations']} masks to draw, Φ {best['phi']:.2f})"


def _too_few(plan: pd.DataFrame, min_phi: float) -> str:
    seeds = f" and {plan['n_seeds'].max()} seeds" if plan["n_seeds"].max() > 1 else ""
    most = f"{plan['n_raters'].max()} raters{seeds}"
    return f"counts of single images reach Φ {plan['phi'].max():.2f} with {most}; wanted {min_phi:g}"
