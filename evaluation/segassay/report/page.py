"""The report: one self-contained HTML page for biologists.

Results, figures, perhaps a gallery  ->  report.html, which needs no other file and asks for none
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from segassay.data.annotations import kind_label
from segassay.data.dataset import units_of
from segassay.judgement.judged import judged_annotators
from segassay.judgement.results import Results
from segassay.judgement.strategies import are_side_by_side
from segassay.qualities.scores.coverage import SHIFTS, coverage_warning
from segassay.qualities.scores.error_rates import OMNIBUS
from segassay.qualities.validity import records as validity
from segassay.report.cards import cards
from segassay.report.classes import class_section
from segassay.report.gallery.embed import gallery_json
from segassay.report.glossary import TERMS, entries, hints
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
from segassay.report.templating import content_policy, environment, text_of
from segassay.tables.mean_rater import MEAN_OF_RATERS, MEAN_OF_RATERS_NOTE
from segassay.tables.samples import unit_of

__all__ = ["write_report"]


def write_report(
    path: Path,
    found: Results,
    figures: Mapping[str, bytes],
    *,
    gallery: Mapping[str, Any] | None = None,
    facts: Mapping[str, str] | None = None,
    links: bool = True,
) -> None:
    """Write the report; the same arguments give the same bytes.

    Args:
        path: File to write.
        found: The evaluation.
        figures: Name -> SVG, as `draw_figures` returns them.
        gallery: Images with most disagreement, from `make_gallery`; shown after the first screen.
        facts: Further lines of the header, such as the date of a run: label -> text.
        links: Whether the reports of classes lie where `write_results` puts them, so that this one can link to them.
    """
    classes = class_section(found, links=links)
    parts = ("report", "gallery") if gallery else ("report",)
    style, script = ("\n".join(text_of(f"{part}.{kind}") for part in parts) for kind in ("css", "js"))
    style = "\n".join([style, text_of("classes.css")]) if classes else style
    page = (
        environment()
        .get_template("report.html")
        .render(
            style=Markup(style),
            script=Markup(script),
            policy_of_content=content_policy(style, script),
            gallery=gallery,
            gallery_json=gallery_json(dict(gallery)) if gallery else "",
            facts=facts or {},
            contents=[],
            classes=classes,
            links=links,
            figures={name: _picture(svg) for name, svg in figures.items()},
            **_first_screen(found),
            **_chapters(found),
        )
    )
    path.write_text(page, encoding="utf-8", newline="")


def _picture(svg: bytes) -> dict[str, str | int]:
    """A figure as an address with its data, and its size in pixels, so that nothing moves while the page loads."""
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    box = ElementTree.fromstring(svg).get("viewBox", "0 0 540 360").split()
    width, height = (round(float(one) * 4 / 3) for one in box[2:])
    return {"source": source, "width": width, "height": height}


def _first_screen(found: Results) -> dict[str, Any]:
    """Header, warnings and verdicts; of people alone their own verdict apart from those that need a model."""
    shown = cards(found)
    subjects = found.subjects[found.subjects != ""]
    return {
        "name": found.name,
        "n_cases": found.annotations["case"].nunique(),
        "n_subjects": subjects.nunique(),
        "who": who(found.kinds),
        "summary": found.summary,
        "policy": found.summary["policy"],
        "people": next((card for card in shown if card.quality == "raters"), None),
        "verdicts": [card for card in shown if card.quality != "raters"],
        "n_scores": len(found.scores),
    }


def who(kinds: Mapping[str, str]) -> str:
    """Numbers of annotators by kind.

    Example:
        >>> who({"anna": "human", "ben": "human", "staple": "consensus"})
        '2 raters, 1 consensus'
    """
    found = Counter(map(kind_label, kinds.values()))
    return ", ".join(
        f"{n} {label}" if n == 1 else f"{n} {label}{'es' if label.endswith('s') else 's'}" for label, n in found.items()
    )


def _chapters(found: Results) -> dict[str, Any]:
    """Tables and texts of the chapters."""
    core = core_scores(found.scores)
    return {
        "kinds": found.kinds,
        "annotators": annotators_table(found),
        "between": between_raters(core),
        "raters": raters_table(found),
        "compared_with_raters": compared_with_raters(core),
        "strategies": side_by_side(found.strategies) if are_side_by_side(found.strategies) else None,
        "against": against_references(core),
        "reliability": trainings_table(core),
        "distances": distance_tables(core, float(found.tables.distances["tolerance"].min())),
        "effects": {measure: effects_table(found.effects, measure) for measure in tested_measures(found)},
        "measurement_words": measurement_words,
        "one_area": "density" in set(found.effects["measure"]) - set(tested_measures(found)),
        "unit": unit_of(found.effects["unit"] == "subject"),
        "of_mean": MEAN_OF_RATERS_NOTE if MEAN_OF_RATERS in set(found.effects["annotator"]) else "",
        "said_by_mistake": validity.SAME_VERDICT.errors,
        "differ_by_mistake": OMNIBUS,
        "shift_coverage": coverage_warning([SHIFTS], "Hodges-Lehmann", units_of(found.subjects).nunique()),
        "undefined": undefined_table(core),
        "sections": sections(found.scores, judged_annotators(found.annotations).names),
        "n_in_figures": len(in_figures(found)),
        "not_judged": not_judged_table(found),
        "terms": TERMS,
        "glossary": entries(found.scores),
        "hints": hints(found.scores),
    }
