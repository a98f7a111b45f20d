"""Several processes that train one member: the first decides, validates and writes.

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

_PATIENCE = timedelta(hours=1)  # the others wait while the first process validates


def join_processes() -> int:
    """Join the other processes that `torchrun` started; returns the rank of this one, 0 for the first.

    GPUs, one per process, communicate by NCCL, and CPUs by gloo. All processes but the first log errors only.

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
        ignite.distributed.get_rank()  # synchronises with the others on its first call, so all must make that call
        if distributed.get_rank() > 0:
            logging.getLogger("segassay").addFilter(_is_error)
    return distributed.get_rank()


def leave_processes() -> None:
    """Leave the other processes after the training; does nothing in a single process."""
    logging.getLogger("segassay").removeFilter(_is_error)
    if distributed.is_initialized():
        distributed.barrier()  # a process that ends while the first one still evaluates may be aborted
        distributed.destroy_process_group()


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def process_device() -> torch.device:
    """The GPU of this process, or the CPU."""
    join_processes()
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def agree(decision: bool) -> bool:
    """Decision of the first process, for which the others wait; in a single process, its own decision.

    Args:
        decision: Decision of this process; only that of the first process counts.
    """
    if not distributed.is_initialized():
        return decision
    told = [decision]
    distributed.broadcast_object_list(told, src=0)
    return told[0]
