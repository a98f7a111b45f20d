"""A task that kills its process, for tests of those who start it."""

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
