"""What an ensemble of a study averages: the probabilities that its members have predicted, from their own files.

    members that are done, their lists of checksums  ->  case -> map, of each member  ->  EnsembleNet(known=...)

A list was written when the member was done, and names its checkpoint and its maps; so maps of another checkpoint, or
ones that were changed since, are not averaged: the checkpoint predicts again. Test cases a member predicts in a task of
its own, with a list of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from segassay.errors import DataError
from segassay.io.images import sha256
from segassay_monai.ensemble.stored_maps import StoredMap
from segassay_monai.study.masks import read_written
from segassay_monai.study.plan import HELD_OUT, TEST, PlannedMember, Prediction, Study, Task
from segassay_monai.study.store import claim
from segassay_monai.study.whole import listed_checksums

__all__ = ["averaged_maps", "predicts_alone"]

logger = logging.getLogger("segassay")

_MOMENT = 60.0  # seconds in which the process that has just done a task writes its list


def averaged_maps(study: Study, prediction: Prediction) -> tuple[Mapping[str, StoredMap], ...] | None:
    """The maps of the members of an ensemble, in their order.

    Args:
        study: The study; the members are done.
        prediction: Of several members; one of a single member averages nothing.

    Returns:
        Case -> map, for each member; empty for a member that has to predict, with a warning if its files were changed.
    """
    if len(prediction.members) == 1:
        return None
    return tuple(_maps(study, planned, predicts_alone(study, planned, prediction.on)) for planned in prediction.members)


def predicts_alone(study: Study, planned: PlannedMember, on: str) -> Task:
    """The task in which a member predicts alone: its training, or a prediction of the test cases."""
    if on != TEST:
        return planned
    return next(task for task in study.predictions if task.on == TEST and task.members == (planned,))


def _maps(study: Study, planned: PlannedMember, task: Task) -> dict[str, StoredMap]:
    checkpoint = study.checkpoint(planned)
    model, listed = _listed(study, planned).get(checkpoint.name), _listed(study, task)
    if model is None or not listed:
        return {}
    place, start = study.place(task), f"{HELD_OUT}/" if isinstance(task, PlannedMember) else ""
    table = f"{start}annotations.csv"
    try:
        for path, checksum in ((checkpoint, model), (place / table, listed.get(table))):
            if sha256(path) != checksum:
                raise DataError.of(path, "is not as it was written")
        written = read_written(place / start)
    except DataError as error:
        logger.warning(f"{error.file} {error.what}: the probabilities of {planned.id} are predicted again")
        return {}
    names = {case: f"{start}{files['prob']}" for case, files in written.items() if files["prob"]}
    return {case: StoredMap(place / name, listed[name]) for case, name in names.items() if name in listed}


def _listed(study: Study, task: Task) -> dict[str, str]:
    """Checksums of the files of a task; empty if it is not done."""
    if not (listed := listed_checksums(study, task)):
        with claim(study, task.folder, timeout=_MOMENT):  # of the process that writes the list
            listed = listed_checksums(study, task)
    return listed if study.is_done(task) else {}
