"""Several processes that train one member: who is the first, and what it tells the others.

torchrun -> join -> rank 0 validates, writes and logs; each draws its own tiles, gradients are averaged -> leave
"""

from __future__ import annotations

import logging
import os
from datetime import timedelta

import ignite.distributed
import torch
from torch import distributed

from segassay.errors import UsageError

__all__ = ["agree", "join_processes", "leave_processes", "process_device"]

_PATIENCE = timedelta(hours=1)  # the others wait while the first one looks at the selection images


def join_processes() -> int:
    """Meet the other processes that `torchrun` started; returns the rank of this one, 0 for the first.

    GPUs talk by NCCL, one per process, and processors by gloo. All but the first report errors only.

    Raises:
        UsageError: If `torchrun` did not start this process, or there are fewer GPUs than processes.
    """
    if not distributed.is_initialized():
        if "LOCAL_RANK" not in os.environ:
            raise UsageError(
                "multi_gpu_train.yaml is for several processes: start it with torchrun --standalone --nproc_per_node=2 "
                "-m monai.bundle run training ..."
            )
        local_rank, n_gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if 0 < n_gpus <= local_rank:
            raise UsageError(f"torchrun --nproc_per_node: expected at most {n_gpus}, one process for each GPU")
        if n_gpus:
            torch.cuda.set_device(local_rank)
        distributed.init_process_group("nccl" if n_gpus else "gloo", timeout=_PATIENCE)
        ignite.distributed.get_rank()  # meets the others itself on its first call, so all must make that call
        if distributed.get_rank() > 0:
            logging.getLogger("segassay").addFilter(_is_error)
    return distributed.get_rank()


def leave_processes() -> None:
    """Part from the other processes when the training is over; nothing where there are none."""
    logging.getLogger("segassay").removeFilter(_is_error)
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def process_device() -> torch.device:
    """The GPU of this process, or the processor."""
    join_processes()
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def agree(decision: bool) -> bool:
    """What the first process decided; the others wait for it. Alone, one's own decision.

    Args:
        decision: Of this process; only that of the first one counts.
    """
    if not distributed.is_initialized():
        return decision
    told = [decision]
    distributed.broadcast_object_list(told, src=0)
    return told[0]
