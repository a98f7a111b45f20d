"""An evaluation as text at a prompt and as HTML in a notebook: annotators, verdicts, key numbers."""

from collections import Counter

import pandas as pd

from segassay.data.annotations import kind_label
from segassay.judgement.results import Results
from segassay.judgement.summary import QUALITIES, judged_in, outcome_of
from segassay.report.html_tables import html_heading, html_table
from segassay.report.sections import value_in_words

__all__ = ["as_html", "as_lines"]

_NUMBERS = 2  # of each quality


def as_lines(found: Results) -> list[str]:
    """One line with the name and the annotators, and one line per quality."""
    verdicts = [f"{quality}: {found.summary[quality]['verdict']}" for quality in judged_in(found.summary)]
    classes = [f"class {name}: {'; '.join(words)}" for name, words in _classes(found).items()]
    return [f"{found.name}: {_compared(found)}", *verdicts, *classes]


def _classes(found: Results) -> dict[str, list[str]]:
    """Class -> its verdicts without their reasons; without models only that on the raters."""
    shown = judged_in(found.summary)
    shown = shown[:1] if "raters" in shown else shown
    return {
        name: [f"{quality} {outcome_of(of[quality])[0]}" for quality in shown]
        for name, of in found.summary.get("classes", {}).items()
    }


def _compared(found: Results) -> str:
    kinds = Counter(found.kinds.values())
    each = ", ".join(_plural(n, kind_label(kind)) for kind, n in kinds.items())
    n_cases = found.annotations["case"].nunique()
    return f"{_plural(n_cases, 'case')}, {_plural(len(found.kinds), 'annotator')} ({each})"


def _plural(n: int, noun: str) -> str:
    """A number and its noun.

    Example:
        >>> _plural(1, "case"), _plural(2, "consensus"), _plural(3, "model")
        ('1 case', '2 consensuses', '3 models')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}{'es' if noun.endswith('s') else 's'}"


def as_html(found: Results) -> str:
    """As HTML, with the sentences behind the verdicts and the first numbers of each quality; all names are escaped."""
    verdicts = [
        [quality, found.summary[quality]["verdict"], found.summary[quality]["sentence"]]
        for quality in judged_in(found.summary)
    ]
    annotators = [[kind_label(kind), ", ".join(_of_kind(found, kind))] for kind in dict.fromkeys(found.kinds.values())]
    numbers = [row for quality in QUALITIES for row in _numbers(quality, found.scores)]
    tables = [
        html_table(("quality", "verdict", "why"), verdicts),
        html_table(("class", "verdicts"), [[name, "; ".join(words)] for name, words in _classes(found).items()]),
        html_table(("kind", "annotators"), annotators),
        html_table(("quality", "measure", "annotators", "value (95 % interval)", "cases"), numbers),
    ]
    return f"<div>{html_heading(f'{found.name}: {_compared(found)}')}{''.join(tables)}</div>"


def _of_kind(found: Results, kind: str) -> list[str]:
    return [name for name, its_kind in found.kinds.items() if its_kind == kind]


def _numbers(quality: str, scores: pd.DataFrame) -> list[list[str]]:
    """The first numbers of a quality that have a value."""
    known = scores[(scores["quality"] == quality) & scores["value"].notna()].head(_NUMBERS)
    return [
        [quality, row["words"], row["target"], value_in_words(row), str(row["n_cases"])]
        for row in known.to_dict("records")
    ]
