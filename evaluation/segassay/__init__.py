"""Evaluation of segmentations by several annotators: is a result objective, reliable and valid?

    evaluate                            compare all annotators of a folder, of a table or of arrays
    agreement                           two masks of one image
    staple, majority_vote, …            consensus: one mask from the masks of several raters
    fleiss_kappa, icc, bland_altman, …  single estimators; all of them in `segassay.statistics` and `segassay.qualities`
    read_dataset, check_dataset         a dataset folder, and its problems
    simulate, plan                      data with a known truth; the size of the next study

Names are loaded when they are first used. Subpackages and modules, in the order of the data flow; each imports only
earlier ones:

    errors, io, tracking, figures       messages, files, MLflow, style of figures
    statistics, masks                   estimators; objects, overlaps and outlines of masks
    data, consensus, tables             datasets and annotations; consensus masks; agreement and counts of each case
    qualities, judgement                measures of objectivity, reliability and validity; verdicts
    simulation, checks, planning        data with a known truth; problems of a dataset; size of the next study
    selftest, report, assay, cli        published values; the report and its figures; `evaluate`; the command line
"""

from importlib import import_module
from typing import Any

from segassay.lazy import attach

_load, __dir__, __all__ = attach(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _load(name)
    if name == "__version__":
        from importlib.metadata import version

        return version("segassay")
    from segassay.former import MODULES

    if name in MODULES:
        return import_module(MODULES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
