"""Does a result depend on a rater? Imprints of single raters, and what leaving a rater out of a consensus changes.

agreement of held-out models with each rater (N, R)  ->  imprint of each rater, and their mean
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from segassay.data.annotations import WITHOUT
from segassay.judgement.criteria import Number, Why
from segassay.judgement.evidence import Evidence, mean_of
from segassay.judgement.preconditions import usable
from segassay.qualities.objectivity.imprint import held_out_models, imprint, unseen_models
from segassay.qualities.objectivity.records import MIN_RATERS_FOR_IMPRINT
from segassay.qualities.scores.pairs import mean_of_known
from segassay.qualities.scores.table import Findings, mean_over_raters

__all__ = ["Imprint", "Models", "consensus_imprints", "held_out_agreement", "imprints"]


MIXED_UP = 0.05
"""F1 and Dice: by more than this, beyond chance, models that know a rater's masks agree with the rater less."""


@dataclass(frozen=True)
class Imprint:
    """Imprints of all raters.

    Attributes:
        of_raters: A number per rater; empty if there are no such models.
        mean: Their mean; None if there is none.
        untested: Raters on whose masks alone no model was trained, although models of three others were.
        mixed_up: Raters with whom models agree clearly less if they know the rater's masks.
        unusable: Why the models cannot show it, and their names; None if they can.
    """

    of_raters: tuple[Number, ...] = ()
    mean: Number | None = None
    untested: tuple[str, ...] = ()
    mixed_up: tuple[str, ...] = ()
    unusable: tuple[Why, tuple[str, ...]] | None = None


@dataclass(frozen=True, eq=False)
class Models:
    """Models that are known to be held out.

    Attributes:
        names: What they were trained on -> their names.
        agreement: Measure -> training target -> `(N, R)`, agreement with each rater, mean over the models.
    """

    names: dict[str, tuple[str, ...]]
    agreement: dict[str, dict[str, np.ndarray]]


def imprints(evidence: Evidence, models: Models) -> dict[str, Imprint]:
    """Measure -> imprint of each rater on the models that were trained on that rater's masks; empty with fewer than 3
    raters."""
    own = [rater for rater in evidence.raters if rater in models.names]
    if len(own) < MIN_RATERS_FOR_IMPRINT:
        return dict.fromkeys(models.agreement, Imprint())
    if (why := usable(evidence, {rater: models.names[rater] for rater in own}, of_rater=True)) is not None:
        return dict.fromkeys(models.agreement, Imprint(unusable=why))
    untested = tuple(rater for rater in evidence.raters if rater not in own)
    places, found = [evidence.raters.index(rater) for rater in own], {}
    for measure, agreement in models.agreement.items():
        values = imprint(np.stack([agreement[rater][:, places] for rater in own], axis=1))
        found[measure] = replace(_imprint(evidence, values, own, values), untested=untested)
    return found


def consensus_imprints(evidence: Evidence, models: Models, method: str) -> dict[str, Imprint]:
    """What a rater's part in the consensus changes: how much better models of the consensus agree with the rater than
    models of the consensus without the rater do, minus the same for the other raters.

    How good the models are cancels, as in the imprint.

    Args:
        evidence: All comparisons.
        models: Held-out models.
        method: What models of the whole consensus were trained on, such as `staple`.

    Returns:
        Measure -> the imprints; empty unless every rater was left out once.
    """
    without = {rater: models.names.get(f"{method}{WITHOUT}{rater}", ()) for rater in evidence.raters}
    if len(without) < 2 or not all(without.values()) or method not in models.names:
        return dict.fromkeys(models.agreement, Imprint())
    if (why := usable(evidence, without, of_rater=False)) is not None:
        return dict.fromkeys(models.agreement, Imprint(unusable=why))
    found = {}
    for measure, agreement in models.agreement.items():
        values, with_own = [], []
        for place, rater in enumerate(evidence.raters):
            change = agreement[method] - agreement[f"{method}{WITHOUT}{rater}"]
            values.append(change[:, place] - mean_of_known(np.delete(change, place, axis=1)))
            with_own.append(change[:, place])
        of_raters = list(evidence.raters)
        found[measure] = _imprint(evidence, np.stack(values, axis=1), of_raters, np.stack(with_own, axis=1))
    return found


def held_out_agreement(evidence: Evidence, found: Findings) -> Models:
    """The held-out models, and their agreement with the raters of the evidence."""
    names = {on: tuple(model.name for model in of) for on, of in unseen_models(found.annotations).items()}
    return Models(names, {measure: _held_out(evidence, found, measure) for measure in evidence.measures})


def _held_out(evidence: Evidence, found: Findings, measure: str) -> dict[str, np.ndarray]:
    tables = (found.tables.agreement, evidence.near)
    table = next(one for one in tables if one is not None and measure in one)
    cases, raters, agreement = held_out_models(table, found.annotations, measure)
    rows = cases.get_indexer(evidence.cases)
    columns = [raters.index(rater) for rater in evidence.raters]
    known = (rows >= 0)[:, None]
    return {trained_on: np.where(known, values[rows][:, columns], np.nan) for trained_on, values in agreement.items()}


def _imprint(evidence: Evidence, values: np.ndarray, raters: list[str], with_own: np.ndarray) -> Imprint:
    """Imprints from the values of each image and rater, over images in which a rater marks something; `with_own` is how
    much better models agree with a rater whose masks they know."""
    marked = evidence.marked()[:, None]
    values, with_own = np.where(marked, values, np.nan), np.where(marked, with_own, np.nan)
    numbers = [mean_of(evidence, values[:, place], against=rater, limit=2.0) for place, rater in enumerate(raters)]
    mean = mean_over_raters(pd.DataFrame(values)).to_numpy()
    own = [mean_of(evidence, with_own[:, place], against=rater, limit=2.0) for place, rater in enumerate(raters)]
    return Imprint(
        tuple(number for number in numbers if number is not None),
        mean_of(evidence, mean, limit=2.0),  # a difference of two differences
        mixed_up=tuple(number.against for number in own if number is not None and number.high < -MIXED_UP),
    )
