"""Refuse names that a terminal would obey or a spreadsheet program would compute.

name of a case, rater, group …  ->  what is wrong with it
"""

from collections.abc import Iterable
from unicodedata import category

from segassay.errors import Problem
from segassay.io.csv_tables import looks_like_formula

__all__ = ["name_problems", "why_harmful"]


def why_harmful(name: str) -> str | None:
    """Why a name cannot be used; None if it can.

    Example:
        >>> why_harmful("=1+1"), why_harmful("a\\x1b[2J"), why_harmful("-/-")
        ('looks like a formula of a spreadsheet program', 'holds letters that cannot be written', None)
    """
    if not name.isprintable() and any(category(letter) in ("Cc", "Cs") for letter in name):
        return "holds letters that cannot be written"
    return "looks like a formula of a spreadsheet program" if looks_like_formula(name) else None


def name_problems(file: str, what: str, names: Iterable[str], action: str = "rename it") -> list[Problem]:
    """One error for each harmful name.

    Args:
        file: The file or folder that holds the names, for the message.
        what: What is named, such as `rater`.
        names: The names; each counts once.
        action: What to do.

    Example:
        >>> [str(problem) for problem in name_problems("experiment.csv", "group", ["=1", "-/-"])]
        ["experiment.csv: the group '=1' looks like a formula of a spreadsheet program; rename it"]
    """
    found = {name: why_harmful(name) for name in names if isinstance(name, str)}
    return [
        Problem(file, f"the {what} {name!r} {why}", action, kind="harmful-name") for name, why in found.items() if why
    ]
