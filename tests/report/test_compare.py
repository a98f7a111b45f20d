"""Evaluations side by side: what changed is said, and what is not the same is not compared."""

import dataclasses
import html
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from command import run
from drawing import fits
from segassay import Evaluation, evaluate
from segassay.assay.frames import results_of
from segassay.assay.read import read_results
from segassay.errors import UsageError
from segassay.report.charts.paired import differences_figure
from segassay.report.compare import compare_evaluations

NOTHING = "Nothing changed: the data, the settings, the versions, the verdicts and all scores are the same."


def scene(n_cases: int, *, worse: int = 0, first: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """Masks of two raters and a net: nine squares in each case, of which the net misses as many as it is worse."""
    masks: dict[str, dict[str, np.ndarray]] = {"anna": {}, "ben": {}, "net": {}}
    for number in range(first, first + n_cases):
        drawn = np.zeros((3, 40, 40), dtype=bool)
        places = [(row, column) for row in (2, 12, 22, 32) for column in (2, 12, 22, 32)]
        for at, (row, column) in enumerate(np.random.default_rng(number).permutation(places)[:9]):
            size = 4 + at % 3
            drawn[0, row : row + size, column : column + size] = True
            drawn[1, row : row + size, column + (at == number % 9) : column + size] = True
            drawn[2, row : row + size, column : column + size] = at >= worse + number % 2
        for name, mask in zip(masks, drawn, strict=True):
            masks[name][str(number)] = mask
    return masks


def judged(masks: dict[str, dict[str, np.ndarray]]) -> Evaluation:
    return evaluate(masks=masks, kinds={"net": "model"})


@pytest.fixture(scope="module")
def first() -> Evaluation:
    return judged(scene(6))


@pytest.fixture(scope="module")
def worse() -> Evaluation:
    return judged(scene(6, worse=3))


@pytest.fixture(scope="module")
def foreign() -> Evaluation:
    """Other masks in cases of the same names; numbers and areas of anna's objects are those of the first."""
    other = {name: dict(zip("012345", of.values(), strict=True)) for name, of in scene(6, first=20).items()}
    return judged(other)


CASES, ANNOTATORS = ("case",), ("annotator", "annotator_a", "annotator_b", "rater", "target", "reference")


def changed(found: Evaluation, names: dict[str, str], columns: tuple[str, ...]) -> Evaluation:
    """The same evaluation with other names in these columns of all tables."""

    def rename(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(**{column: table[column].replace(names) for column in columns if column in table})

    frames = {name: rename(frame) for name, frame in found.frames.items()}
    return Evaluation(**vars(results_of(found.name, frames, found.summary)), kept_gallery=found.gallery)


def of_cases(*parts: tuple[Evaluation, str]) -> Evaluation:
    """Some cases of one evaluation, some of another; scores are those of the first."""
    frames = dict(parts[0][0].frames)
    for name in [name for name, frame in frames.items() if "case" in frame]:
        rows = [found.frames[name][found.frames[name]["case"].isin(list(cases))] for found, cases in parts]
        frames[name] = pd.concat(rows, ignore_index=True)
    return Evaluation(**vars(results_of("some cases", frames, parts[0][0].summary)), kept_gallery={})


def test_the_same_twice_says_that_nothing_changed(written):
    found = compare_evaluations({"a": read_results(written.folder), "b": written.found})
    assert found.changes == {"b": (NOTHING,)}
    differences = found.tables["differences"]
    assert (differences["difference"].abs() < 1e-9).all()
    assert set(differences["n_cases"]) == {6}
    assert set(differences["name"]) >= {"expert models", "anna/s0", "staple/s0-3"}
    assert found.tables["cases"]["same_as_first"].all()


def test_a_worse_model_has_a_paired_difference_with_its_interval(first, worse):
    found = compare_evaluations({"old": first, "new": worse})
    (row,) = found.tables["differences"].query("measure == 'f1'").to_dict("records")
    values = [one.tables.agreement.query("iou_threshold == .5 and annotator_b == 'net'") for one in (worse, first)]
    by_hand = np.subtract(*(table.groupby("case")["f1"].mean() for table in values))
    assert row["difference"] == pytest.approx(by_hand.mean())
    assert row["low"] < row["difference"] < row["high"] < 0
    assert (row["name"], row["n_cases"], row["against"]) == ("net", 6, "with the raters")
    said = " ".join(found.changes["new"])
    assert "net has other masks in 6 of 6 shared cases" in said
    assert "The data differ: hash" in said
    assert "anna has other masks" not in said


def test_another_dataset_with_the_same_names_of_cases_is_not_compared(first, foreign):
    """Although anna's objects have the same numbers and areas."""
    assert first.counts.query("annotator == 'anna'")["area_px"].nunique() == 1
    found = compare_evaluations({"a": first, "b": foreign})
    assert found.tables["differences"].empty
    assert "Of 6 cases with the same name, none is scored against the same masks" in " ".join(found.changes["b"])


def test_cases_of_the_same_name_with_other_masks_are_not_paired(first, foreign):
    found = compare_evaluations({"a": first, "b": of_cases((first, "012"), (foreign, "345"))})
    assert set(found.tables["differences"]["n_cases"]) == {3}
    assert "Of 6 cases with the same name, 3 are scored against the same masks" in " ".join(found.changes["b"])
    cases = found.tables["cases"].query("evaluation == 'b' and same_as_first")
    assert cases["case"].tolist() == ["0", "1", "2"]


def test_where_only_the_hash_differs_it_is_said(first):
    other = dataclasses.replace(first, summary=first.summary | {"data_hash": "0" * 64})
    assert compare_evaluations({"a": first, "b": other}).changes["b"] == (
        f"The data differ: hash {first.summary['data_hash'][:12]} → 000000000000.",
    )


def test_masks_beside_the_same_dataset_are_no_other_data(first):
    other = dataclasses.replace(first, summary=first.summary | {"masks_hash": "0" * 64})
    ours = first.summary["data_hash"][:12]
    assert compare_evaluations({"a": first, "b": other}).changes["b"] == (
        f"The dataset is the same; the masks that were evaluated differ: hash {ours} → 000000000000.",
    )


def test_other_cases_annotators_and_settings_are_named(first):
    other = changed(of_cases((first, "2345")), {"ben": "cleo"}, ANNOTATORS)
    summary = other.summary | {"policy": other.summary["policy"] | {"min_object_size": 3}}
    found = compare_evaluations({"a": first, "b": dataclasses.replace(other, summary=summary)})
    said = " ".join(found.changes["b"])
    assert "2 cases only in the first evaluation: 0, 1." in said
    assert "1 annotator only in the first evaluation: ben. 1 annotator only here: cleo." in said
    assert "min_object_size: 0 → 3." in said
    assert found.tables["differences"].empty  # cleo is no ben: the scores are against other raters
    settings = found.tables["settings"].query("differs and setting == 'min_object_size'")
    assert settings["value"].tolist() == ["0", "3"]
    nobody = changed(first, dict(zip("012345", "uvwxyz", strict=True)), CASES)
    assert "No case is in both" in " ".join(compare_evaluations({"a": first, "b": nobody}).changes["b"])


def test_a_changed_verdict_and_rule_are_said(first):
    summary = {**first.summary, "validity": {**first.summary["validity"], "outcome": "supported", "rule": "Always."}}
    summary["versions"] = {**summary["versions"], "rules": "99"}
    said = " ".join(compare_evaluations({"a": first, "b": dataclasses.replace(first, summary=summary)}).changes["b"])
    assert re.search(r"Verdict of validity: cannot be judged.* → supported\.", said)
    assert "The rule of validity has another text." in said
    assert re.search(r"version of rules: \d+ → 99\.", said)


def test_one_evaluation_is_not_enough(first):
    with pytest.raises(UsageError, match="expected two or more evaluations to compare, got 1"):
        compare_evaluations({"a": first})


def test_the_figure_holds_many_long_names():
    rows = [
        (f"consensus-of-all-raters/seed-{i}", m, 0.1, 0.0, 0.2, 0.01, 12) for i in range(40) for m in ("f1", "dice")
    ]
    table = pd.DataFrame(rows, columns=["name", "measure", "difference", "low", "high", "p_adjusted", "n_cases"])
    figure = differences_figure(table)
    assert fits(figure)
    assert len(figure.axes) == 2


def save(found: Evaluation, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its tables, without figures and page."""
    from segassay.report import page, plots

    with monkeypatch.context() as patch:
        patch.setattr(plots, "draw_figures", lambda *arguments: {})
        patch.setattr(page, "write_report", lambda *arguments, **named: None)
        return found.save(folder)


def test_the_page_is_one_file_without_markup_of_names(first, worse, tmp_path, monkeypatch, capsys):
    odd = {"net": "<script>alert(1)</script>"}
    one = save(changed(first, odd, ANNOTATORS), tmp_path / "one", monkeypatch)
    other = save(changed(worse, odd, ANNOTATORS), tmp_path / "<b>two", monkeypatch)
    for out in ("out", "again"):
        assert run(monkeypatch, "report", "compare", one, other, "--out", tmp_path / out) == 0
    page = (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;b&gt;two" in page
    assert "default-src 'none'" in html.unescape(page)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in re.findall(r'(?:src|href)="([^"]*)', page))
    assert page.count("data:image/svg+xml") == 1
    files = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == 11
    for path in files:
        assert (tmp_path / "out" / path).read_bytes() == (tmp_path / "again" / path).read_bytes(), path
    assert "compared with one:" in capsys.readouterr().out


def test_folders_and_runs_side_by_side(written: SimpleNamespace, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", written.store)
    assert run(monkeypatch, "report", "compare", written.folder, written.run_id) == 0
    assert capsys.readouterr().out.splitlines() == [f"{written.run_id}, compared with out:", f"  {NOTHING}"]
    broken = Path(shutil.copytree(written.folder, tmp_path / "broken"))
    (broken / "tables" / "counts.csv").write_bytes(b"")
    assert run(monkeypatch, "report", "compare", written.folder, broken, "--out", tmp_path / "out") == 1
    assert "counts.csv: is empty; evaluate again" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run(monkeypatch, "report", "compare", written.folder) == 2
    assert run(monkeypatch, "report", "compare", written.folder, broken, "--style", "talk") == 2
    assert "--style is not for `segassay report compare`" in capsys.readouterr().err
