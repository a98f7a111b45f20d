"""Write the tables of the three qualities in measures.md: each question with its formula, source, functions and tests.

    QUESTIONS, and the functions of the records that answer them  ->  rows  ->  tables between the marks of the page

Run it after a record or a question has changed: `python docs/measures.py`.
"""

import re
from pathlib import Path
from urllib.parse import quote

from segassay.qualities.catalogue import CATALOGUE, QUESTIONS
from segassay.qualities.scores.measure import Question

PAGE = Path(__file__).resolve().parent / "measures.md"
HEADER = "| question | measure and formula | source | not when | function | tests |\n|---|---|---|---|---|---|"
BAR = r"\|"
"""A bar inside a cell."""


def page(text: str) -> str:
    """The page with the tables that the records give; what stands outside the marks remains."""
    for quality, questions in QUESTIONS.items():
        table = "\n".join([HEADER, *map(row, questions)])
        marked = rf"(?s)(?<=<!-- {quality} -->\n).*?(?=\n<!-- end -->)"
        text, n_tables = re.subn(marked, lambda _, table=table: table, text)
        if n_tables != 1:
            raise ValueError(f"measures.md: {n_tables} places for the table of {quality}; mark one of them")
    return text


def row(question: Question) -> str:
    """One row of a table."""
    of_records = [path for record in CATALOGUE.values() if record.question is question for path in record.functions]
    functions = " ".join(map(function_link, dict.fromkeys([*of_records, *question.functions])))
    tests = " · ".join(f"[{words}](../tests/{path})" for words, path in question.tests.items())
    cells = (question.text, question.formula, with_links(question.source), question.not_when, functions, tests)
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"


def function_link(path: str) -> str:
    """Link to a function of the package.

    Example:
        >>> function_link("statistics.chance.gwet_ac1")
        '[`gwet_ac1`](../evaluation/segassay/statistics/chance.py)'
    """
    module, _, name = path.rpartition(".")
    return f"[`{name}`](../evaluation/segassay/{module.replace('.', '/')}.py)"


def with_links(source: str) -> str:
    """A source whose identifiers (DOI) are links.

    Example:
        >>> with_links("Lin 1989, doi:10.2307/2532051; as above")
        'Lin 1989, [doi:10.2307/2532051](https://doi.org/10.2307/2532051); as above'
    """
    return re.sub(
        r"doi:(\S+?)(?=[,;]?(?:\s|$))",
        lambda found: f"[{found[0]}](https://doi.org/{quote(found[1], safe='/():;')})",
        source,
    )


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
