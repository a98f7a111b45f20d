"""Rules of classes: what they may be called, and which settings go with them.

settings of dataset.yaml | names and values of dataset.json  ->  problems
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Protocol

from segassay.data.channel_choice import LONGEST_NAME, name_key, usable_name
from segassay.data.harmless import why_harmful
from segassay.errors import Problem, shortlist

__all__ = ["rules_broken", "same_values"]

_RESERVED = ("background", "foreground", "ignore", "ignored", "mean", "all")
"""Names that stand for something else in tables and files: what is no class, and what is made of all classes."""


class _Settings(Protocol):
    """What is needed of `segassay.data.settings.DatasetFile`, which uses this module."""

    @property
    def foreground(self) -> tuple[int, ...] | None: ...
    @property
    def objects(self) -> str | None: ...
    @property
    def invert(self) -> bool | tuple[str, ...]: ...
    @property
    def ignore_value(self) -> int | None: ...
    @property
    def class_values(self) -> dict[str, tuple[int, ...]]: ...


def rules_broken(file: str, settings: _Settings) -> Iterator[tuple[str, Problem]]:
    """Problems of `classes` and of what does not go with it, each with its key.

    Args:
        file: The path of `dataset.yaml`.
        settings: Its content, without what cannot be read.
    """
    values = settings.class_values
    if settings.ignore_value is not None and not values:
        what = "ignore_value needs classes, and there are none"
        action = "name the classes, as `classes: {tumour: 1}`; an ignored area in masks of its own is `ignore`"
        yield "ignore_value", Problem(file, what, action, kind="class-settings")
    if not values:
        return
    others = {"foreground": settings.foreground, "objects": settings.objects, "invert": settings.invert}
    for key, said in others.items():
        if said:
            what = f"{key} cannot be combined with classes, which say what each value of a mask is"
            yield key, Problem(file, what, f"leave {key} or classes out", kind="class-settings")
    for problem in (*broken_class_names(file, list(values)), *same_values(file, values)):
        yield "classes", problem
    ignored = [name for name, of_class in values.items() if settings.ignore_value in of_class]
    if ignored:
        what = f"ignore_value is {settings.ignore_value}, which is the class {ignored[0]!r}"
        yield "ignore_value", Problem(file, what, "give pixels to ignore a value of their own", kind="class-settings")


def broken_class_names(file: str, names: list[str]) -> Iterator[Problem]:
    """Problems of names of classes, which become those of folders and columns."""
    for name in names:
        if usable_name(name) != name or why_harmful(name):
            what = f"the class {name!r} has a name that no folder or column can have"
            action = (
                "use letters, digits and _ . + - and spaces inside, a letter or digit first, at most "
                f"{LONGEST_NAME} in all"
            )
            yield Problem(file, what, action, kind="class-name")
        elif name.casefold() in _RESERVED:
            what = f"a class is named {name!r}, which has another meaning: {', '.join(_RESERVED)} are no classes"
            action = "rename it" if name.casefold() != "background" else "leave it out: 0 is background"
            yield Problem(file, what, action, kind="class-name")
    alike = defaultdict(list)
    for name in names:
        alike[name_key(name)].append(name)
    for same in alike.values():
        if len(same) > 1:
            what = f"the classes {shortlist(same)} differ in capitals alone, and would share a folder"
            yield Problem(file, what, "rename one", kind="class-name")


def same_values(file: str, values: Mapping[str, tuple[int, ...]]) -> Iterator[Problem]:
    """An error for each class whose values are those of an earlier one."""
    first: dict[frozenset[int], str] = {}
    for name, of_class in values.items():
        known = first.setdefault(frozenset(of_class), name)
        if known != name:
            listed = ", ".join(map(str, sorted(set(of_class))))
            what = f"the classes {known!r} and {name!r} have the same values, {listed}"
            yield Problem(file, what, "correct the values, or leave one of the classes out", kind="class-values")
