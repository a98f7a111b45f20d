"""Run the self-test: compare every estimator with its published value.

    published_values.CHECKS  ->  calls of the public estimators  ->  table of computed, published, source

It needs no data, no network and no model. The checks on real images run if lab-wue1 is given.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from segassay.data.annotations import read_annotations
from segassay.data.dataset import Dataset, read_dataset
from segassay.data.published.segebarth2020 import find_labs
from segassay.errors import DataError
from segassay.selftest.lab_wue1 import CHECKS_OF_LAB_WUE1, CheckOfImages
from segassay.selftest.published_values import CHECKS, Check
from segassay.tables.build import build_tables
from segassay.tables.effects import effects
from segassay.tables.normalise import normalise

__all__ = ["NEEDS_DATA", "Outcome", "run_checks", "run_checks_of_images"]

LAB = "lab-wue1"
NEEDS_DATA = "needs lab-wue1"


@dataclass(frozen=True)
class Outcome:
    """Result of one check.

    Attributes:
        estimator: Module and function.
        what: Data and quantity.
        computed: Computed numbers; empty if the check did not run.
        expected: Published numbers.
        tolerance: Largest difference that passes.
        source: Where they are published.
        problem: Why the estimator gave no numbers, or why the check did not run; empty otherwise.
        skipped: Whether the check did not run.
    """

    estimator: str
    what: str
    computed: tuple[float, ...]
    expected: tuple[float, ...]
    tolerance: float
    source: str
    problem: str = ""
    skipped: bool = False

    @property
    def passed(self) -> bool:
        """Whether every number lies within the tolerance of the published one."""
        return len(self.computed) == len(self.expected) and all(
            abs(found - published) <= self.tolerance * (1 + 1e-9)
            for found, published in zip(self.computed, self.expected, strict=True)
        )


def run_checks(checks: Sequence[Check] = CHECKS) -> list[Outcome]:
    """Call every estimator on published data.

    Args:
        checks: Calls to make; each function is looked up in its module when it is called.

    Returns:
        One outcome per check, in their order; an estimator that raises an error has failed.

    Example:
        >>> outcomes = run_checks()
        >>> all(outcome.passed for outcome in outcomes), len(outcomes) > 40
        (True, True)
    """
    return [_outcome(check) for check in checks]


def _outcome(check: Check) -> Outcome:
    module, _, name = check.estimator.rpartition(".")
    try:
        estimator = getattr(importlib.import_module(f"segassay.{module}"), name)
        computed = check.pick(estimator(*check.arguments, **check.options))
    except Exception as error:  # the self-test reports every error of an estimator
        return _result(check, (), problem=f"{type(error).__name__}: {error}")
    return _result(check, computed)


def _result(
    check: Check | CheckOfImages, computed: Sequence[float], *, problem: str = "", skipped: bool = False
) -> Outcome:
    return Outcome(
        estimator=check.estimator,
        what=check.what,
        computed=tuple(float(number) for number in computed),
        expected=check.expected,
        tolerance=check.tolerance,
        source=check.source,
        problem=problem,
        skipped=skipped,
    )


def run_checks_of_images(
    data: Path | None, checks: Sequence[CheckOfImages] = CHECKS_OF_LAB_WUE1, *, n_jobs: int = 1
) -> list[Outcome]:
    """Compare the results on lab-wue1 with the expected values.

    Args:
        data: The folder lab-wue1 as `segassay download` leaves it, or the one that holds it; if None, every check is
            marked as skipped.
        checks: Values to compare.
        n_jobs: Processes that share the images.

    Returns:
        One outcome per check.

    Raises:
        DataError: If the folder is not lab-wue1, or not as downloaded.
    """
    if data is None:
        return [_result(check, (), problem=NEEDS_DATA, skipped=True) for check in checks]
    frames = _frames(_read_lab(data), n_jobs)
    return [_result(check, check.pick(frames)) for check in checks]


def _read_lab(data: Path) -> Dataset:
    folder = data / LAB if (data / LAB).is_dir() else data
    how = f"expected the folder {LAB} of: segassay download segebarth2020 --out DIR --labs wue1"
    if not (folder / "dataset.yaml").is_file():
        raise DataError.of(folder, "contains no dataset.yaml", how)
    dataset = read_dataset(folder)
    expected = dataset.experiment is not None and dataset.reference and len(dataset.cases) == 36
    if not expected or dataset.min_object_size != find_labs([LAB])[0].min_object_size:
        raise DataError.of(folder, f"is not {LAB} as downloaded", how)
    return dataset


def _frames(dataset: Dataset, n_jobs: int) -> Mapping[str, pd.DataFrame]:
    tables = build_tables(dataset, read_annotations(dataset), n_jobs=n_jobs)
    experiment, control = dataset.experiment, dataset.settings.control_group
    assert experiment is not None  # checked when it was read
    assert control is not None
    return {
        "agreement": tables.agreement,
        "leave_one_out": tables.leave_one_out,
        "counts": tables.counts,
        "effects": effects(normalise(tables.counts, experiment, control)),
    }
