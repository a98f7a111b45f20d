"""The page of an evaluation with odd names, written once."""

from pathlib import Path

import pytest

from odd_names import evaluate_odd_names
from segassay.assay import Evaluation
from segassay.report.page import write_report
from segassay.report.plots import encoded_figures


@pytest.fixture(scope="session")
def odd() -> Evaluation:
    """Evaluation of raters, cases and groups whose names would be code."""
    return evaluate_odd_names()


@pytest.fixture(scope="session")
def odd_page(odd: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its report, with the gallery."""
    path = tmp_path_factory.mktemp("odd") / "report.html"
    write_report(path, odd, encoded_figures(odd), gallery=odd.gallery)
    return path
