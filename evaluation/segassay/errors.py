"""What is wrong with the data or the call: each message names the file, what was expected, what came and what to do."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_MAX_SHOWN = 20
_MAX_NAMES = 5


class SegAssayError(Exception):
    """Any error whose message is meant for the user; shown without a traceback."""

    exit_code = 1


class DataError(SegAssayError):
    """The data has problems (exit code 1).

    Attributes:
        file: The file or folder that the message is about; None where it is about none, or about several.
        what: What was found there, and what was expected; empty where the message was not given in parts.
        action: What to do about it; may be empty.

    Example:
        >>> error = DataError.of("a.png", "has 3 channels", "export one of them", expected="one")
        >>> print(error)
        a.png has 3 channels; expected one: export one of them
        >>> error.file, error.what, error.action
        ('a.png', 'has 3 channels; expected one', 'export one of them')
    """

    def __init__(self, message: str, file: str | None = None, what: str = "", action: str = "") -> None:
        super().__init__(message, file, what, action)  # all of them, so that it survives the way between processes
        self.file, self.what, self.action = file, what, action

    def __str__(self) -> str:
        """The message."""
        return str(self.args[0])

    @classmethod
    def of(cls, file: str | os.PathLike[str] | None, what: str, action: str = "", *, expected: str = "") -> "DataError":
        """Error with the message `<file> <what>; expected <expected>: <action>`, without the parts that are empty."""
        name = None if file is None else os.fspath(file)
        what = f"{what}; expected {expected}" if expected else what
        found = what if name is None else f"{name} {what}"
        separator = ": " if expected else "; "
        return cls(f"{found}{separator}{action}" if action else found, name, what, action)

    @classmethod
    def of_problem(cls, problem: "Problem") -> "DataError":
        """An error that says what a problem says."""
        return cls(str(problem), problem.file, problem.what, problem.action)


class UsageError(SegAssayError):
    """The call is wrong: a setting, an option or an output folder (exit code 2)."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or that deserves a look.

    Attributes:
        file: The file or folder, as the user would find it.
        what: What was found there, and what was expected.
        action: What to do about it.
        level: An error must be fixed before the data can be used; a warning may be intended.

    Example:
        >>> print(Problem("labels/anna/0144.png", "mask without image", "add images/0144.png or remove the mask"))
        labels/anna/0144.png: mask without image; add images/0144.png or remove the mask
    """

    file: str
    what: str
    action: str
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """One line."""
        return f"{self.file}: {self.what}; {self.action}"


def shortlist(names: Sequence[str]) -> str:
    """The first few of many names, and how many more there are.

    Example:
        >>> shortlist(["a", "b"]), shortlist(list("abcdefgh"))
        ('a, b', 'a, b, c, d, e and 3 more')
    """
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def raise_problems(where: str | os.PathLike[str], problems: Sequence[object]) -> None:
    """Raise one `DataError` that names every problem, one a line and at most 20; nothing where there is none."""
    if len(problems) == 1 and isinstance(problems[0], Problem):
        raise DataError.of_problem(problems[0])
    if problems:
        shown = [str(problem) for problem in problems[:_MAX_SHOWN]]
        more = [f"… and {len(problems) - len(shown)} more problems"] if len(problems) > len(shown) else []
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise DataError(
            "\n".join([f"{os.fspath(where)} has {count}:", *shown, *more]), os.fspath(where), f"has {count}"
        )
