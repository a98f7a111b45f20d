"""Check that a study that is killed repeatedly gives the same tables as an undisturbed one, byte for byte.

    python benchmarks/study_kills.py              simulated data, a network of two levels; about 8 minutes on 2 cores

A study is started twenty times and killed with SIGKILL, a random time after its first task, or its evaluation, has
begun; then it runs to its end. Writes study_kills.json: the time and state at each kill, and whether each table is the
same.
"""

import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from measuring import ROOT, circumstances, save

from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.study.plan import Study, plan_study

N_KILLS, SEED = 20, 0
STUDY = {
    "dataset": "data",
    "n_folds": 2,
    "seeds": 2,
    "settings": {
        "channels": [4, 8],
        "epochs": 3,
        "iterations_per_epoch": 5,
        "batch_size": 2,
        "tile_size": 64,
        "val_interval": 1,
    },
}


def prepare(folder: Path) -> Study:
    """Plan a study of 28 members and 8 ensembles, none of which is done."""
    simulate(folder / "data", Simulation(shape=(96, 96), n_cases=12, images_per_subject=1, n_nuclei=8))
    (folder / "lab.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    return plan_study(folder / "lab.yaml")


def start(study: Study) -> "subprocess.Popen[bytes]":
    """Start the user's command, in a process that can be killed."""
    main = "from segassay.cli import main; main()"
    words = [sys.executable, "-W", "ignore", "-c", main, "study", "run", str(study.path)]
    store = f"sqlite:///{(study.path.parent / 'mlflow.db').as_posix()}"
    with (study.path.parent / "run.log").open("ab") as log:
        return subprocess.Popen(words, env=os.environ | {"MLFLOW_TRACKING_URI": store}, stdout=log, stderr=log)


def finish(study: Study) -> None:
    """Run the study to its end."""
    if status := start(study).wait():
        raise RuntimeError(f"exit code {status}: {(study.path.parent / 'run.log').read_text()[-2000:]}")


def kill(study: Study, seconds: float) -> str:
    """Start a study and kill it some seconds after the first task or the evaluation has begun; returns its state."""
    began, process = time.time(), start(study)
    evaluating = study.out / "evaluation.partial"

    def is_at_work() -> bool:
        logs = [path.stat().st_mtime for path in (study.out / "logs").glob("*.log")]
        return evaluating.exists() or any(written > began for written in logs)

    while not is_at_work() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(seconds)
    if process.poll() is not None:
        return "had ended"
    process.kill()
    process.wait()
    left = [task for task in study.tasks.values() if not study.is_done(task)]
    return "evaluating" if not left else "training" if any(task in study.members for task in left) else "predicting"


def hashes(study: Study) -> dict[str, str]:
    """SHA-256 of every table."""
    files = [*(study.out / "evaluation" / "tables").glob("*.csv"), study.out / "annotations.csv"]
    return {path.relative_to(study.out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main() -> None:
    """Kill, compare, write."""
    draw = random.Random(SEED)
    kills = []
    with tempfile.TemporaryDirectory() as peace, tempfile.TemporaryDirectory() as war:
        quiet, disturbed = prepare(Path(peace)), prepare(Path(war))
        finish(quiet)
        for number in range(N_KILLS):
            seconds = round(draw.uniform(0, 5), 2)
            doing = kill(disturbed, seconds)
            n_done = sum(disturbed.is_done(task) for task in disturbed.tasks.values())
            kills.append({"seconds": seconds, "while": doing, "done": n_done})
            print(f"kill {number + 1}: after {seconds} s, {doing}, {n_done} of {len(disturbed.tasks)} tasks done")
        finish(disturbed)
        expected, found = hashes(quiet), hashes(disturbed)
        under = circumstances(quiet.dataset, ["torch", "monai", "mlflow"])
    same = {name: found.get(name) == digest for name, digest in expected.items()}
    print(f"{sum(same.values())} of {len(same)} tables are the same, byte for byte")
    result = {"kills": kills, "same_tables": same} | under
    save(ROOT / "benchmarks" / "results" / "study_kills.json", "kills", result)
    if not all(same.values()) or set(found) != set(expected):
        sys.exit("the tables differ")


if __name__ == "__main__":
    main()
