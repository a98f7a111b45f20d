"""All masks that a study predicted, in one table; no mask of a case that its members have seen.

OUT/members/, OUT/predictions/  ->  leak guard  ->  annotations.csv
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.data.annotations import ANNOTATION_COLUMNS, SPENT_COLUMNS
from segassay.errors import DataError
from segassay_monai.ensemble.members import Member, held_out_cases, read_members
from segassay_monai.study.plan import HELD_OUT, PlannedMember, Study, Task

__all__ = ["list_masks", "read_written"]

_COLUMNS = (*(name for name in ANNOTATION_COLUMNS if name not in ("session", "missing")), *SPENT_COLUMNS)
_WHOLE_NUMBERS = ("fold", "seed", *SPENT_COLUMNS)


def list_masks(study: Study, on: str = HELD_OUT) -> pd.DataFrame:
    """All masks that the study predicted, as in `annotations.csv`; failed predictions are listed without a file.

    Args:
        study: The study.
        on: `held_out` for predictions of cases out of fold, `test` for those of the test split.

    Returns:
        One row per mask; paths are relative to the study's folder.

    Raises:
        DataError: If a member has seen a case that it would be scored on, or is not the planned one.
    """
    tasks: list[Task] = [*study.members] if on == HELD_OUT else []
    tasks += [prediction for prediction in study.predictions if prediction.on == on]
    rows = [row for task in tasks for row in _rows(study, task)]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(dict.fromkeys(_WHOLE_NUMBERS, "Int64"))


def _rows(study: Study, task: Task) -> Iterator[dict[str, Any]]:
    members = (task,) if isinstance(task, PlannedMember) else task.members
    cases = task.held_out if isinstance(task, PlannedMember) else task.cases
    place = study.place(task) / ("held_out" if isinstance(task, PlannedMember) else "")
    is_ensemble = len(members) > 1
    common: dict[str, Any] = {
        "annotator": task.annotator,
        "kind": "ensemble" if is_ensemble else "model",
        "strategy": members[0].strategy,
        "trained_on": members[0].rater if len({planned.rater for planned in members}) == 1 else "",
        "fold": members[0].fold if isinstance(task, PlannedMember) else task.fold,
        "seed": members[0].seed,
        "n_raters": len(members[0].raters),
        "n_train": members[0].n_train,
    }
    written = {}
    if study.is_done(task):
        own = [_planned(study, planned) for planned in members]
        written = read_written(place)
        held_out_cases(study.dataset, own, list(written))
        common |= {"held_out": True, "n_train": common["n_train"] or len(own[0].train + own[0].val)}
    if is_ensemble:
        common |= {"seed": None, "n_raters": None, "n_train": None}
    start = place.relative_to(study.out)
    for case in cases:
        files = written.get(case, {"path": f"masks/{case}.png", "prob": "", "uncertainty": ""})
        yield (
            common | {"case": case} | {kind: (start / name).as_posix() if name else "" for kind, name in files.items()}
        )


def _planned(study: Study, planned: PlannedMember) -> Member:
    """The member in the folder of a planned member; checks that it is this member."""
    checkpoint = study.checkpoint(planned)
    found = read_members([checkpoint])[0]
    expected = (planned.rater, planned.fold, planned.seed)
    if (found.trained_on, found.fold, found.seed) != expected:
        what = (
            f"holds {found.name} of fold {found.fold}; expected {planned.rater}/s{planned.seed} of fold {planned.fold}"
        )
        raise DataError.of(checkpoint, what, "remove the folder and run the study again")
    return found


def read_written(place: Path) -> dict[str, dict[str, str]]:
    """Case -> its `path`, `prob` and `uncertainty`, as a prediction lists them, relative to its folder.

    Args:
        place: Folder of the prediction, with `annotations.csv`.

    Raises:
        DataError: If the table is missing or damaged.
    """
    path = place / "annotations.csv"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        files = table.set_index("case")[["path", "prob", "uncertainty"]]
    except (OSError, KeyError, ValueError) as error:
        raise DataError.of(path, f"cannot be read ({error})", f"remove {place} and run the study again") from error
    return {str(case): dict(row) for case, row in files.iterrows()}
