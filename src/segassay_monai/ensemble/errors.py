"""Error of prediction, for exported bundles, which have only a part of the package."""

from __future__ import annotations

import os


class PredictionError(ValueError):
    """A model does not fit an image or a network; the message is for the user.

    Attributes:
        file: The file that the message is about; None if there is none.
        what: What was found there, and what was expected; empty where the message was not given in parts.
        action: What to do about it.

    Example:
        >>> error = PredictionError.of("a.png", "has 3 channels; expected 1", "export one of them")
        >>> print(error)
        a.png: has 3 channels; expected 1; export one of them
        >>> error.file, error.what, error.action
        ('a.png', 'has 3 channels; expected 1', 'export one of them')
    """

    def __init__(self, message: str, file: str | None = None, what: str = "", action: str = "") -> None:
        super().__init__(message, file, what, action)  # all arguments, so that the error can be pickled
        self.file, self.what, self.action = file, what, action

    def __str__(self) -> str:
        """The message."""
        return str(self.args[0])

    @classmethod
    def of(cls, file: str | os.PathLike[str] | None, what: str, action: str) -> PredictionError:
        """Make an error with the message `<file>: <what>; <action>`."""
        name = None if file is None else os.fspath(file)
        return cls(f"{what if name is None else f'{name}: {what}'}; {action}", name, what, action)
