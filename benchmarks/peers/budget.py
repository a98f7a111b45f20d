"""What the programs of all peers share: a clock of CPU seconds, the arrays of the cases, and the command line.

    python PEER.py train DATA MODEL SECONDS [SEED] [KEY=VALUE …]     cases -> a model, within so many CPU seconds
    python PEER.py predict DATA MODEL OUT [SECONDS]                  a model -> label images of the test cases

Each program runs with the Python of its own environment, so this module needs numpy alone.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


class Budget:
    """CPU seconds that a training may use; those since the start of Python count, imports included.

    Args:
        seconds: Allowed, above 0.
        clock: Seconds used so far, of all threads of this process.

    Example:
        >>> readings = iter([2.0, 9.0, 10.5])
        >>> budget = Budget(10, clock=lambda: next(readings))
        >>> budget.progress, budget.is_over, budget.is_over
        (0.2, False, True)
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.process_time) -> None:
        if not seconds > 0:
            raise ValueError(f"a budget must be above 0 CPU seconds, got {seconds}")
        self.seconds, self.clock = seconds, clock

    @property
    def progress(self) -> float:
        """Share that is used, at most 1: what a schedule of learning rates follows."""
        return min(self.clock() / self.seconds, 1.0)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self.clock() >= self.seconds

    def part(self, share: float) -> "Budget":
        """The first part of this budget, if something must be done after it."""
        return Budget(self.seconds * share, self.clock)


@dataclass(frozen=True)
class Case:
    """One image `(*spatial)` float32, its objects `(*spatial)` int32 (0 = background), and the length of its pixels."""

    name: str
    image: np.ndarray
    labels: np.ndarray
    spacing: tuple[float, ...]


def read_cases(data: Path, *parts: str) -> list[Case]:
    """Cases of `train`, `val` (both for training) or `test`, in the order of their names."""
    paths = [path for part in parts for path in sorted((data / part).glob("*.npz"))]
    if not paths:
        sys.exit(f"{data} has no cases of {', '.join(parts)}; make them with: python benchmarks/peers.py prepare")
    found = []
    for path in paths:
        with np.load(path) as arrays:
            image, labels = arrays["image"].astype(np.float32), arrays["labels"].astype(np.int32)
            found.append(Case(path.stem, image, labels, tuple(arrays["spacing"].tolist())))
    return found


def read_about(data: Path) -> dict[str, Any]:
    """What `prepare` wrote beside the cases: name, spacing, smallest object, source."""
    return json.loads((data / "about.json").read_text(encoding="utf-8"))


Prediction = tuple[np.ndarray, np.ndarray | None]
"""Objects `(*spatial)` int, and the probability of foreground `(*spatial)` where the peer predicts masks."""

Train = Callable[[Path, Path, Budget, int, dict[str, str]], None]
Predict = Callable[[Path, Path, Sequence[Case]], Iterator[Prediction]]


def components(mask: np.ndarray) -> np.ndarray:
    """Connected foreground, corners included, as SegAssay counts the objects of a mask."""
    from scipy import ndimage

    return ndimage.label(mask, np.ones((3,) * mask.ndim, dtype=bool))[0].astype(np.int32)


def write_predictions(
    out: Path, cases: Sequence[Case], predicted: Iterator[Prediction], limit: Budget | None = None
) -> float:
    """Write one file for each case; returns CPU seconds per megapixel, without the first, which compiles and loads.

    No further case is begun when `limit` is over, so a slow peer may write a part of them; NaN if it wrote one alone.
    """
    out.mkdir(parents=True)
    seconds, pixels, started = 0.0, 0, time.process_time()
    for position, (case, (labels, prob)) in enumerate(zip(cases, predicted, strict=True)):
        if position:
            seconds, pixels = seconds + time.process_time() - started, pixels + case.image.size
        extra = {} if prob is None else {"prob": prob.astype(np.float16)}
        np.savez_compressed(out / f"{case.name}.npz", labels=labels.astype(np.int32), **extra)
        if limit is not None and limit.is_over:
            break
        started = time.process_time()
    return seconds / (pixels / 1e6) if pixels else float("nan")


def run(train: Train, predict: Predict, packages: Sequence[str]) -> None:
    """Command line of a peer."""
    command, data, model, *rest = sys.argv[1:]
    if command == "train":
        seconds, seed, *settings = rest
        chosen = dict(setting.split("=", 1) for setting in settings)
        train(Path(data), Path(model), Budget(float(seconds)), int(seed), chosen)
        return
    cases = read_cases(Path(data), "test")
    limit = Budget(float(rest[1])) if rest[1:] else None
    speed = write_predictions(Path(rest[0]), cases, predict(Path(data), Path(model), cases), limit)
    about = {
        "cpu_seconds_per_megapixel": None if speed != speed else round(speed, 3),
        "versions": {"python": sys.version.split()[0]} | {package: version(package) for package in packages},
    }
    (Path(rest[0]) / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
