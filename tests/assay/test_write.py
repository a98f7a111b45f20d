"""Tables as they are written: the same bytes whatever the number of threads and processes."""

import os
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from command import without_pictures
from forked import Forked
from lab_like import lab, with_fewer_members
from segassay import evaluate
from segassay.assay.write import write_results
from segassay.report import page, plots

TESTS = Path(__file__).parent.parent
EVALUATE = """
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from lab_like import lab, with_fewer_members
import segassay
from segassay.report import page, plots
from segassay.report.gallery import make
from segassay.workers import pool
if __name__ == "__main__":
    pool.START_SECONDS = 0
    start = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")  # copies have loaded all
    pool.ProcessPoolExecutor = lambda n, mp_context, initializer: ProcessPoolExecutor(n, start, initializer)
    plots.draw_figures = page.write_report = make.make_gallery = lambda *arguments, **options: None  # tables only
    segassay.evaluate(**with_fewer_members(lab(n_images=1)), out=sys.argv[1], n_jobs=2)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of this process."""
    folder = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        evaluate(**with_fewer_members(lab(n_images=1)), out=folder / "out", n_jobs=1)
    return folder


def test_tables_have_the_same_bytes_with_four_threads_and_two_processes(written):
    (written / "evaluate.py").write_text(EVALUATE)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "4")
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(written / "evaluate.py"), str(written / "again")]
    environment = os.environ | threads | {"PYTHONPATH": path}  # of a fresh process; a copy has the threads of ours
    with threadpool_limits(4), Forked(command, env=environment) as process:
        assert process.wait(300) == 0
    tables = {path.name: path.read_bytes() for path in (written / "out/tables").iterdir()}
    again = {path.name: path.read_bytes() for path in (written / "again/tables").iterdir()}
    assert len(tables) > 12
    assert tables == again


def test_no_number_is_written_with_more_than_twelve_digits(written):
    """The digits after them depend on how the sums are split over threads."""
    for path in (written / "out/tables").iterdir():
        numbers = re.findall(r"(?:^|,)-?(\d+\.\d+)(?:e-?\d+)?(?=,|$)", path.read_text(), flags=re.MULTILINE)
        assert [n for n in numbers if len(n.replace(".", "").lstrip("0")) > 12] == [], path.name


def test_columns_of_numbers_are_numbers_in_memory_also_without_rows():
    none_judged = evaluate(
        annotations=lab(n_images=1)["annotations"].query("annotator == 'anna' or annotator == 'ben'")
    )
    for found in (none_judged.scores, none_judged.scores[:0]):
        assert set(found[["value", "low", "high", "human_low", "bound"]].dtypes.astype(str)) == {"float64"}
        assert set(found[["n_cases", "n_undefined"]].dtypes.astype(str)) == {"int64"}


def test_the_workbook_holds_every_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((plots, "draw_figures"), (page, "write_report")):
        monkeypatch.setattr(module, name, lambda *arguments, **options: None)
    masks = np.zeros((2, 2, 24, 24), dtype=bool)
    masks[:, :, 3:9, 3:9] = masks[1, :, 14:20, 14:20] = True
    found = evaluate(masks={name: {"1": one, "2": two} for name, (one, two) in zip(("anna", "+1"), masks, strict=True)})
    for name, xlsx in (("with", True), ("without", False)):
        (tmp_path / name).mkdir()
        write_results(tmp_path / name, found, xlsx=xlsx)
    files = {path.name: path for path in (tmp_path / "with" / "tables").iterdir()}
    sheets = pd.read_excel(tmp_path / "with" / "tables.xlsx", sheet_name=None)
    assert {f"{name}.csv" for name in sheets} == files.keys()
    assert set(sheets["counts"]["annotator"]) == {"anna", "+1"}
    for name in ("counts", "agreement"):
        expected = pd.read_csv(files[f"{name}.csv"])
        assert list(sheets[name].columns) == list(expected.columns)
        np.testing.assert_allclose(sheets[name].select_dtypes("number"), expected.select_dtypes("number"))
    assert not (tmp_path / "without" / "tables.xlsx").exists()
