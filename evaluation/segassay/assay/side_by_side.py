"""Put evaluations side by side that lie in folders or were logged to MLflow.

folders, ids of runs  ->  {label: Evaluation}  ->  Comparison, compare.html
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from segassay.assay.evaluation import Evaluation
from segassay.assay.read import evaluation_folder, read_results
from segassay.assay.rebuild import evaluation_of_run
from segassay.assay.write import class_folders
from segassay.io.outputs import (
    ARGUMENTS,
    check_output,
    prepare_output,
    publish_output,
    refuse_result,
    whole_or_nothing,
)
from segassay.io.text_columns import python_strings
from segassay.judgement.classes import class_paths
from segassay.report.compare import Comparison, compare_evaluations

__all__ = ["write_side_by_side"]

_RUN = re.compile(r"[0-9a-f]{32}")


@python_strings()
def write_side_by_side(
    places: Sequence[str], out: Path | None, *, overwrite: bool = False
) -> tuple[Comparison, Path | None]:
    """Compare evaluations with the first of them.

    Args:
        places: Folders of evaluations or studies, or ids of MLflow runs; two or more.
        out: Folder to write: `compare.html`, tables and figures, and the same for each class that all evaluations have,
            in `classes/<class>/`; None writes nothing.
        overwrite: Replace `out` with everything in it.

    Returns:
        The comparison, and the path of the page.

    Raises:
        UsageError: If there are fewer than two places, a run is missing, or `out` exists or cannot be written.
        DataError: If files of an evaluation are damaged.
    """
    final = None if out is None else check_output(out, overwrite, options=ARGUMENTS)
    found: dict[str, Evaluation] = {}
    with ExitStack() as stack:
        for place, label in zip(places, _labels(places), strict=True):
            is_run = not Path(place).exists() and _RUN.fullmatch(place)
            folder = stack.enter_context(evaluation_of_run(place)) if is_run else evaluation_folder(place)
            if final is not None:
                refuse_result(final, folder)
            found[label] = read_results(folder)
    comparison = compare_evaluations(found)
    if final is None:
        return comparison, None
    from segassay.report.compare_page import write_comparison

    work_dir = prepare_output(final, overwrite, options=ARGUMENTS)
    with whole_or_nothing(work_dir):
        shared = _shared_classes(found)
        page = write_comparison(work_dir, comparison, class_paths(shared))
        for name, of_class in class_folders(work_dir, shared).items():
            of_class.mkdir(parents=True)
            write_comparison(of_class, compare_evaluations({label: one.classes[name] for label, one in found.items()}))
        return comparison, publish_output(work_dir) / page.name


def _shared_classes(found: Mapping[str, Evaluation]) -> list[str]:
    """Classes that all evaluations have, in the order of the first."""
    first, *others = found.values()
    return [name for name in first.classes if all(name in other.classes for other in others)]


def _labels(places: Sequence[str]) -> list[str]:
    """Short names: the last parts of the paths that tell them apart; a number if the same place is given twice.

    Example:
        >>> _labels(["a/evaluation", "b/evaluation", "b/evaluation"])
        ['a/evaluation', 'b/evaluation', 'b/evaluation (3)']
    """
    parts = [Path(place).resolve().parts if Path(place).exists() else Path(place).parts for place in places]
    n = 1
    while n < max(map(len, parts), default=0) and len({part[-n:] for part in parts}) < len(set(parts)):
        n += 1
    names = ["/".join(part[-n:]) for part in parts]
    return [name if names.index(name) == at else f"{name} ({at + 1})" for at, name in enumerate(names)]
