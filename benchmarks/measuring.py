"""Shared by the benchmarks: data folder, conditions of a measurement, time, memory, results."""

import argparse
import gc
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.data.dataset import Dataset, data_hash

ROOT = Path(__file__).parents[1]


def data_dir() -> Path:
    """Folder of the labs; ends the program where it is missing."""
    folder = Path(os.environ.get("SEGASSAY_DATA", ROOT.parent / "shared" / "data")).resolve() / "segebarth2020"
    if not folder.is_dir():
        sys.exit(f"{folder} is missing; set SEGASSAY_DATA to the folder that holds segebarth2020")
    return folder


def chosen_sections(names: Iterable[str], what: str | None, **numbers: tuple[int, str]) -> argparse.Namespace:
    """Arguments of a benchmark with sections: `sections` (all by default), the folder `out`, and numbers.

    Args:
        names: Of the sections.
        what: Description of the benchmark, of which the first line is shown.
        numbers: Option -> its default, and what it is.
    """
    names = list(names)
    parser = argparse.ArgumentParser(description=(what or "").split("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(names)}; default: all")
    for name, (default, meaning) in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{meaning} (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder for the results")
    args = parser.parse_args()
    if unknown := set(args.sections) - set(names):
        parser.error(f"no section {', '.join(sorted(unknown))}; choose from {', '.join(names)}")
    args.sections = args.sections or names
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def circumstances(lab: Dataset | None, packages: Sequence[str]) -> dict[str, Any]:
    """Conditions that a reader needs to judge or repeat a number; `lab` is None if no data were read."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    own = ("segassay", "segassay_monai")
    used = [str(module.__file__) for name, module in sys.modules.items() if name.split(".")[0] in own]
    status = [*git, "status", "--porcelain", "--", *used]
    changed = subprocess.run(status, capture_output=True, text=True, check=False).stdout.split()[1::2]
    cpu = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": " ".join([commit, *(["with changes in", *changed] if changed else [])]),
        **({} if lab is None else {"data_hash": data_hash(lab)}),
        "machine": {
            "cpu": cpu[0] if cpu else platform.processor(),
            "cores": os.cpu_count(),
            "load_average": [round(load, 1) for load in os.getloadavg()],
            "system": platform.platform(),
        },
        "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def save(path: Path, section: str, result: dict[str, Any]) -> None:
    """Write one section of a file and keep the others."""
    results = json.loads(path.read_text()) if path.exists() else {}
    results[section] = result
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(draft, path)


def show(rows: Sequence[Mapping[Any, Any]]) -> None:
    """Print a table."""
    print(pd.DataFrame(rows).to_string(index=False, float_format=lambda number: f"{number:.4g}"))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a function takes, and its result."""
    gc.collect()
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def peak_mib() -> float:
    """Largest resident memory of this process; `ru_maxrss` would include the process that started it."""
    for line in _lines("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
