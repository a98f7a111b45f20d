"""The glossary of the report: what each number means, from the records of the measures.

scores  ->  one entry per question that they answer, and the terms that the page uses
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup, escape

from segassay.qualities.catalogue import CATALOGUE, QUESTIONS
from segassay.qualities.scores.measure import Question

__all__ = ["TERMS", "Entry", "anchor", "entries", "hints"]

TERMS = {
    "annotator": "Any source of masks: a rater, a consensus, a model, an ensemble, the truth, another tool.",
    "rater": "A person who annotated images.",
    "consensus": "One mask made from the masks of several raters by a rule, such as STAPLE.",
    "consensus of the other raters": "The consensus of all raters but one, with which that rater is compared (C₋r).",
    "F1": "Agreement on objects, from 0 (none in common) to 1 (the same objects). Two objects are the same if their "
    "IoU is above 0.5.",
    "IoU": "Shared area divided by the area of both together.",
    "mean IoU": "Mean overlap (IoU) of the objects that both have.",
    "Dice": "Agreement on pixels: twice the shared area divided by the sum of both areas.",
    "HD95": "95th percentile of the distances from one outline to the other, in the worse direction.",
    "ASSD": "Mean of the distances between two outlines.",
    "NSD": "Share of the outlines within one pixel of the other outline.",
    "95 % interval": "Range of values that fit the data: over images, or over subjects if they are named. It shows "
    "what other images would change, not what other raters or seeds would.",
    "seed": "The number that determines all random choices of one training.",
    "ensemble": "An annotator whose probability is the mean of the probabilities of several models.",
    "η²": "Size of an effect: share of the variance between images that the groups explain, from 0 to 1.",
    "adjusted p": "p-value, corrected by Holm for the number of pairs of groups.",
}
"""Terms of the page that are no question of a measure -> their meaning, as in docs/glossary.md."""


@dataclass(frozen=True)
class Entry:
    """What the measures that answer one question mean.

    Attributes:
        anchor: Its place in the page.
        quality: Quality that it belongs to.
        question: The question.
        formula: Measures by their names in scores.csv and how they are computed, as HTML.
        source: Where they are published, as HTML.
        not_when: Where they mislead, as HTML.
    """

    anchor: str
    quality: str
    question: str
    formula: Markup
    source: Markup
    not_when: Markup


_ANCHORS = {
    question: f"term-{quality}-{number}"
    for quality, questions in QUESTIONS.items()
    for number, question in enumerate(questions, start=1)
}


def anchor(record: str) -> str:
    """Place in the glossary of a measure, by the key of its record.

    Example:
        >>> anchor("objectivity/f1")
        'term-objectivity-1'
    """
    return _ANCHORS[CATALOGUE[record].question]


def hints(scores: pd.DataFrame) -> Mapping[str, str]:
    """Place in the glossary -> the question, for the hover text of a link to it."""
    return {entry.anchor: entry.question for entry in entries(scores)}


def entries(scores: pd.DataFrame) -> list[Entry]:
    """Entries of all measures in a table of scores, in the order of docs/measures.md."""
    asked = {id(CATALOGUE[record].question) for record in scores["record"].unique()}
    return [
        _entry(quality, question)
        for quality, questions in QUESTIONS.items()
        for question in questions
        if id(question) in asked
    ]


def _entry(quality: str, question: Question) -> Entry:
    texts = (_marked_up(text) for text in (question.formula, question.source, question.not_when))
    return Entry(_ANCHORS[question], quality, question.text, *texts)


def _marked_up(text: str) -> Markup:
    """Text of a record as HTML: names in backticks as code, <sub>, doi: as a link, other links as their text.

    Example:
        >>> print(_marked_up("`f1` = 2 TP / (n<sub>a</sub> + n<sub>b</sub>) < 1, doi:10.1/x"))
        <code>f1</code> = 2 TP / (n<sub>a</sub> + n<sub>b</sub>) &lt; 1, <a href="https://doi.org/10.1/x">doi:10.1/x</a>
        >>> print(_marked_up("[arXiv:1](https://arxiv.org/abs/1)"))
        arXiv:1
    """
    safe = re.sub(r"&lt;(/?su[bp])&gt;", r"<\1>", str(escape(text)))
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
    safe = re.sub(r"\[([^\]]+)\]\(https://[^)]+\)", r"\1", safe)
    doi = r"doi:((?:(?!&gt;|&lt;|&#)[^\s])+?)(?=[,;]?(?:\s|$))"
    return Markup(re.sub(doi, r'<a href="https://doi.org/\1">doi:\1</a>', safe))
