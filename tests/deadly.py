"""Tasks for tests of those who start processes: one that kills its process, and one that looks at it."""

import gc
import os
from pathlib import Path


def squared(task: tuple[int, str]) -> int:
    """Square of a number; the process of the fifth is killed, once if there is a file to remember it, else always."""
    number, place = task
    if number == 5 and not (place and Path(place).exists()):
        if place:
            Path(place).touch()
        os._exit(137)
    return number**2


def seldom_seeks(number: int) -> tuple[int, bool]:
    """The number, and whether its process seeks garbage less often than Python does by default."""
    return number, gc.get_threshold()[0] > 10_000
