"""What a library must not change in the process that calls it."""

import logging
import random
import sys
from typing import Any

import numpy as np
import torch
from monai.utils import get_seed

LOGGERS = ("", "segassay", "monai", "monai.bundle.workflows", "ignite.engine.engine")
"""Those that the `logging.conf` of the bundle sets, and one of MONAI's own."""


def process_state() -> dict[str, Any]:
    """Random states, flags of cuDNN, where modules are sought, and who logs what."""
    cudnn = torch.backends.cudnn
    _, key, place, *_ = np.random.get_state()  # noqa: NPY002  # what MONAI seeds
    return {
        "random": random.getstate(),
        "numpy": (list(key), place),
        "torch": torch.get_rng_state().tolist(),
        "seed of MONAI": get_seed(),
        "cudnn": (cudnn.deterministic, cudnn.benchmark),
        "path": list(sys.path),
        "logging": {name: _logging(logging.getLogger(name)) for name in LOGGERS},
    }


def _logging(logger: logging.Logger) -> tuple[Any, ...]:
    return logger.level, list(logger.handlers), logger.propagate, logger.disabled
