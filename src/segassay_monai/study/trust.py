"""Settings of a study that run code: refused unless the user says that their author is trusted.

StudyFile -> settings of each strategy -> the first that is no plain value

MONAI evaluates every text that begins with `$` as Python, reads other files for one that begins with `%`, and calls
whatever `_target_` names. A study from someone else could so read and delete files when it is planned or run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segassay.errors import UsageError
from segassay_monai.study.file import StudyFile
from segassay_monai.training.settings import is_plain

__all__ = ["refuse_code"]


def refuse_code(path: Path, file: StudyFile) -> None:
    """Refuse a study whose settings are more than numbers, texts, booleans and lists of these.

    Args:
        path: STUDY.yaml, for the message.
        file: Its content, with defaults.

    Raises:
        UsageError: Names the first setting that can run code.

    Example:
        >>> refuse_code(Path("study.yaml"), StudyFile(dataset="lab", settings={"epochs": 20}))
        >>> refuse_code(Path("study.yaml"), StudyFile(dataset="lab", settings={"epochs": "$open('x')"}))
        Traceback (most recent call last):
        segassay.errors.UsageError: study.yaml: settings.epochs is "$open('x')", which is a program and not a plain \
value: it could read, change or delete your files; if you trust its author, add --trust (from Python: trust=True)
    """
    for settings in (file.settings, *(strategy.settings for strategy in file.strategies)):
        for name, value in settings.items():
            if program := _program_in(value):
                raise UsageError(
                    f"{path}: settings.{name} is {program!r:.80}, which is a program and not a plain value: it could "
                    "read, change or delete your files; if you trust its author, add --trust (from Python: trust=True)"
                )


def _program_in(value: Any) -> Any:
    """The first part of a value that MONAI would evaluate, read or call; None if there is none."""
    if isinstance(value, Mapping):
        found = value if "_target_" in value else None
        return found or next((part for part in map(_program_in, value.values()) if part), None)
    if isinstance(value, (list, tuple)):
        return next((part for part in map(_program_in, value) if part), None)
    return None if is_plain(value) else value
