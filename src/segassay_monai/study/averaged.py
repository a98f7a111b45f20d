"""What an ensemble of a study averages: the probabilities with which its members were scored, from their own files.

    members that are done, their lists of checksums  ->  case -> map, of each member  ->  EnsembleNet(known=...)

A list was written when the member was done, and names its checkpoint and its maps; so maps of another checkpoint, or
ones that were changed since, are not averaged: the checkpoint predicts again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from segassay.errors import DataError
from segassay.io.images import sha256
from segassay_monai.ensemble.stored_maps import StoredMap
from segassay_monai.study.masks import read_written
from segassay_monai.study.plan import HELD_OUT, PlannedMember, Prediction, Study
from segassay_monai.study.store import claim
from segassay_monai.study.whole import listed_checksums

__all__ = ["averaged_maps"]

logger = logging.getLogger("segassay")

_MOMENT = 60.0  # seconds in which the process that has just trained a member writes its list


def averaged_maps(study: Study, prediction: Prediction) -> tuple[Mapping[str, StoredMap], ...] | None:
    """The maps of the members of an ensemble, in their order.

    Args:
        study: The study; the members are done.
        prediction: Of several members, of cases that they held out; for other predictions nothing is stored.

    Returns:
        Case -> map, for each member; empty for a member that has to predict, with a warning if its files were changed.
    """
    if len(prediction.members) == 1 or prediction.on != HELD_OUT:
        return None
    return tuple(_maps(study, planned) for planned in prediction.members)


def _maps(study: Study, planned: PlannedMember) -> dict[str, StoredMap]:
    listed = listed_checksums(study, planned)
    if not listed:
        with claim(study, planned.folder, timeout=_MOMENT):  # of the process that writes it
            listed = listed_checksums(study, planned)
    place, table = study.place(planned), f"{HELD_OUT}/annotations.csv"
    if not listed:
        return {}
    try:
        for name in ("model.pt", table):
            if sha256(place / name) != listed.get(name):
                raise DataError.of(place / name, "is not as it was written")
        written = read_written(place / HELD_OUT)
    except DataError as error:
        logger.warning(f"{error.file} {error.what}: the probabilities of {planned.id} are predicted again")
        return {}
    names = {case: f"{HELD_OUT}/{files['prob']}" for case, files in written.items() if files["prob"]}
    return {case: StoredMap(place / name, listed[name]) for case, name in names.items() if name in listed}
