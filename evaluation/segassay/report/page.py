"""The report: one self-contained HTML page for biologists.

Results, figures  ->  report.html, which needs no other file
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from segassay.judgement.judged import judged_annotators
from segassay.judgement.results import Results
from segassay.judgement.strategies import are_side_by_side
from segassay.judgement.summary import judged_in
from segassay.qualities.validity import records as validity
from segassay.report.plots import in_figures, tested_measures
from segassay.report.sections import core_scores, sections, side_by_side
from segassay.report.tables import (
    against_references,
    annotators_table,
    between_raters,
    compared_with_raters,
    distance_tables,
    effects_table,
    measurement_words,
    not_judged_table,
    raters_table,
    trainings_table,
    undefined_table,
)
from segassay.tables.effects import IMAGES_AS_UNITS
from segassay.tables.samples import unit_of

__all__ = ["write_report"]


def write_report(path: Path, found: Results, figures: Mapping[str, bytes]) -> None:
    """Write the report.

    Args:
        path: File to write.
        found: The evaluation.
        figures: Name -> SVG, as `draw_figures` returns them.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sources = {name: f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}" for name, svg in figures.items()}
    annotations, core = found.annotations, core_scores(found.scores)
    page = environment.get_template("report.html").render(
        name=found.name,
        n_cases=annotations["case"].nunique(),
        kinds=found.kinds,
        summary=found.summary,
        qualities=[(quality, found.summary[quality]) for quality in judged_in(found.summary)],
        figures=sources,
        annotators=annotators_table(found),
        between=between_raters(core),
        raters=raters_table(found),
        compared_with_raters=compared_with_raters(core),
        strategies=side_by_side(found.strategies) if are_side_by_side(found.strategies) else None,
        against=against_references(core),
        reliability=trainings_table(core),
        distances=distance_tables(core),
        effects={measure: effects_table(found.effects, measure) for measure in tested_measures(found)},
        measurement_words=measurement_words,
        one_area="density" in set(found.effects["measure"]) - set(tested_measures(found)),
        unit=unit_of(found.effects["unit"] == "subject"),
        images_as_units=IMAGES_AS_UNITS,
        said_by_mistake=validity.SAME_VERDICT.errors,
        undefined=undefined_table(core),
        sections=sections(found.scores, judged_annotators(found.annotations).names),
        n_scores=len(found.scores),
        n_in_figures=len(in_figures(found)),
        not_judged=not_judged_table(found),
        policy=found.summary["policy"],
    )
    path.write_text(page, encoding="utf-8", newline="")
