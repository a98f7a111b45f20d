"""The model card of the best ensemble: what it is, what it was trained on, how well it does, and what it is not for.

study, its evaluation, the best ensemble  ->  Markdown, the description of a registered version
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from segassay.assay.track import plain
from segassay.data.dataset import data_hash
from segassay.judgement.results import Results
from segassay.judgement.sentences import format_interval
from segassay.judgement.summary import QUALITIES
from segassay.qualities.catalogue import CATALOGUE
from segassay_monai.study.plan import PlannedMember, Study

__all__ = ["model_card"]


def model_card(study: Study, found: Results, best: Mapping[str, Any], members: Sequence[PlannedMember]) -> str:
    """Write the model card.

    Args:
        study: The finished study.
        found: Its evaluation.
        best: Row of scores of the ensemble.
        members: Its members.
    """
    data = study.dataset
    score = format_interval(best["value"], best["low"], best["high"])
    words = CATALOGUE[best["record"]].words or best["measure"]
    verdicts = [f"- **{quality}: {plain(found.summary[quality]['verdict'])}**" for quality in QUALITIES]
    lines = [
        f"# {plain(best['target'])} of study {plain(study.name)}",
        f"{len(members)} members, trained on {plain(members[0].strategy)} in "
        f"{len({one.fold for one in members})} of {study.file.n_folds} folds; their probabilities are averaged.",
        f"**Data**: {plain(data.name)}, {len(data.cases)} images, {len(data.raters)} raters, hash "
        f"`{data_hash(data)[:12]}`.",
        f"**{words} against the raters**: {score} (95 % interval, {int(best['n_cases'])} images that the scored "
        "members had not seen). It is slightly too high, because the ensemble was chosen by this score.",
        "**Verdicts of the study**",
        "\n".join(verdicts),
        "**Input**: float32, raw intensities `(B, C, *spatial)`, normalised by the model. **Output**: probability "
        "`(B, 1, *spatial)`; a mask is what lies above one half.",
        "**Not for** images of another kind than those above. It is not a medical device.",
    ]
    return "\n\n".join(lines)
