"""Find problems of the experiment: no control group, or groups that cannot be tested."""

from collections.abc import Iterator, Sequence

import pandas as pd

from segassay.checks.facts import ImageFacts
from segassay.data.dataset import Dataset, strata, units_of
from segassay.data.names import natural_key
from segassay.data.settings import inside
from segassay.errors import DataError, Problem, number_of
from segassay.tables.measured import SIZE_OF_ALL
from segassay.tables.normalise import MEASURES, normalise
from segassay.tables.samples import unit_of

__all__ = ["experiment_problems", "measurement_problems"]


def experiment_problems(dataset: Dataset) -> Iterator[Problem]:
    """Problems that prevent tests of effects; none without an experiment table."""
    if dataset.experiment is None or dataset.settings.experiment is None:
        return
    file, control = str(inside(dataset.folder, dataset.settings.experiment)), dataset.settings.control_group
    known = strata(dataset)
    known = known[known["group"] != ""]
    groups = sorted(known["group"].unique(), key=natural_key)
    if control is None and len(groups) > 1:
        what = f"names no control_group, so no effect can be tested; the groups are {', '.join(groups)}"
        yield Problem(
            str(dataset.folder / "dataset.yaml"),
            what,
            "add `control_group: <name>` to it",
            "warning",
            kind="no-control-group",
        )
    unit, units = unit_of(known["subject"]), units_of(known["subject"])
    single = [group for group in groups if units[known["group"] == group].nunique() == 1]
    if single and len(groups) > 1:
        what = f"only one {unit} in {', '.join(f'group {group!r}' for group in single)}"
        yield Problem(file, what, f"add {unit}s: one {unit} is not enough for a test", "warning", kind="single-unit")
    if control in groups:
        yield from _control_problems(file, dataset.experiment, known, str(control))


def measurement_problems(dataset: Dataset, images: Sequence[ImageFacts]) -> Iterator[Problem]:
    """Areas of volumes, volumes of images with two axes, and sizes in pixels that differ between images."""
    if dataset.settings.control_group is None:
        return
    file = str(dataset.folder / "dataset.yaml")
    for name in (name for name in dataset.measurements if name in SIZE_OF_ALL):
        for n_axes in sorted({len(image.shape) for image in images} - {SIZE_OF_ALL[name]}):
            what = f"measurements names {name!r}, but there are images with {n_axes} axes"
            action = "measure an area of two axes, a volume of three"
            yield Problem(file, what, action, kind="measurement-axes")
    unknown = dataset.settings.spacing_um is None and any(image.spacing_um is None for image in images)
    if unknown and {*SIZE_OF_ALL, "object_size"} & set(dataset.measurements):
        what = "the size of a pixel is unknown for some images, so sizes are in pixels"
        yield Problem(file, what, "add `spacing_um` to it", "warning", kind="measurement-unit")


def _control_problems(file: str, table: pd.DataFrame, known: pd.DataFrame, control: str) -> Iterator[Problem]:
    try:
        normalise(pd.DataFrame(columns=["case", "annotator", *MEASURES.values()]), table, control)
    except DataError as error:
        yield Problem(file, error.what, error.action or "correct the table", kind="control-unusable")
    for (region, batch), rows in known.groupby(["region", "batch"], sort=True):
        if control not in set(rows["group"]):
            where = " of ".join(f"{name} {value!r}" for name, value in (("region", region), ("batch", batch)) if value)
            what = f"{where or 'the experiment'} has no case of the control group {control!r}"
            action = f"add a control case: {number_of(len(rows), 'case')} cannot be compared without one"
            yield Problem(file, what, action, "warning", kind="control-missing")
