"""Memory that is kept: a page that was cleared once is not cleared again for the next array."""

import os
import platform
import sys

import numpy as np
import pytest

from segassay.workers.memory import spend_memory

resource = pytest.importorskip("resource", reason="Windows counts no pages of a process")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="the C library is not that of GNU"
)


def _pages_cleared() -> int:
    """Pages that the system gives this process for the arrays of ten cases."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        masks = [np.ones(2**21, dtype=np.uint8) for _ in range(16)]
        del masks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_freed_memory_is_kept_for_the_next_arrays():
    child = os.fork()  # the setting cannot be taken back
    if child == 0:
        given_back = _pages_cleared()
        spend_memory()
        _pages_cleared()
        kept = _pages_cleared()
        os._exit(0 if 10 * kept < given_back else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
