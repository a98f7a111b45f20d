"""Jobs of a queue: what is submitted, without a queue to submit it to."""

import os
import sys
from pathlib import Path

import pytest

from segassay.errors import UsageError
from segassay.workers.cluster import connected
from segassay.workers.queues import make_queue


@pytest.mark.parametrize(
    ("kind", "account", "memory"),
    [
        ("slurm", "#SBATCH -A lab7", "#SBATCH --mem=12G"),
        ("pbs", "#PBS -A lab7", "#PBS -l select=1:ncpus=1:mem=12GB"),
        ("lsf", '#BSUB -P "lab7"', "#BSUB -M 12000000"),
    ],
)
def test_a_job_is_one_worker_of_one_thread_with_the_settings_of_the_user(kind, account, memory):
    dask = pytest.importorskip("dask")
    pytest.importorskip("dask_jobqueue")
    account_key = "project" if kind == "lsf" else "account"
    own = {account_key: "lab7", "memory": "12GB", "job-script-prologue": ["module load python"]}
    with dask.config.set({f"jobqueue.{kind}": dask.config.get(f"jobqueue.{kind}") | own}), make_queue(kind) as queue:
        script = queue.job_script()
    assert account in script
    assert memory in script
    lines = script.splitlines()
    assert lines.index("export OMP_NUM_THREADS=1") < lines.index("module load python")
    (command,) = [line for line in lines if "distributed.cli.dask_worker" in line]
    assert command.startswith(sys.executable)
    assert "--nthreads 1 " in command
    assert "--nworkers" not in command, "one is the default"


@pytest.mark.skipif(sys.platform == "win32", reason="the `sbatch` of this test is a shell script")
def test_jobs_are_submitted_as_scripts(tmp_path, monkeypatch):
    """A `sbatch` that keeps what it is given, as no queue is here."""
    pytest.importorskip("dask_jobqueue")
    for name, text in {"sbatch": f'cp "$1" {tmp_path}/job_$$\necho Submitted batch job $$', "scancel": "true"}.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with connected("slurm:3"):
        scripts = [path.read_text() for path in wait_for(tmp_path, 3)]
    assert all("#SBATCH --mem=8G" in script and "--nthreads 1" in script for script in scripts)


def wait_for(folder: Path, n: int) -> list[Path]:
    import time

    end = time.monotonic() + 60
    while len(found := sorted(folder.glob("job_*"))) < n and time.monotonic() < end:
        time.sleep(0.05)
    assert len(found) == n
    return found


def test_without_the_command_of_the_queue_it_says_where_to_call(monkeypatch):
    monkeypatch.setenv("PATH", "")
    for kind, command in (("slurm", "sbatch"), ("pbs", "qsub"), ("lsf", "bsub")):
        with pytest.raises(UsageError, match=f"{command} was not found"), connected(f"{kind}:2"):
            pass
