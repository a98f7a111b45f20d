"""Workers as jobs of a queue: Slurm, PBS or LSF, by `dask-jobqueue`.

    slurm, number of jobs, settings of dask-jobqueue  ->  start_queue  ->  a cluster whose jobs are submitted

Queue, account, memory and time of a job are settings of dask-jobqueue (`~/.config/dask/jobqueue.yaml`, or environment
variables such as `DASK_JOBQUEUE__SLURM__ACCOUNT`), because only the user knows them.
"""

from __future__ import annotations

import shutil
from typing import Any

from segassay.errors import UsageError

__all__ = ["QUEUES", "make_queue", "start_queue"]

QUEUES = {"slurm": ("SLURMCluster", "sbatch"), "pbs": ("PBSCluster", "qsub"), "lsf": ("LSFCluster", "bsub")}
"""Class of dask-jobqueue of each kind of queue, and the command that submits a job."""

_DEFAULTS: dict[str, Any] = {"cores": 1, "processes": 1, "memory": "8GB"}
"""Of a job, where the settings do not say otherwise: one worker, which does one task at a time."""

_ONE_THREAD = [f"export {name}=1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")]


def start_queue(kind: str, n_jobs: int) -> Any:
    """Submit jobs of a queue.

    Args:
        kind: Of `QUEUES`.
        n_jobs: Number of jobs.

    Returns:
        A cluster of dask-jobqueue; leaving its context cancels the jobs.

    Raises:
        UsageError: If dask-jobqueue is not installed, or the queue's command is not on this machine.
    """
    command = QUEUES[kind][1]
    if shutil.which(command) is None:
        raise UsageError(f"--cluster {kind}: {command} was not found; call it on a machine that submits jobs")
    cluster = make_queue(kind)
    cluster.scale(jobs=n_jobs)
    return cluster


def make_queue(kind: str) -> Any:
    """A cluster of which no job is submitted yet; `job_script()` of it shows what a job is.

    Raises:
        UsageError: If dask-jobqueue is not installed.
    """
    try:
        import dask
        import dask_jobqueue
    except ImportError as error:
        raise UsageError(f'--cluster {kind} needs dask-jobqueue: pip install "segassay[cluster]"') from error
    settings = dask.config.get(f"jobqueue.{kind}", {})
    words = {name: value for name, value in _DEFAULTS.items() if settings.get(name) is None}
    own = settings.get("job-script-prologue") or []
    return getattr(dask_jobqueue, QUEUES[kind][0])(**words, job_script_prologue=[*_ONE_THREAD, *own])
