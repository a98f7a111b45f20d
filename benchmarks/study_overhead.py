"""What a study takes beside its trainings: a copy of a finished one, with its members alone, is run again.

    python benchmarks/study_overhead.py STUDY.yaml [--work FOLDER] [--jobs N]       after `segassay study run` on it

The study itself is only read. The copy lies in a new folder inside of --work (by default that of temporary files),
needs as much room as the study, and is removed at the end. There the user's command compares the members with their
checksums, makes all ensembles, evaluates, writes the report and the certificate, and registers the best ensemble: CPU
seconds of all its processes.

Beside them stand the trainings, by the records of the members (seconds.json: of a step, a validation, and what follows
the last step). These are seconds of a clock, so a member that waited for a busy machine has more of them; each member
counts as the fastest, part by part, of those with the same settings. What comes before a first step is left out. So
the trainings take more than is said here, and the share of what is beside them is smaller.

Writes the section of the study in results/study_overhead.json.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from measuring import ROOT, circumstances, save

from segassay_monai.study.file import as_yaml
from segassay_monai.study.identity import training_length
from segassay_monai.study.plan import Study, plan_study
from segassay_monai.study.there import is_stored, list_name
from segassay_monai.training.train import SECONDS


def refuse(study: Study) -> None:
    """End the program where a study is not finished, or cannot be measured so."""
    if is_stored(study) or study.file.threads != 1:
        sys.exit(f"{study.path}: expected a study in a folder, with threads: 1")
    if not all(map(study.is_done, study.members)):
        sys.exit(f"{study.path} is not finished: segassay study run {study.path}")


def of_trainings(study: Study) -> float:
    """Seconds of all trainings, each as fast as the fastest with the same settings."""
    alike = defaultdict(list)
    for planned in study.members:
        seconds = json.loads((study.place(planned) / SECONDS).read_text(encoding="utf-8"))
        alike[training_length(planned.settings), json.dumps(planned.settings, sort_keys=True)].append(seconds)
    total = 0.0
    for ((n_steps, n_validations), _), records in alike.items():
        step, validation, rest = (min(one[part] for one in records) for part in ("step", "validation", "held_out"))
        total += len(records) * (n_steps * step + n_validations * validation + rest)
    return total


def members_alone(study: Study, folder: Path) -> Path:
    """Copy the members of a study and their checksums; returns the STUDY.yaml of the copy."""
    masks = {name: str(place.resolve()) for name, place in study.masks.items()}
    moved = {"dataset": str(study.dataset.folder.resolve()), "masks": masks, "output_dir": "results"}
    path = folder / study.path.name
    path.write_text(as_yaml(study.file.model_copy(update=moved)), encoding="utf-8")
    copy = plan_study(path)
    for planned in study.members:
        shutil.copytree(study.place(planned), copy.out / "members" / planned.folder)
        if (study.out / list_name(planned)).is_file():
            (copy.out / list_name(planned)).parent.mkdir(exist_ok=True)
            shutil.copy(study.out / list_name(planned), copy.out / list_name(planned))
    if left := [planned.id for planned in copy.members if not copy.is_done(planned)]:
        sys.exit(f"{len(left)} members would be trained again, as data or program have changed; first {left[0]}")
    return path


def run(path: Path, jobs: int | None) -> dict[str, float]:
    """Run the user's command; CPU seconds of its processes, and seconds of a clock."""
    main = "from segassay.cli import main; main()"
    words = [sys.executable, "-W", "ignore", "-c", main, "study", "run", str(path)]
    words += [] if jobs is None else ["--jobs", str(jobs)]
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{(path.parent / 'mlflow.db').as_posix()}"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with (path.parent / "run.log").open("wb") as log:
        status = subprocess.run(words, env=os.environ | store, cwd=path.parent, stdout=log, stderr=log).returncode
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    if status:
        sys.exit(f"exit code {status}: {(path.parent / 'run.log').read_text(errors='replace')[-2000:]}")
    return {
        "user": round(after.ru_utime - before.ru_utime, 1),
        "system": round(after.ru_stime - before.ru_stime, 1),
        "clock": round(seconds, 1),
    }


def main() -> None:
    """Copy, run, compare, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("study", type=Path, metavar="STUDY.yaml")
    parser.add_argument("--work", type=Path, help="folder for the copy (default: that of temporary files)")
    parser.add_argument("--jobs", type=int, help="processes of the study (default: as many as cores and memory allow)")
    args = parser.parse_args()
    study = plan_study(args.study)
    refuse(study)
    trainings = of_trainings(study)
    with tempfile.TemporaryDirectory(prefix="segassay-", dir=args.work) as folder:
        seconds = run(members_alone(study, Path(folder).resolve()), args.jobs)
    share = (seconds["user"] + seconds["system"]) / trainings
    result = {"members": len(study.members), "beside": seconds, "trainings": round(trainings), "share": round(share, 4)}
    print(f"{result}: {100 * share:.1f} % of the trainings")
    under = circumstances(study.dataset, ["torch", "monai", "mlflow", "numpy", "scipy"])
    save(ROOT / "benchmarks" / "results" / "study_overhead.json", study.name, result | under)


if __name__ == "__main__":
    main()
