"""Find names that differ only in capitals or blanks, which count as different ones.

raters, persons, groups, regions, subjects and batches  ->  names that may be one name
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from unicodedata import normalize

from segassay.data.dataset import Dataset
from segassay.data.design import STRATA
from segassay.data.settings import inside
from segassay.errors import Problem, shortlist

__all__ = ["nearly_same", "spelling_problems"]


def nearly_same(names: Iterable[str]) -> list[list[str]]:
    """Names that are equal but for capitals and blanks, together; each once, in the given order.

    Example:
        >>> nearly_same(["Ctrl", "M 1", "ctrl", "M1", "m\\u00a01 ", "ctrl"])
        [['Ctrl', 'ctrl'], ['M 1', 'm\\xa01 ']]
    """
    spellings = defaultdict(list)
    for name in dict.fromkeys(names):
        spellings[" ".join(normalize("NFC", name).casefold().split())].append(name)
    return [same for same in spellings.values() if len(same) > 1]


def spelling_problems(dataset: Dataset) -> Iterator[Problem]:
    """A warning for each two or more names of one kind that are nearly the same."""
    for file, what, names in _names(dataset):
        for same in nearly_same(names):
            found = f"{what} {shortlist([repr(name) for name in same])} differ only in capitals or blanks"
            action = "if they are the same, write them alike; else give them names that people can tell apart"
            yield Problem(file, f"{found}, and count as {len(same)}", action, "warning", kind="name-spelling")


def _names(dataset: Dataset) -> Iterator[tuple[str, str, list[str]]]:
    """File or folder, kind and names of everything that is compared by its name."""
    said = dataset.settings.facets.values()
    yield str(dataset.folder), "raters", [*dataset.raters, *filter(None, [dataset.reference_name])]
    yield str(dataset.folder / "dataset.yaml"), "persons", [one.person for one in said if one.person is not None]
    if dataset.experiment is not None and dataset.settings.experiment is not None:
        file = str(inside(dataset.folder, dataset.settings.experiment))
        for column in (name for name in STRATA if name in dataset.experiment and name != "split"):
            yield file, f"in column {column},", dataset.experiment[column].to_list()
