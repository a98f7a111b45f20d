"""Errors of the data or the call: each message names the file, what was expected, what was found and what to do."""

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from unicodedata import bidirectional, category

_MAX_SHOWN = 20
_MAX_NAMES = 5


class SegAssayError(Exception):
    """Any error whose message is meant for the user; shown without a traceback, and without letters for a terminal."""

    exit_code = 1

    def __str__(self) -> str:
        """The message."""
        return printable(str(self.args[0])) if self.args else ""


class DataError(SegAssayError):
    """The data has problems (exit code 1).

    Attributes:
        file: The file or folder that the message is about; None if there is none, or more than one.
        what: What was found there, and what was expected; empty where the message was not given in parts.
        action: What to do about it; may be empty.
        kind: As of a `Problem`; may be empty.

    Example:
        >>> error = DataError.of("a.png", "has 3 channels", "export one of them", expected="one")
        >>> print(error)
        a.png has 3 channels; expected one: export one of them
        >>> error.file, error.what, error.action
        ('a.png', 'has 3 channels; expected one', 'export one of them')
    """

    def __init__(self, message: str, file: str | None = None, what: str = "", action: str = "", kind: str = "") -> None:
        super().__init__(message, file, what, action, kind)  # all arguments, so that the error can be pickled
        self.file, self.what, self.action, self.kind = file, what, action, kind

    @classmethod
    def of(
        cls, file: str | os.PathLike[str] | None, what: str, action: str = "", *, expected: str = "", kind: str = ""
    ) -> "DataError":
        """Make an error with the message `<file> <what>; expected <expected>: <action>`; empty parts are left out."""
        name = None if file is None else os.fspath(file)
        what = f"{what}; expected {expected}" if expected else what
        found = what if name is None else f"{name} {what}"
        separator = ": " if expected else "; "
        return cls(f"{found}{separator}{action}" if action else found, name, what, action, kind)

    @classmethod
    def of_problem(cls, problem: "Problem") -> "DataError":
        """Make an error with the text of a problem."""
        return cls(str(problem), problem.file, problem.what, problem.action, problem.kind)


class UsageError(SegAssayError):
    """The call is wrong: a setting, an option or an output folder (exit code 2).

    Example:
        >>> from segassay import evaluate
        >>> try:
        ...     evaluate()
        ... except UsageError as error:
        ...     print(error)
        nothing to evaluate; give a dataset folder, a table as annotations=, or masks=
    """

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or that the user should look at.

    Attributes:
        file: The file or folder, as the user gave its path.
        what: What was found there, and what was expected.
        action: What to do about it.
        level: The user must fix an error before the data can be used; what a warning is about may be intended.
        kind: A short word, the same for all problems that differ only in files, numbers and names.

    Example:
        >>> action = "add images/0144.png or remove the mask"
        >>> print(Problem("labels/anna/0144.png", "mask without image", action, kind="mask-without-image"))
        labels/anna/0144.png: mask without image; add images/0144.png or remove the mask
    """

    file: str
    what: str
    action: str
    level: Literal["error", "warning"] = "error"
    kind: str = field(kw_only=True)

    def __str__(self) -> str:
        """One line."""
        return printable(f"{self.file}: {self.what}; {self.action}")


_OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Letters without a form of their own that turn the order of those after them."""


def printable(text: str) -> str:
    """Text without letters that a terminal obeys: escape codes and the like are written as in Python.

    Line feeds and tabs stay.

    Example:
        >>> print(printable("\\x1b[2Jmouse 7"))
        \\x1b[2Jmouse 7
    """
    if text.isprintable():
        return text
    return "".join(letter if letter in "\n\t" or not _is_obeyed(letter) else repr(letter)[1:-1] for letter in text)


def is_writable(name: str) -> bool:
    """Whether a name holds no letter that a terminal obeys, and none that turns the order of those after it.

    Example:
        >>> is_writable("Mäuse 7"), is_writable("a\\x1b[2J"), is_writable("a\\u202eb")
        (True, False, False)
    """
    return name.isprintable() or not any(_is_obeyed(letter) for letter in name)


def _is_obeyed(letter: str) -> bool:
    return category(letter) in ("Cc", "Cs") or bidirectional(letter) in _OVERRIDES


def shortlist(names: Sequence[str]) -> str:
    """List the first five names, and say how many more there are.

    Example:
        >>> shortlist(["a", "b"]), shortlist(list("abcdefgh"))
        ('a, b', 'a, b, c, d, e and 3 more')
    """
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def current_folder() -> Path:
    """The current folder, against which every relative path is read.

    Raises:
        UsageError: If it was removed, or cannot be read.

    Example:
        >>> current_folder().is_dir()
        True
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(
            "the current folder was removed; change to another one (cd), and repeat the command"
        ) from error


def known_names(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """What to do about a name that is not known.

    Args:
        name: The name.
        known: All names that are.
        cutoff: How alike two names must be, from 0 to 1, to be taken for the same, misspelt.

    Example:
        >>> known_names("DAPY", ["DAPI", "cFOS"]), known_names("GFP", ["DAPI", "cFOS"])
        ("did you mean 'DAPI'? Known are DAPI, cFOS", 'give one of DAPI, cFOS')
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    return f"did you mean {near[0]!r}? Known are {', '.join(names)}" if near else f"give one of {', '.join(names)}"


def number_of(count: int, what: str) -> str:
    """A number and what is counted.

    Example:
        >>> number_of(1, "error"), number_of(2, "error")
        ('1 error', '2 errors')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def why_unreadable(error: Exception) -> str:
    """Say in one line why a text is not YAML or JSON.

    Example:
        >>> why_unreadable(ValueError("bad\\n  mark")), why_unreadable(RecursionError())
        ('bad mark', 'too many nested brackets')
    """
    return "too many nested brackets" if isinstance(error, RecursionError) else " ".join(str(error).split())


def wrong_value(place: str, detail: Mapping[str, Any]) -> str:
    """Say what is wrong with the value of a setting, from one of `ValidationError.errors()` of pydantic.

    Example:
        >>> wrong_value("folds", {"input": "x", "msg": "Input should be a valid integer"})
        "folds is 'x'; input should be a valid integer"
    """
    message = detail["msg"].removeprefix("Value error, ")
    return f"{place} is {detail['input']!r:.60}; {message[:1].lower()}{message[1:]}"


def raise_problems(where: str | os.PathLike[str], problems: Sequence[object]) -> None:
    """Raise one `DataError` that lists the problems, one per line, at most 20; do nothing if there are none."""
    if len(problems) == 1 and isinstance(problems[0], Problem):
        raise DataError.of_problem(problems[0])
    if problems:
        shown = [str(problem) for problem in problems[:_MAX_SHOWN]]
        n_hidden = len(problems) - len(shown)
        more = [f"… and {number_of(n_hidden, 'more problem')}"] if n_hidden else []
        count = number_of(len(problems), "problem")
        raise DataError(
            "\n".join([f"{os.fspath(where)} has {count}:", *shown, *more]), os.fspath(where), f"has {count}"
        )
