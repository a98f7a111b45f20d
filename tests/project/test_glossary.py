"""One word for one thing: the glossary defines each term once, and the guides use it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
GUIDES = sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "glossary.md")
NOT_RATERS = r"people|persons?|humans?|gold standard"
"""Words that the glossary replaces by *rater*, or by *reference* and *consensus*."""


IN_TABLES = {"within the human range"}
"""Words of tables with *human*, which the glossary explains: tables stay the same as those of earlier versions."""

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


def says_human(code: str) -> set[str]:
    """Texts of a module, docstrings too, that say *human* in a sentence, and not as the kind in a table."""
    constants = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
    texts = {value for value in constants if isinstance(value, str) and value != "human"}
    quoted = r"[\"']human[\"']|'within the human range'"
    return {text for text in texts if re.search(r"\bhumans?\b", re.sub(quoted, "", prose(text)), re.IGNORECASE)}


def test_human_is_a_kind_in_tables_and_in_no_other_sentence():
    said = set[str]()
    for package in ("evaluation/segassay", "src/segassay_monai"):
        for path in (ROOT / package).rglob("*.py"):
            said |= says_human(path.read_text(encoding="utf-8"))
    assert said == IN_TABLES
    pages = [path for path in (ROOT / "evaluation").rglob("*") if path.suffix in (".html", ".j2")]
    assert pages
    assert [page.name for page in pages if re.search(r"\bhumans?\b", page.read_text(encoding="utf-8"))] == []


def test_a_sentence_about_humans_is_found():
    assert says_human('"""Number of human raters."""')
    assert says_human("help = f'Masks of {n} humans.'")
    assert not says_human('"""The kind `human`."""\nkind = "human"\n')
