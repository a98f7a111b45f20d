"""A process that trains or predicts, and that somebody goes on with afterwards, such as a notebook.

random states, flags of cuDNN, sys.path -> what is called -> the same again
"""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from monai.utils import get_seed, set_determinism

__all__ = ["process_unchanged"]


@contextmanager
def process_unchanged() -> Iterator[None]:
    """Leave random states, the flags of cuDNN and `sys.path` as they were before the block, or the decorated call.

    A GPU that torch had not used before gets a new seed.

    Example:
        >>> before = random.getstate()
        >>> with process_unchanged():
        ...     set_determinism(seed=0)
        >>> random.getstate() == before
        True
    """
    seed, path, cudnn = get_seed(), list(sys.path), torch.backends.cudnn
    flags, state = (cudnn.deterministic, cudnn.benchmark), random.getstate()
    of_numpy = np.random.get_state()  # noqa: NPY002  # what MONAI seeds
    used = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # to ask a GPU is to use it
    with torch.random.fork_rng(used):
        try:
            yield
        finally:
            set_determinism(seed)  # changes all that follows, too
            random.setstate(state)
            np.random.set_state(of_numpy)  # noqa: NPY002
            cudnn.deterministic, cudnn.benchmark = flags
            sys.path[:] = path
