"""Memory of a process: some of it is spent to save time.

Masks of one case are made and freed by the hundred. The C library of Linux gives such memory back to the system each
time, which clears every page of it before the next array has it; and Python seeks cycles of objects that nobody needs
after every 700 new objects. Together these take a tenth of the time of an evaluation.
"""

import ctypes
import gc
import sys

__all__ = ["spend_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt(3)
_KEPT, _LARGE = 2**28, 2**25  # bytes that are kept at most; of an array that is given back at once, as by default
_NEW_OBJECTS = 50_000


def spend_memory() -> None:
    """Let this process keep up to 256 MiB that it has freed, and seek cycles of objects less often.

    Larger arrays than 32 MiB are given back as before. No result depends on it. Where the C library is another one than
    that of GNU, only the second is done.
    """
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _KEPT)
