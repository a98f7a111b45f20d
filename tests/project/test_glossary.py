"""One word for one thing: the glossary defines each term once, and the guides use it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
GUIDES = sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "glossary.md")
NOT_RATERS = r"people|persons?|humans?|gold standard"
"""Words that the glossary replaces by *rater*, or by *reference* and *consensus*."""


ON_FACETS = ("data.md", "measures.md", "verdicts.md")
"""Pages that may say *person*: where one of them is several raters."""


def prose(text: str) -> str:
    """A page without its code and the targets of its links."""
    return re.sub(r"^```.*?^```|`[^`]*`|(?<=\])\([^)]*\)", "", text, flags=re.DOTALL | re.MULTILINE)


def test_each_term_is_defined_once():
    terms = re.findall(r"\*\*([\w -]+)\*\*(?=[:,]| \()", GLOSSARY)
    assert len(terms) >= 45
    assert sorted(terms) == sorted(set(terms))


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_guides_say_rater(page):
    words = NOT_RATERS.replace("persons?|", "") if page.name in ON_FACETS else NOT_RATERS
    assert re.findall(rf"\b(?:{words})\b", prose(page.read_text(encoding="utf-8")), re.IGNORECASE) == []


def test_a_guide_that_says_people_is_found():
    assert re.search(NOT_RATERS, prose("Two people, `human`."))
    assert not re.search(NOT_RATERS, prose("Two raters, `human`.\n```\npeople\n```\n"))
