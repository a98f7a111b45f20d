"""The study: trained, predicted, compared and judged by one command, from wherever an earlier attempt got.

STUDY.yaml -> plan -> members, ensembles -> leak guard -> annotations.csv -> evaluation/report.html, MLflow
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import segassay
from segassay import tracking
from segassay.assay import evaluate
from segassay.assay.write import metric_name
from segassay.data.annotations import ANNOTATION_COLUMNS, SPENT_COLUMNS
from segassay.data.dataset import data_hash
from segassay.errors import DataError, UsageError
from segassay.io.images import sha256
from segassay.judgement.summary import versions
from segassay_monai.ensemble.members import Member, held_out_cases, read_members
from segassay_monai.ensemble.registry import register_ensemble
from segassay_monai.study.file import as_yaml
from segassay_monai.study.plan import HELD_OUT, TEST, PlannedMember, Study, Task
from segassay_monai.study.scheduler import n_cores, n_workers, work_side_by_side
from segassay_monai.study.store import (
    claim,
    failure,
    forget_failure,
    memory_of_worker,
    note_failure,
    open_tasks,
    read_state,
    write_state,
    write_whole,
)
from segassay_monai.study.worker import do

__all__ = ["Outcome", "list_masks", "run_member", "run_study"]

logger = logging.getLogger("segassay")

_ANNOTATIONS = {HELD_OUT: "annotations.csv", TEST: "annotations_test.csv"}
_EVALUATION = {HELD_OUT: "evaluation", TEST: "evaluation_test"}
_MOMENT = 10.0  # seconds in which a claim that somebody only looks at is given back
_SCORES = ("f1_leave_one_out", "f1_pairwise")
_COLUMNS = (*(name for name in ANNOTATION_COLUMNS if name not in ("session", "missing")), *SPENT_COLUMNS)
_WHOLE_NUMBERS = ("fold", "seed", *SPENT_COLUMNS)


@dataclass(frozen=True)
class Outcome:
    """What a study came to.

    Attributes:
        failed: What could not be done, and why.
        evaluations: Folders with a report.
    """

    failed: dict[str, str]
    evaluations: list[Path]


def _say_nothing(word: str, task: str) -> None:
    """The report of a study that nobody watches."""


def run_study(study: Study, *, jobs: int | None = None, report: Callable[[str, str], None] = _say_nothing) -> Outcome:
    """Do all that is left to do, then judge.

    Args:
        study: The study.
        jobs: Trainings at once; by default as many as the machine has room for.
        report: Gets `start`, `done` or `failed`, and the id of each task; by default nothing is said.

    Returns:
        What failed, and where the reports are.
    """
    _make_folder(study)
    for task in study.tasks.values():  # to be tried again
        forget_failure(study, task)
    with _parent_run(study) as run_id:
        if tasks := open_tasks(study):
            n = jobs or n_workers(len(tasks), memory_of_worker(study), study.file.threads)
            environment = {"MLFLOW_RUN_ID": run_id, "MLFLOW_TRACKING_URI": tracking.store_uri()}
            work_side_by_side(study, min(n, len(tasks)), environment, report)
        if left := open_tasks(study):
            raise DataError(
                f"{study.path}: {len(left)} of {len(study.tasks)} tasks are still to be done, first {left[0].id}; "
                "the study, its data or the program changed while it ran: run it again"
            )
        with claim(study, "evaluation", timeout=-1):
            evaluations = [_judge(study, on) for on in (HELD_OUT, TEST) if _has(study, on)]
    failed = {task.id: failure(study, task) for task in study.tasks.values()}
    return Outcome({name: reason for name, reason in failed.items() if reason}, evaluations)


def run_member(study: Study, planned: PlannedMember) -> None:
    """Train one member in this process, as a job of a cluster does; one that is done is left as it is.

    Raises:
        UsageError: If another process trains it right now.
    """
    _make_folder(study)
    with claim(study, planned.folder, timeout=_MOMENT) as is_ours:
        if not is_ours:
            raise UsageError(f"{planned.id}: another process trains this member right now")
        if study.is_done(planned):
            logger.info(f"{planned.id}: trained already, nothing to do: {study.place(planned)}")
            return
        forget_failure(study, planned)
        try:
            with _parent_run(study):
                do(study, planned)
        except Exception as error:
            note_failure(study, planned, str(error))
            raise


# -------------------------------------------------------------------------------------------------------------- MLflow


@contextmanager
def _parent_run(study: Study) -> Iterator[str]:
    """The run that all others of the study are children of; the same one whenever the study goes on."""
    tags = {"kind": "study", "segassay": segassay.__version__}
    params = {
        "dataset": study.dataset.name,
        "data_hash": data_hash(study.dataset),
        "n_members": len(study.members),
        "n_folds": study.file.n_folds,
    }
    with ExitStack() as stack:
        with claim(study, "mlflow", timeout=-1):
            known = read_state(study).get("run")
            run_id = stack.enter_context(tracking.run(study.name, study.name, tags=tags, params=params, run_id=known))
            write_state(study, run=run_id)
            write_whole(study.out / "study.yaml", as_yaml(study.file))
            tracking.log_files(study.out / "study.yaml")
        yield run_id


def _log_strategies(study: Study, on: str, evaluation: Path) -> None:
    """One run per strategy, the same one each time, so that strategies can be compared in the user interface."""
    path = evaluation / "tables" / "strategies.csv"
    if not path.is_file():
        return
    known = read_state(study).get(f"strategies_{on}", {})
    for group, rows in pd.read_csv(path).fillna({"contrast": ""}).groupby("group", sort=False):
        about = rows.iloc[0]
        tags = {"kind": "strategy", "strategy": group, "annotators": about["kind"], "cases": on}
        with tracking.run(study.name, str(group), tags=tags, params={}, run_id=known.get(group)) as run_id:
            known[group] = run_id
            table = zip(rows["measure"], rows["contrast"], rows["value"], strict=True)
            tracking.log_metrics({_strategy_metric(str(m), str(c)): float(value) for m, c, value in table})
    write_state(study, **{f"strategies_{on}": known})


def _strategy_metric(measure: str, contrast: str) -> str:
    """Name of a number of a strategy, under the quality that it is about.

    Example:
        >>> _strategy_metric("f1_within", ""), _strategy_metric("count_eta_squared", "A against H")
        ('reliability/f1_within', 'validity/count_eta_squared/A against H')
    """
    quality = "reliability" if "_within" in measure or measure.endswith("_sd") else "validity"
    return metric_name("/".join(part for part in (quality, measure, contrast) if part))


def _register_best(study: Study, scores: pd.DataFrame) -> None:
    """Register the ensemble with the highest score against people, of those that are whole; the first of equal ones."""
    ensembles: dict[str, list[PlannedMember]] = {}
    for prediction in study.predictions:
        if prediction.on == HELD_OUT and len(prediction.members) > 1:
            ensembles.setdefault(prediction.annotator, []).extend(prediction.members)
    ensembles = {name: members for name, members in ensembles.items() if all(map(study.is_done, members))}
    found = scores[scores["measure"].isin(_SCORES) & scores["target"].isin(list(ensembles)) & scores["value"].notna()]
    if found.empty:
        return
    best = found.sort_values("value", ascending=False, kind="stable").iloc[0].to_dict()
    members = ensembles[best["target"]]
    tags = {
        "annotator": best["target"],
        "strategy": members[0].strategy,
        "n_members": len(members),
        "n_folds": len({planned.fold for planned in members}),
        best["measure"]: f"{best['value']:.4f}",
        "interval": f"{best['low']:.4f} to {best['high']:.4f}",
        "n_cases": int(best["n_cases"]),
        "data_hash": data_hash(study.dataset),
    }
    register_ensemble([study.checkpoint(planned) for planned in members], name=study.name, tags=tags)


# ------------------------------------------------------------------------------------------------------------- judging


def _judge(study: Study, on: str) -> Path:
    """Evaluate all that was predicted, unless that very thing was evaluated before."""
    out = study.out / _EVALUATION[on]
    table = list_masks(study, on)
    text = table.to_csv(index=False, lineterminator="\n")
    files = [f"{name} {path.name} {sha256(path)}" for name, path in _files(study.masks)]
    content = "\n".join([text, data_hash(study.dataset), json.dumps(versions(), sort_keys=True), *files])
    digest = hashlib.sha256(content.encode()).hexdigest()
    if read_state(study).get(on) == digest and (out / "summary.json").is_file():
        return out
    path = study.out / _ANNOTATIONS[on]
    write_whole(path, text)
    found = evaluate(
        study.dataset.folder,
        out,
        annotations=path,
        masks=study.masks,
        cases=tuple(dict.fromkeys(table["case"])),
        overwrite=True,
        n_jobs=n_cores(),
        track=True,
        mlflow_experiment=study.name,
    )
    _log_strategies(study, on, out)
    if on == HELD_OUT:
        _register_best(study, found.scores)
    write_state(study, **{on: digest})
    return out


def _files(folders: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    for name, folder in folders.items():
        for path in sorted(folder.glob("*")):
            if path.is_file():
                yield name, path


def _has(study: Study, on: str) -> bool:
    return on == HELD_OUT or any(prediction.on == TEST for prediction in study.predictions)


def list_masks(study: Study, on: str = HELD_OUT) -> pd.DataFrame:
    """Every mask that the study predicted, as `annotations.csv` lists it; what failed is listed without a file.

    Args:
        study: The study.
        on: `held_out` for predictions of cases out of fold, `test` for those of the test split.

    Returns:
        One row per mask; paths are relative to the study's folder.

    Raises:
        DataError: If a member has seen a case that it is to be scored on, or is not the one that was planned.
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
        written = _read_written(place)
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
    """The member that a folder holds, which must be the one that is expected there."""
    checkpoint = study.checkpoint(planned)
    found = read_members([checkpoint])[0]
    expected = (planned.rater, planned.fold, planned.seed)
    if (found.trained_on, found.fold, found.seed) != expected:
        raise DataError(
            f"{checkpoint}: holds {found.name} of fold {found.fold}, expected {planned.rater}/s{planned.seed} of fold "
            f"{planned.fold}; remove the folder and run the study again"
        )
    return found


def _read_written(place: Path) -> dict[str, dict[str, str]]:
    path = place / "annotations.csv"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        files = table.set_index("case")[["path", "prob", "uncertainty"]]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); remove {place} and run the study again") from error
    return {str(case): dict(row) for case, row in files.iterrows()}


# ---------------------------------------------------------------------------------------------------------- small files


def _make_folder(study: Study) -> None:
    try:
        study.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{study.out}: cannot be written ({error.strerror}); give another output_dir in {study.path}"
        ) from error
