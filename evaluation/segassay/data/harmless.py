"""Refuse names that a terminal would obey, a spreadsheet program would compute, or a training would run as a program.

name of a case, rater, group …  ->  what is wrong with it
"""

from collections.abc import Callable, Iterable

from segassay.errors import Problem, is_writable
from segassay.io.csv_tables import looks_like_formula

__all__ = ["annotator_problems", "name_problems", "why_harmful", "why_harmful_to_train"]

_PROGRAM = ("$", "@", "%")
"""A configuration of MONAI, which gets the names of raters and cases, runs a text that begins so, or reads a file."""


def why_harmful(name: str) -> str | None:
    """Why a name cannot be used; None if it can.

    Example:
        >>> why_harmful("=1+1"), why_harmful("a\\x1b[2J"), why_harmful("-/-")
        ('looks like a formula of a spreadsheet program', 'holds letters that cannot be written', None)
    """
    if not is_writable(name):
        return "holds letters that cannot be written"
    return "looks like a formula of a spreadsheet program" if looks_like_formula(name) else None


def why_harmful_to_train(name: str) -> str | None:
    """As `why_harmful`, of the name of a dataset, a case or an annotator, which a training gets.

    Example:
        >>> why_harmful_to_train("$open('x')"), why_harmful_to_train("anna")
        ("begins with '$', which a training runs as a program", None)
    """
    program = f"begins with {name[0]!r}, which a training runs as a program" if name.startswith(_PROGRAM) else None
    return why_harmful(name) or program


def name_problems(
    file: str,
    what: str,
    names: Iterable[str],
    action: str = "rename it",
    *,
    why: Callable[[str], str | None] = why_harmful,
) -> list[Problem]:
    """One error for each harmful name.

    Args:
        file: The file or folder that holds the names, for the message.
        what: What is named, such as `rater`.
        names: The names; each counts once.
        action: What to do.
        why: Says why a name is harmful: `why_harmful`, or `why_harmful_to_train`.

    Example:
        >>> [str(problem) for problem in name_problems("experiment.csv", "group", ["=1", "-/-"])]
        ["experiment.csv: the group '=1' looks like a formula of a spreadsheet program; rename it"]
    """
    found = {name: why(name) for name in names if isinstance(name, str)}
    return [
        Problem(file, f"the {what} {name!r} {harm}", action, kind="harmful-name")
        for name, harm in found.items()
        if harm
    ]


def annotator_problems(file: str, what: str, names: Iterable[str], action: str = "rename it") -> list[Problem]:
    """As `name_problems`, and one error for each name that a consensus without a rater has in the tables: `-anna`.

    Example:
        >>> [str(problem) for problem in annotator_problems("labels", "rater", ["anna", "-ben"])]
        ["labels: the rater '-ben' begins with a hyphen, as the consensus without rater 'ben' does; rename it"]
    """
    names = [name for name in names if isinstance(name, str)]
    return name_problems(file, what, names, action, why=why_harmful_to_train) + [
        Problem(
            file,
            f"the {what} {name!r} begins with a hyphen, as the consensus without rater {name[1:]!r} does",
            action,
            kind="harmful-name",
        )
        for name in dict.fromkeys(names)
        if name.startswith("-")
    ]
