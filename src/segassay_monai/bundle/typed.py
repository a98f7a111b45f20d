"""Keep texts of MONAI's command line as they are typed.

MONAI reads its command line with python-fire, which takes words for Python: `lab#2` becomes `lab`, `2020_01_05` the
number 20200105 and `a,b` a list. A training on another dataset than the one that was typed would end without an error.

words of the command line  ->  the same words, in which settings that are texts are quoted
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from segassay.errors import UsageError

__all__ = ["TEXTS", "as_path", "as_typed", "device_named"]

TEXTS = frozenset({"dataset_dir", "output_dir", "rater", "strategy", "experiment", "initialise_from", "models"})
"""Settings whose value is a text; `models` may also be a list."""

_EXPRESSIONS = ("$", "@", "%")


def as_typed(words: Sequence[str]) -> list[str]:
    """Words for python-fire that give each setting of text exactly as typed.

    Args:
        words: `--name value` or `--name=value`; other words stay.

    Raises:
        UsageError: If an existing file or folder is named that MONAI would take for an expression.

    Example:
        >>> as_typed(["--dataset_dir", "lab#2", "--epochs", "40", "--rater=x,y", "--initialise_from", "None"])
        ['--dataset_dir', "'lab#2'", '--epochs', '40', "--rater='x,y'", '--initialise_from', 'None']
    """
    kept = []
    before = ""
    for word in words:
        name, equals, value = word.partition("=")
        if word.startswith("--") and equals:
            kept.append(f"{name}={_quoted(_setting(name), value)}")
        else:
            kept.append(_quoted(before, word))
        before = _setting(word) if word.startswith("--") and not equals else ""
    return kept


def as_path(text: str) -> str:
    """A path that MONAI does not take for an expression.

    Example:
        >>> as_path("%lab"), as_path("lab")
        ('./%lab', 'lab')
    """
    return f"./{text}" if text.startswith(_EXPRESSIONS) else text


def _setting(word: str) -> str:
    return word.removeprefix("--").replace("-", "_")


def _quoted(name: str, value: str) -> str:
    is_list = name == "models" and value.startswith("[")
    if name == "device":
        return repr(device_named(value))
    if name not in TEXTS or value == "None" or is_list or value.startswith("--"):
        return value
    if value.startswith(_EXPRESSIONS):
        if Path(value).exists():
            raise UsageError(f"--{name} {value}: MONAI takes {value[0]} for an expression; write ./{value}")
        return value
    return repr(value)


def device_named(text: str) -> str:
    """The expression of a configuration for a device; an expression stays.

    Raises:
        UsageError: If there is no such device.

    Example:
        >>> device_named("cpu")
        "$torch.device('cpu')"
    """
    import torch

    if text.startswith(_EXPRESSIONS):
        return text
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", text):
        raise UsageError(f"--device {text}: expected cpu, cuda, cuda:1 or mps")
    if text.startswith("cuda") and int(text.partition(":")[2] or 0) >= torch.cuda.device_count():
        raise UsageError(f"--device {text}: this computer has {torch.cuda.device_count()} CUDA devices; give cpu")
    if text == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: this computer has no such device; give cpu")
    return f"$torch.device({text!r})"
