"""Tables of many cases in Parquet files: the same numbers as in memory, bounded memory, resumed, and read again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from command import without_pictures
from folders import contents
from killed_evaluations import Killed, kill_at
from segassay import evaluate, read_results
from segassay.assay.rebuild import rebuild
from segassay.data.annotations import read_annotations
from segassay.data.dataset import read_dataset
from segassay.errors import DataError, UsageError
from segassay.io import stored_tables
from segassay.io.stored_tables import StoredTable, part_path, rows_where
from segassay.io.table_files import types_of
from segassay.io.workbooks import write_workbook
from segassay.judgement.measures import build_scores, further_measures
from segassay.judgement.strategies import strategy_table
from segassay.judgement.summary import summarise
from segassay.qualities.scores.table import Findings
from segassay.report.charts.tables import f1_over_threshold
from segassay.simulation.dataset import Simulation, simulate
from segassay.simulation.study_tables import SimulatedStudy, simulate_tables
from segassay.tables import kept, stored
from segassay.tables.build import Tables, build_tables
from segassay.tables.case import CASE_TABLES
from segassay.workers.tasks import LostError

HEAVY = ("agreement", "leave_one_out", "surface_shares", "single_votes", "object_votes")
"""Tables that grow fastest; no step of an evaluation may hold one of them."""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five images, of which each is a block."""
    monkeypatch.setattr(stored, "MOST_CASES", 4)
    monkeypatch.setattr(stored, "ROWS", 1)
    monkeypatch.setattr(kept, "SECONDS", 0.0)
    without_pictures(monkeypatch)
    return simulate(tmp_path / "data", Simulation(n_cases=5, images_per_subject=1, shape=(48, 48), n_nuclei=4, seed=1))


def build(data: Path, min_object_size: int = 0) -> Tables:
    """The tables alone, stored beside the data."""
    dataset = read_dataset(data)
    settings = dataset.settings.model_copy(update={"min_object_size": min_object_size})
    return build_tables(
        replace(dataset, settings=settings), read_annotations(dataset), n_jobs=1, kept=data.parent / "kept"
    )


def frames(tables: Tables) -> dict[str, pd.DataFrame]:
    return {name: stored_tables.whole(getattr(tables, name)) for name in CASE_TABLES if hasattr(tables, name)}


@pytest.fixture
def none_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """No heavy table may be read whole."""
    frame = StoredTable.frame

    def refused(self: StoredTable, columns: list[str] | None = None) -> pd.DataFrame:
        assert columns is not None or self.folder.name not in HEAVY, f"{self.folder.name} was read whole"
        return frame(self, columns)

    monkeypatch.setattr(StoredTable, "frame", refused)


def in_parts(tables: Tables, folder: Path, n_parts: int = 3) -> Tables:
    """The same tables, stored; each case is in one part."""
    changed = {}
    for name in CASE_TABLES:
        table = getattr(tables, name, None)
        if name in stored.IN_MEMORY or table is None or not len(table):
            continue
        whole_numbers = [column for column, of in CASE_TABLES[name].columns.items() if of is int]
        table = table.astype(dict.fromkeys(whole_numbers, "Int64"))
        cases = pd.factorize(table["case"])[0]
        for part in range(n_parts):
            rows = table[cases * n_parts // (cases.max() + 1) == part].reset_index(drop=True)
            StoredTable.write(part_path(folder / name, part), rows)
        changed[name] = StoredTable(folder / name, types_of(table))
    return replace(tables, **changed)


def test_stored_tables_give_the_numbers_figures_and_verdicts_of_tables_in_memory(
    data, tmp_path, monkeypatch, none_whole
):
    with monkeypatch.context() as patch:
        patch.setattr(stored, "MOST_CASES", 5)
        plain = evaluate(data, tmp_path / "plain")
    found = evaluate(data, tmp_path / "out")
    one, other = contents(tmp_path / "plain"), contents(tmp_path / "out")
    in_parquet = {name for name, table in found.frames.items() if isinstance(table, StoredTable)}
    assert {"agreement", "distances", "votes", "single_votes"} < in_parquet
    assert {name for name in one if name not in other} == {f"tables/{name}.csv" for name in in_parquet}
    assert len([name for name in other if name not in one]) >= 4 * len(in_parquet)  # a table has no rows of some cases
    assert {name for name in one if name in other and one[name] != other[name]} == {*("files.json", "summary.json")}
    for name, table in plain.frames.items():
        columns = list(table.columns)
        pd.testing.assert_frame_equal(found.frames[name][columns], table)
    summaries = [json.loads(files["summary.json"]) for files in (one, other)]
    notes = [of["policy"].pop("notes") for of in summaries]
    assert summaries[0] == summaries[1]
    assert set(notes[1]) - set(notes[0]) == {
        "of more than 4 images (5 here), tables with several rows for each are folders of Parquet files instead of CSV "
        "files"
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", "plain"]
    read = read_results(tmp_path / "out")
    assert read.frames["votes"]["n_pixels"].tolist() == plain.frames["votes"]["n_pixels"].tolist()
    rebuild(tmp_path / "out", tmp_path / "again")
    assert contents(tmp_path / "again") == other
    part = next((tmp_path / "out" / "tables" / "votes").iterdir())
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    with pytest.raises(DataError, match=r"votes.part-0000000\d.parquet: is not as it was written"):
        read_results(tmp_path / "out")
    part.unlink()
    with pytest.raises(DataError, match="is missing"):
        read_results(tmp_path / "out")


def test_every_measure_of_a_study_is_the_same_of_stored_tables(tmp_path, none_whole):
    settings = SimulatedStudy((-0.3, 0.0, 0.3), (0.0, 0.02, 0.01), n_subjects=2, n_seeds=1, n_consensus_seeds=4)
    found = simulate_tables(settings).findings()
    other = replace(found, tables=in_parts(found.tables, tmp_path))
    assert isinstance(other.tables.uncertainty, StoredTable)
    one, two = results(found), results(other)
    for table, same in zip(one, two, strict=True):
        pd.testing.assert_frame_equal(table, same)
    assert summarise(one[0], found) == summarise(two[0], other)
    kinds = dict(found.annotations[["annotator", "kind"]].itertuples(index=False))
    for against in (found.tables.leave_one_out, found.tables.leave_one_out[:0]):
        others = other.tables.leave_one_out if len(against) else against
        drawn = [
            f1_over_threshold(found.tables.agreement, against, kinds),
            f1_over_threshold(other.tables.agreement, others, kinds),
        ]
        lines = [[line.get_ydata() for line in figure.axes[0].lines] for figure in drawn]
        assert len(lines[0]) > 3
        for pair in zip(*lines, strict=True):
            np.testing.assert_allclose(*pair, rtol=1e-12)


def results(found: Findings) -> list[pd.DataFrame]:
    further, gaps = further_measures(found)
    return [build_scores(found.tables, found.annotations, found.clusters), further, gaps, strategy_table(found)]


@pytest.mark.parametrize(
    ("damage", "n_again"),
    [("nothing", 1), ("no block yet", 1), ("a part", 2), ("no part", 2), ("the list", 2), ("a setting", 5)],
)
def test_a_killed_evaluation_resumes_with_the_blocks_that_are_whole(data, monkeypatch, caplog, damage, n_again):
    monkeypatch.setattr(stored, "MOST_CASES", 5)
    plain = frames(build(data, 30 if damage == "a setting" else 0))
    monkeypatch.setattr(stored, "MOST_CASES", 4)
    (data.parent / "kept").unlink()
    with monkeypatch.context() as patch:
        if damage == "no block yet":
            patch.setattr(stored, "ROWS", 10**6)
        kill_at(patch, 4)
        with pytest.raises(Killed):
            build(data)
    (folder,) = data.parent.glob("kept.*")
    parts = sorted(folder.glob("agreement/*"))
    assert len(parts) == (0 if damage == "no block yet" else 4)
    if damage == "a part":
        parts[1].write_bytes(parts[1].read_bytes()[:-1] + b"?")
    if damage == "no part":
        parts[0].unlink()
    if damage == "the list":
        (folder / "blocks.jsonl").write_bytes((folder / "blocks.jsonl").read_bytes()[:-40])
    rest = kill_at(monkeypatch, None)
    tables = build(data, 30 if damage == "a setting" else 0)
    assert len(rest) == n_again
    assert damage == "a setting" or "of 5 cases" in caplog.text
    for name, table in frames(tables).items():
        pd.testing.assert_frame_equal(table, plain[name])


def test_after_a_case_that_is_lost_only_this_case_is_compared_again(data, monkeypatch):
    plain = frames(build(data))
    shutil.rmtree(next(data.parent.glob("kept.*")))
    each = kept.each_in_order
    with monkeypatch.context() as patch:

        def losing(work, jobs, n_jobs):
            for number, rows in enumerate(each(work, jobs, n_jobs)):
                yield LostError([str(number)]) if number == 1 else rows

        patch.setattr(kept, "each_in_order", losing)
        with pytest.raises(LostError):
            build(data)
    rest = kill_at(monkeypatch, None)
    for name, table in frames(build(data)).items():
        pd.testing.assert_frame_equal(table, plain[name])
    assert len(rest) == 1


def test_without_pyarrow_one_message_names_the_extra(data, monkeypatch):
    monkeypatch.setattr(stored_tables, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"more than 4 images needs pyarrow.*segassay\[parquet\]"):
        build(data)
    assert sorted(path.name for path in data.parent.iterdir()) == ["data"]
    monkeypatch.setattr(stored, "MOST_CASES", 5)
    assert isinstance(build(data).agreement, pd.DataFrame)


def odd_table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "case": ["007", 'ünï,\n"c"', "007", ""],
            "n": pd.array([1, pd.NA, -(2**60), 0], dtype="Int64"),
            "f1": [0.1, np.nan, np.inf, -0.0],
        }
    )


def test_a_stored_table_answers_like_its_frame(tmp_path):
    plain = odd_table()
    for place, rows in enumerate((plain[:3], plain[3:])):
        StoredTable.write(part_path(tmp_path, place), rows)
    table = StoredTable(tmp_path, types_of(plain))
    pd.testing.assert_frame_equal(table.frame(), plain)
    pd.testing.assert_series_equal(table["n"], plain["n"])
    pd.testing.assert_frame_equal(table[["f1", "case"]], plain[["f1", "case"]])
    for mask in (plain["case"] == "007", plain["n"].eq(0), np.array([False, True, False, True]), plain["f1"] > 9e9):
        kept_rows = pd.Series(mask).fillna(False).to_numpy(dtype=bool)
        pd.testing.assert_frame_equal(table[mask], plain[kept_rows])
        pd.testing.assert_frame_equal(rows_where(table, lambda part: part["f1"] > 0), plain[plain["f1"] > 0])
    assert (len(table), table.empty, "n" in table, list(table), list(table.columns)) == (
        *(4, False, True, ["case", "n", "f1"]),
        ["case", "n", "f1"],
    )
    assert table.groupby("case", sort=False).size().tolist() == [2, 1, 1]  # anything else is that of the frame
    with pytest.raises(ValueError, match="a mask of 2 rows does not fit a table of 4"):
        table[np.array([True, False])]
    by = stored_tables.rows_by(table, "case")
    assert list(by) == list(plain["case"].unique())
    pd.testing.assert_frame_equal(by["007"], plain[plain["case"] == "007"])
    assert "008" not in by
    write_workbook(tmp_path / "tables.xlsx", {"votes": table})
    said = pd.read_excel(tmp_path / "tables.xlsx", header=None)
    assert said.to_numpy().tolist() == [["The table votes has 4 rows in Parquet files; read tables/votes instead."]]
