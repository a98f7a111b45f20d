"""What would settle a verdict that cannot be judged: more seeds, more images, another rater, a model.

Results  ->  judgements  ->  for each undecided criterion what to add, as far as it can be estimated
"""

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from segassay.data.dataset import units_of
from segassay.errors import number_of, shortlist
from segassay.judgement.criteria import MIN_CASES, RATIOS, Missing, Number, What, Why
from segassay.judgement.judgement import Judgement
from segassay.judgement.results import Results
from segassay.judgement.verdicts import judge
from segassay.qualities.scores.groups import Origin, origins
from segassay.qualities.scores.table import Findings
from segassay.tables.persons import by_person

__all__ = ["images_to_settle", "judgements_of", "remedies"]

MANY = 10
"""Times as many images as there are; beyond that a number is too close to its line to be told from it."""


_ADD = {
    What.RATERS: "masks of a second rater",
    What.MODELS: "masks of a model: train one with `segassay study run`, or add them as masks (--masks name=folder)",
    What.SEEDS: "1 more seed of the same training",
    What.CREDIBLE: "images that the raters and the model have in common",
    What.OWN_IMAGE: "images that the raters and the model have in common",
    What.IMPRINT: "models of 3 single raters or more, scored on images that they were not trained on",
    What.CONSENSUS_IMPRINT: "models of the consensus without each rater, scored on images that they never saw",
    What.STANDING: "masks of the raters for the same images",
    What.TO_RATERS: "images that the raters and both ensembles have in common",
    What.TO_MODELS: "2 single models, trained as the ensembles were",
    What.AMOUNT: "masks of the raters for the same images",
    What.AMOUNT_OF_GROUP: "masks of the raters for the same images",
    What.TOGETHER: "images that two raters have in common",
    What.APART: "images that three raters have in common",
    What.CONSISTENT: "images that all raters annotated",
    What.HELD_OUT: "the column held_out of annotations.csv, which says whether the model saw these images in training",
}


def judgements_of(found: Results) -> dict[str, Judgement]:
    """The judgements behind the verdicts of an evaluation, with the numbers and lines that they rest on.

    Args:
        found: The evaluation.

    Returns:
        Quality, or first `raters`, -> judgement.
    """
    tables, people = by_person(found.tables, found.annotations)
    of_volumes = bool(found.summary["policy"].get("of_volumes"))
    units = units_of(found.subjects)
    return judge(Findings(tables, people, units, found.effects, of_volumes=of_volumes, parts=found.parts))


def remedies(judgement: Judgement, annotations: pd.DataFrame) -> tuple[str, ...]:
    """What would settle a verdict; empty if it is settled, or if nothing that could be added is known.

    Args:
        judgement: The judgement of one quality.
        annotations: What `read_annotations` returns.

    Returns:
        Texts such as `4 more seeds`, each once.

    Example:
        >>> from segassay.judgement.criteria import undecided
        >>> from segassay.judgement.judged import Judged
        >>> few = undecided(What.STANDING, Why.FEW_CASES, Number(0.1, 0.0, 0.2, n_cases=8))
        >>> remedies(Judgement("validity", Judged(("net",)), (few,)), pd.DataFrame())
        ('2 more images in which something is marked',)
    """
    if judgement.supported is not None:
        return ()
    undecided = [one for one in judgement.criteria if one.met is None and one.counts]
    missing = [missing for one in undecided for missing in one.missing]
    texts = [text for one in missing for text in _texts(one, judgement, annotations)]
    return tuple(dict.fromkeys([*texts, *_more_images(missing)]))


def _more_images(missing: Sequence[Missing]) -> Iterator[str]:
    """Images that are lacking for all numbers that lie on either side of their line."""
    unclear = [(one, one.number) for one in missing if one.why is Why.EITHER_SIDE and one.number is not None]
    needed = [images_to_settle(number, one.line, ratio=one.of in RATIOS) for one, number in unclear]
    if None in needed:
        yield "other models or raters: a number is so close to its limit that ten times as many images may not decide"
    known = [n for n in needed if n is not None]
    if known:
        yield f"about {number_of(max(known), 'more image')}, if the numbers stay as they are"


def _texts(missing: Missing, judgement: Judgement, annotations: pd.DataFrame) -> Iterator[str]:
    number = missing.number
    if missing.why is Why.NO_NUMBER:
        text = _more_seeds(judgement, annotations) if missing.of is What.ENSEMBLES else _ADD.get(missing.of)
        yield from [text] if text else []
    elif missing.why is Why.FEW_CASES and number is not None:
        yield f"{number_of(MIN_CASES - number.n_cases, 'more image')} in which something is marked"
    elif missing.why is Why.NO_INTERVAL:
        yield "1 more image, or more subjects"
    elif missing.why is Why.NO_THIRD_RATER:
        yield "masks of a third rater"
    elif missing.why is Why.NO_SECOND_RATER:
        yield "masks of a second rater"
    elif missing.why in (Why.NOT_TESTABLE, Why.OTHER_CONCLUSIONS):
        yield "more images or subjects in each group of the experiment"
    elif missing.why is Why.COPIES and len(missing.names) == 2:
        yield f"masks of {missing.names[0]} that are not those of {missing.names[1].replace('=', 'the raters’ ')}"
    elif missing.why is Why.NO_MEMBERS:
        yield f"masks of the members of {shortlist(missing.names)}"
    elif missing.why is Why.UNTESTED:
        yield f"models trained on {shortlist(missing.names)} alone"
    elif missing.why is Why.SOME_IMAGES:
        yield f"masks of {missing.names[0]} for all images"


def _more_seeds(judgement: Judgement, annotations: pd.DataFrame) -> str | None:
    """Seeds that are lacking for two ensembles without a common member; of ensembles as large as the judged one."""
    known = [one for one in origins(annotations) if one.is_trained and one.seeds and not one.leaves_a_rater_out]
    alike = [one for one in known if _alike(one, judgement)]
    seeds = frozenset().union(*(one.seeds for one in alike))
    size = max((len(one.seeds) for one in alike), default=0)
    if not seeds:
        return "2 ensembles of models with different seeds"
    lacking = max(2 * max(size, 2) - len(seeds), 1)
    return f"{number_of(lacking, 'more seed')}, so that two ensembles have no common member"


def _alike(one: Origin, judgement: Judgement) -> bool:
    return not judgement.judged.trained_on or one.trained_on in judgement.judged.trained_on


def images_to_settle(number: Number, line: float, *, ratio: bool = False) -> int | None:
    """Images to add until an interval, of the same value and spread, lies on one side of its line.

    Args:
        number: The value with its interval, which contains the line.
        line: The line; of a ratio the larger of the two, f and 1 / f.
        ratio: Whether the number is a ratio, whose logarithm is compared with both lines.

    Returns:
        Number of images, at least 1; None if these would be more than ten times as many as there are.

    Example:
        >>> images_to_settle(Number(0.02, -0.02, 0.12, n_cases=36), 0.10)
        21
        >>> images_to_settle(Number(0.10, 0.0, 0.2, n_cases=36), 0.10) is None
        True
    """
    value, low, high, lines = number.value, number.low, number.high, [line]
    if ratio:
        if min(value, low, high) <= 0:
            return None
        value, low, high = math.log(value), math.log(low), math.log(high)
        lines = [math.log(line), -math.log(line)]
    needed = 1.0
    for one in lines:
        half, distance = (high - value, one - value) if one >= value else (value - low, value - one)
        if half < distance:
            continue  # this line lies outside the interval already
        if distance <= 0:
            return None
        needed = max(needed, (half / distance) ** 2)
    more = math.ceil(number.n_cases * needed - 1e-9) - number.n_cases
    return max(more, 1) if needed <= MANY + 1 else None
