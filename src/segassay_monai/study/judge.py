"""Evaluate a study: the same masks once only; log a run for each strategy to MLflow, register the best ensemble.

annotations.csv, further masks  ->  evaluation/, a run for each strategy, a version of the registered model
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from segassay import tracking
from segassay.assay import evaluate
from segassay.assay.track import log_headlines, numbers_of
from segassay.data.dataset import data_hash
from segassay.errors import number_of
from segassay.io.csv_tables import csv_text
from segassay.io.images import sha256
from segassay.io.outputs import recover_output
from segassay.judgement.headlines import of_strategies
from segassay.judgement.results import Results
from segassay.judgement.summary import versions
from segassay.workers.tasks import Workers
from segassay_monai.ensemble.registry import register_ensemble
from segassay_monai.study.best import best_ensemble
from segassay_monai.study.card import model_card
from segassay_monai.study.masks import list_masks
from segassay_monai.study.plan import EVALUATION, HELD_OUT, TEST, PlannedMember, Study
from segassay_monai.study.scheduler import n_cores
from segassay_monai.study.store import read_state, write_state, write_whole
from segassay_monai.study.whole import is_whole

logger = logging.getLogger("segassay")

__all__ = ["ANNOTATIONS", "further_masks", "judge", "log_study_data"]

ANNOTATIONS = {HELD_OUT: "annotations.csv", TEST: "annotations_test.csv"}


def judge(study: Study, cluster: Workers | None = None) -> list[Path]:
    """Evaluate all predictions.

    Args:
        study: The study.
        cluster: Workers that share the cases; by default processes of this machine.

    Returns:
        Folders with a report: of the held-out cases, and of the cases of the test split, if any.
    """
    has_test = any(prediction.on == TEST for prediction in study.predictions)
    return [_judge(study, on, cluster) for on in (HELD_OUT, TEST) if on == HELD_OUT or has_test]


def _judge(study: Study, on: str, cluster: Workers | None) -> Path:
    """Evaluate the predictions, unless the same masks were evaluated before."""
    out = study.out / EVALUATION[on]
    table = list_masks(study, on)
    text = csv_text(table)
    files = [f"{name} {path.name} {sha256(path)}" for name, path in further_masks(study.masks)]
    content = "\n".join(
        [
            text,
            data_hash(study.dataset),
            json.dumps(versions(of_classes=bool(study.dataset.class_names)), sort_keys=True),
            *files,
        ]
    )
    digest = hashlib.sha256(content.encode()).hexdigest()
    path = study.out / ANNOTATIONS[on]
    recover_output(out)
    is_known = read_state(study).get(on) == digest
    if not path.is_file() or path.read_bytes() != text.encode():
        if is_known:
            logger.warning(f"{path} is damaged or missing, and is written again")
        write_whole(path, text)
    if is_known and is_whole(out):
        return out
    found = evaluate(
        study.dataset.folder,
        out,
        annotations=path,
        masks=study.masks,
        cases=tuple(dict.fromkeys(table["case"])),
        overwrite=True,
        n_jobs=n_cores(),
        cluster=cluster,
        track=True,
        mlflow_experiment=study.name,
    )
    _log_strategies(study, on, of_strategies(found.strategies), found.strategies)
    if on == HELD_OUT:
        _log_study(study, found, out)
        _register_best(study, found)
    write_state(study, **{on: digest})
    return out


def further_masks(folders: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Name and file of every mask of further annotators, in the order of their names."""
    for name, folder in folders.items():
        for path in sorted(folder.glob("*")):
            if path.is_file():
                yield name, path


def _log_study(study: Study, found: Results, out: Path) -> None:
    """Log what the study came to into its own run: headlines, verdicts, description, report and key figure."""
    n_folds, n_seeds = (len({getattr(one, part) for one in study.members}) for part in ("fold", "seed"))
    about = (
        f"Study of {number_of(len(study.members), 'member')} in {number_of(n_folds, 'fold')} with "
        f"{number_of(n_seeds, 'seed')}. Members and ensembles are its child runs; the strategies are runs beside it."
    )
    tracking.log_files(out / "report.html")
    log_headlines(found, out, about)
    tracking.describe_experiment(
        f"Study `{study.name}`. The runs are its strategies, with the numbers to compare, and the study itself, with "
        "its verdicts and report; click **+** beside it for its members. Charts and *Compare* show what is in the list."
    )


def _log_strategies(study: Study, on: str, table: pd.DataFrame, strategies: pd.DataFrame) -> None:
    """Log one run per strategy, the same one each time, so that MLflow's user interface can compare strategies.

    They are listed beside the study instead of below it, and the first of them is logged last, so that the list, which
    begins with what is new, has their order.
    """
    known = read_state(study).get(f"strategies_{on}", {})
    kinds = strategies.set_index("group")["kind"].to_dict() if len(strategies) else {}
    for group, rows in reversed(list(table.groupby("target", sort=False))):
        name = _run_name(str(group), on)
        tags = {"kind": "strategy", "strategy": group, "annotators": kinds[group], "cases": on}
        tags["study"] = tracking.active_run()
        run = tracking.run(study.name, name, tags=tags, params={}, run_id=known.get(group), is_top=True)
        with run as run_id:
            known[group] = run_id
            log_study_data(study)
            tracking.log_metrics(_compared(rows))
    write_state(study, **{f"strategies_{on}": known})


def _compared(rows: pd.DataFrame) -> dict[str, float]:
    """Numbers of a strategy under names of their own, so that charts of the list begin with them, and not with those
    that only the study has; the ends of intervals have charts further below.
    """
    return {
        f"{'interval' if ending else 'by strategy'}/{name}{ending}": number
        for _, name, ending, number in numbers_of(rows)
    }


def _run_name(group: str, on: str) -> str:
    """Name of the run of a strategy; such names sort as the sizes of their ensembles do.

    Example:
        >>> _run_name("expert ensembles of 2", HELD_OUT), _run_name("expert models", TEST)
        ('expert ensembles of 02', 'expert models, test')
    """
    padded = re.sub(r" of (\d+)$", lambda number: f" of {int(number[1]):02d}", group)
    return padded + (", test" if on == TEST else "")


def log_study_data(study: Study) -> None:
    """Say in the active MLflow run which data the study is about."""
    data = study.dataset
    sizes = {"cases": len(data.cases), "raters": len(data.raters)}
    tracking.log_dataset(data.name, data_hash(data), context="evaluation", source=data.folder, **sizes)


def _register_best(study: Study, found: Results) -> None:
    """Register the ensemble with the highest score against the raters, over all folds; the first of equal ones."""
    ensembles: dict[str, list[PlannedMember]] = {}
    for prediction in study.predictions:
        if prediction.on == HELD_OUT and len(prediction.members) > 1:
            ensembles.setdefault(prediction.annotator, []).extend(prediction.members)
    ensembles = {name: members for name, members in ensembles.items() if all(map(study.is_done, members))}
    best = best_ensemble(found.scores, ensembles)
    if best is None:
        return
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
    name = f"validity/{best['measure']}"
    metrics = {name: best["value"], f"{name}_low": best["low"], f"{name}_high": best["high"]}
    checkpoints = [study.checkpoint(planned) for planned in members]
    card = model_card(study, found, best, members)
    register_ensemble(checkpoints, name=study.name, tags=tags, metrics=metrics, card=card)
