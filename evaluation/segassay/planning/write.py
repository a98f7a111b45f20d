"""Write a plan as plan.csv, plan.png and pilot.json, and describe it in a few lines."""

import json
from pathlib import Path

import pandas as pd

from segassay.io.csv_tables import csv_text
from segassay.io.outputs import ARGUMENTS, check_output, prepare_output, publish_output, whole_or_nothing
from segassay.planning.figure import draw_plan
from segassay.planning.pilot import Pilot, read_pilot
from segassay.planning.planner import make_plan

__all__ = ["describe_plan", "write_plan"]


def write_plan(
    result: Path, out: Path, *, width: float = 0.1, min_phi: float = 0.9, overwrite: bool = False
) -> tuple[Pilot, pd.DataFrame]:
    """Write `plan.csv`, `plan.png` and `pilot.json` for a finished evaluation.

    Args:
        result: Folder written by `segassay evaluate`.
        out: Folder to write, completely or not at all.
        width: Wanted full width of the 95 % interval of the mean score.
        min_phi: Wanted reliability of counts.
        overwrite: Replace `out`.

    Returns:
        The pilot and the plan.

    Raises:
        UsageError: If an aim is impossible, or `out` exists or cannot be written.
        DataError: If `result` is not an evaluation, or too small.
    """
    final = check_output(out, overwrite, options=ARGUMENTS)
    pilot = read_pilot(result)
    plan = make_plan(pilot, width=width, min_phi=min_phi)
    work_dir = prepare_output(final, overwrite, options=ARGUMENTS)
    with whole_or_nothing(work_dir):
        (work_dir / "plan.csv").write_bytes(csv_text(plan, float_format="%.6g").encode())
        known = {name: getattr(pilot, name) for name in Pilot.__dataclass_fields__}
        (work_dir / "pilot.json").write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (work_dir / "plan.png").write_bytes(draw_plan(pilot, plan, width=width, min_phi=min_phi))
        publish_output(work_dir)
    return pilot, plan


def describe_plan(pilot: Pilot, plan: pd.DataFrame, *, width: float, min_phi: float) -> list[str]:
    """Describe the plan in a few lines."""
    whose = f"{pilot.n_raters} raters" if pilot.scored == "raters" else f"models of {pilot.n_raters} raters"
    seeds = f", {pilot.n_seeds} seeds each" if pilot.n_seeds > 1 else ""
    subjects = f" of {pilot.n_subjects} subjects" if pilot.n_subjects else ""
    lines = [f"pilot: {pilot.n_cases} images{subjects}, {whose}{seeds}", *pilot.notes]
    if subjects:
        lines.append(
            f"subjects count, not images: scores of two images of one subject correlate by {pilot.correlation:.2f}; "
            f"planned with {pilot.images_per_subject:.3g} images of each, as in the pilot"
        )
    if not plan["enough"].any():
        most = f"{plan['n_raters'].max()} raters" + (f" and {plan['n_seeds'].max()} seeds" if seeds else "")
        return [*lines, f"counts of single images reach Φ {plan['phi'].max():.2f} with {most}; wanted {min_phi:g}"]
    best = plan.iloc[0]
    of_subjects = f" of {best['n_subjects']} subjects" if subjects else ""
    needs = f"{best['n_cases']} images{of_subjects}, {best['n_raters']} raters" + (
        f", {best['n_seeds']} seeds" if seeds else ""
    )
    beyond = best["width_beyond"]
    return [
        *lines,
        f"for a mean F1 with a 95 % interval {width:g} wide, and counts with Φ ≥ {min_phi:g}: {needs} "
        f"({best['annotations']} masks to draw, Φ {best['phi']:.2f})",
        f"for other raters{' and seeds' if seeds else ''} too, the interval is {beyond:.2f} wide",
    ]
