"""Datasets with several classes: what each class is found to be, hostile masks, and what is written and read again."""

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from class_scenes import CLASSES, RIGHT, make, save, swapped, values
from command import run
from segassay import evaluate, read_results
from segassay.assay.classes import share_names
from segassay.assay.rebuild import evaluation_of_run, rebuild, rebuild_in_place
from segassay.assay.side_by_side import write_side_by_side
from segassay.assay.track import class_metrics
from segassay.errors import DataError, UsageError
from segassay.judgement.classes import CLASS_TABLES, class_paths
from segassay.report.classes import class_section

pytestmark = pytest.mark.usefixtures("unrendered")

TURNED = "000000000000 000000000000 022220011110 022220011110 022220011110 000000000000"
CASES = {"1": values(RIGHT), "2": values(TURNED), "3": values(RIGHT)[::-1].copy()}


def raters(**masks: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    return {"anna": CASES, "ben": CASES} | masks


def cell(table: pd.DataFrame, **where: str) -> Any:
    """The value of the one row with these cells."""
    for column, value in where.items():
        table = table[table[column] == value]
    (found,) = table["value"]
    return found


def between(found: Any, of: str, measure: str) -> Any:
    return cell(found.of_classes["classes"], **{"class": of}, measure=measure, target="between raters")


def pixels(found: Any, class_a: str, class_b: str) -> int:
    table = found.of_classes["confusion"]
    return int(table[table["class_a"].eq(class_a) & table["class_b"].eq(class_b)]["n_pixels"].sum())


def test_a_rater_who_exchanges_two_classes_agrees_on_everything_but_the_classes(tmp_path: Path) -> None:
    exchanged = {case: swapped(mask) for case, mask in CASES.items()}
    found = evaluate(make(tmp_path, {"anna": CASES, "ben": exchanged}))
    assert found.agreement["f1"].eq(1).all()
    for name in CLASSES:
        assert between(found, name, "f1") == between(found, name, "dice_where_marked") == 0
    assert between(found, "mean", "f1") == 0
    assert [pixels(found, a, b) for a in CLASSES for b in CLASSES] == [0, 144, 144, 0]
    agreement = found.of_classes["class_agreement"]
    assert agreement["value"].max() < 0
    assert cell(agreement, unit="objects", measure="cohen_kappa") == -1


def test_the_evaluation_of_a_class_is_that_of_its_binary_masks(tmp_path: Path) -> None:
    other = {case: np.roll(mask, 2, axis=0) for case, mask in CASES.items()}
    found = evaluate(make(tmp_path / "classes", {"anna": CASES, "ben": other}))
    for name, value in CLASSES.items():
        of_class = {
            rater: {case: np.uint8(255) * (mask == value) for case, mask in masks.items()}
            for rater, masks in {"anna": CASES, "ben": other}.items()
        }
        folder = make(tmp_path / name, of_class)
        (folder / "dataset.yaml").unlink()
        binary = evaluate(folder)
        for table in ("agreement", "distances", "counts", "scores"):
            pd.testing.assert_frame_equal(binary.frames[table], found.classes[name].frames[table])


def test_a_class_that_only_one_rater_uses(tmp_path: Path) -> None:
    never = {case: np.minimum(mask, 1) for case, mask in CASES.items()}
    found = evaluate(make(tmp_path, raters(ben=never)))
    assert between(found, "tumour", "f1") == 0
    assert 0 < between(found, "zone", "f1") < 1
    assert pixels(found, "tumour", "zone") == 3 * 48


def test_a_class_that_nobody_marks_cannot_be_judged_and_is_in_no_mean(tmp_path: Path) -> None:
    found = evaluate(make(tmp_path, raters(), {**CLASSES, "vessel": 3}))
    assert between(found, "vessel", "f1") == 1
    assert np.isnan(between(found, "vessel", "f1_where_marked"))
    table = found.of_classes["classes"]
    assert table.loc[table["class"] == "mean", "n_classes"].max() == 2
    for judged in found.classes["vessel"].verdicts.values():
        assert judged.startswith("cannot be judged")
    assert "vessel" not in found.verdicts["raters"]
    assert found.summary["raters"]["sentence"].endswith("marked by nobody: class vessel.")


def test_the_verdicts_at_the_top_are_those_of_all_classes(tmp_path: Path) -> None:
    exchanged = {case: swapped(mask) for case, mask in CASES.items()}
    found = evaluate(make(tmp_path, {"anna": CASES, "ben": exchanged}))
    summary = found.summary
    parts = [summary["together"], *summary["classes"].values()]
    assert summary["raters"]["verdict"] == "cannot be judged: " + "; ".join(
        f"{name}: {part['raters']['verdict'].partition(': ')[2]}"
        for name, part in zip(("all classes together", "class zone", "class tumour"), parts, strict=True)
    )
    assert [one["name"] for one in summary["raters"]["criteria"][-2:]] == ["class zone", "class tumour"]
    assert summary["versions"]["rule_of_classes"] == "1"
    assert "rule_of_classes" not in found.classes["zone"].summary["versions"]
    section = class_section(found)
    assert section is not None
    assert section.together == "raters cannot be judged"


def test_a_model_that_puts_everything_into_one_class(tmp_path: Path) -> None:
    merged = save(tmp_path / "net", {case: np.minimum(mask, 1) for case, mask in CASES.items()})
    found = evaluate(make(tmp_path / "data", raters()), masks={"net": merged})
    with_net = {
        name: one.agreement.query("annotator_b == 'net' and iou_threshold == 0.5")["f1"].unique().tolist()
        for name, one in {"all": found, **found.classes}.items()
    }
    assert with_net == {"all": [1.0], "zone": [2 / 3], "tumour": [0.0]}
    assert pixels(found, "tumour", "zone") == 2 * 3 * 48


def test_a_class_in_two_pieces_is_two_objects_and_touching_classes_are_one(tmp_path: Path) -> None:
    mask = values("11122211 11122211")
    found = evaluate(make(tmp_path, {"anna": {"1": mask}, "ben": {"1": mask}}))
    assert [one.counts["n_objects"].tolist() for one in (found, *found.classes.values())] == [[1, 1], [2, 2], [1, 1]]


def test_volumes(tmp_path: Path) -> None:
    volume = np.zeros((4, 12, 12), dtype=np.uint8)
    volume[:, 1:5, 1:5], volume[1:3, 7:11, 7:11] = 1, 2
    make(tmp_path, {"anna": {"1": volume[0]}})  # for dataset.yaml
    for place in ("images", "labels/anna", "labels/ben"):
        shutil.rmtree(tmp_path / place, ignore_errors=True)
        (tmp_path / place).mkdir(parents=True)
        nib.save(nib.Nifti1Image(volume, np.diag([0.5, 0.5, 2, 1])), tmp_path / place / "1.nii.gz")
    found = evaluate(tmp_path, tmp_path / "out")
    assert found.of_classes["class_counts"]["n_pixels"].tolist() == [64, 32, 64, 32]
    assert found.classes["tumour"].agreement["dice"].eq(1).all()
    assert (tmp_path / "out/classes/tumour/report.html").is_file()


def test_no_model_is_told_by_the_names_of_exchangeable_raters(tmp_path: Path) -> None:
    found = evaluate(make(tmp_path, raters(), raters={"exchangeable": True}), tmp_path / "out")
    assert set(found.of_classes["class_agreement"]["target"]) == {"between raters"}
    for name in ("confusion", "confusion_objects", "class_agreement", "classes"):
        assert "anna" not in (tmp_path / f"out/tables/{name}.csv").read_text()


def test_masks_of_one_person_are_not_compared_in_the_figure(tmp_path: Path) -> None:
    exchanged = {case: swapped(mask) for case, mask in CASES.items()}
    tools = {"a_1": {"person": "anna", "tool": "x"}, "a_2": {"person": "anna", "tool": "y"}}
    masks = {"a_1": CASES, "a_2": exchanged, "ben": CASES}
    found = evaluate(make(tmp_path, masks, raters={**tools, "ben": {"person": "ben", "tool": "x"}}))
    pixels_of, _ = (axes for axes in found.plot.confusion() if axes.get_title(loc="left"))
    assert [text.get_text() for text in pixels_of.texts] == ["0.50", "0.50", "0.00"] * 2  # 0.33 with the pair of anna


def test_regions_are_evaluated_and_not_confused(tmp_path: Path) -> None:
    found = evaluate(make(tmp_path, raters(), {"organ": [1, 2], "tumour": 2}), tmp_path / "out")
    assert found.of_classes["confusion"].empty
    assert "classes overlap" in found.summary["policy"]["notes"][-1]
    assert found.classes["organ"].counts["area_px"].unique().tolist() == [96]
    assert "confusion" not in found.plot.available
    assert "Who calls what what" not in (tmp_path / "out/report.html").read_text()


def test_the_share_of_a_class_is_tested_in_the_experiment(tmp_path: Path) -> None:
    few, many = values("11122 00000"), values("12222 00000")
    cases = {f"{n}": (few if n < 6 else many) for n in range(12)} | {"12": np.zeros_like(few)}
    table = "case,group\n" + "".join(f"{n},{'C' if n < 6 else 'T'}\n" for n in range(13))
    found = evaluate(
        make(tmp_path, {"anna": cases, "ben": cases}, experiment=table, control_group="C", measurements=["count"])
    )
    assert set(found.effects["measure"]) == {"count", *share_names(CLASSES).values()}
    rows = found.effects[found.effects["test"].eq("mann_whitney") & found.effects["annotator"].eq("anna")]
    own = rows.set_index("measure")
    assert own.loc[["share_zone", "share_tumour"], "verdict"].tolist() == ["lower", "higher"]
    assert own.loc["share_tumour", "hl_shift"] == pytest.approx(1)  # from 2 of 5 to 4 of 5, in multiples of the control
    assert own.loc["share_tumour", "n_undefined"] == 1
    assert own.loc["object_share_tumour", "n_left_out"] == 12  # no object of the control group is a tumour


def test_names_of_shares_fit_into_tables() -> None:
    names = share_names(["x" * 80, "x" * 90, "Tumour (T1)", "tumour-(T1)"], ["share_a"])
    assert len({name.casefold() for name in names.values()}) == 8
    assert all(len(name) <= 40 and name.replace("_", "a").isalnum() for name in names.values())


def test_folders_of_classes_are_safe() -> None:
    paths = class_paths(["../../etc", "a/b", "A b", "a_b", "<script>", "con", "腫瘍", "zone", ".", "x" * 300])
    assert len({path.casefold() for path in paths.values()}) == len(paths)
    for path in paths.values():
        room, name = path.split("/")
        assert room == "classes"
        assert name.replace("_", "a").replace("-", "a").isalnum()
        assert len(name) < 70


def evil(out: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Classes whose names are refused, in `dataset.yaml` and in memory; pages are safe even so."""
    monkeypatch.setattr("segassay.data.arrays.rules_broken", lambda *_: ())
    return evaluate(masks=raters(), classes={"<script>alert(1)</script>": 1, "tumour & co": 2}, out=out)


def test_names_of_classes_are_text_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = evil(tmp_path / "out", monkeypatch)
    pages = [path.read_text() for path in (tmp_path / "out").rglob("report.html")]
    assert len(pages) == 3
    for page in pages:
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page or "tumour &amp; co" in page
    assert 'href="classes/tumour_co/report.html"' in pages[0] + pages[1] + pages[2]
    assert "<script>" not in found._repr_html_()
    assert "class tumour & co: raters cannot be judged" in str(found)


def test_what_is_written_is_read_and_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    found = evil(out, monkeypatch)
    read = read_results(out)
    assert list(read.classes) == list(found.classes)
    for name, one in read.classes.items():
        assert one.verdicts == found.classes[name].verdicts
        pd.testing.assert_frame_equal(one.agreement, found.classes[name].agreement)
    assert read.of_classes.keys() == found.of_classes.keys()
    written = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    rebuild(out, tmp_path / "again")
    read.save(tmp_path / "saved")
    for folder in ("again", "saved"):
        again = {
            p.relative_to(tmp_path / folder): p.read_bytes() for p in (tmp_path / folder).rglob("*") if p.is_file()
        }
        assert again == written
    for path in (out / "report.html", out / "classes/tumour_co/report.html"):
        path.write_text("damaged")
    rebuild_in_place(out)
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()} == written
    (out / "classes/tumour_co/tables/scores.csv").write_text("cut")
    with pytest.raises(DataError, match=r"tumour_co.tables.scores\.csv"):
        read_results(out)


def test_the_report_alone_has_no_links_to_others(tmp_path: Path) -> None:
    found = evaluate(make(tmp_path / "data", raters()))
    page = found.report(tmp_path / "alone.html").read_text()
    assert "Who calls what what" in page
    assert 'href="classes/' not in page
    assert 'href="../../report.html"' not in found.classes["zone"].report(tmp_path / "zone.html").read_text()


def test_arrays_in_memory_are_as_a_folder(tmp_path: Path) -> None:
    other = {case: np.roll(mask, 2, axis=0) for case, mask in CASES.items()}
    folder = evaluate(make(tmp_path, {"anna": CASES, "ben": other}))
    found = evaluate(masks={"anna": CASES, "ben": other}, classes=CLASSES)
    for name in ("confusion", "confusion_objects", "class_counts", "class_agreement"):
        pd.testing.assert_frame_equal(found.of_classes[name], folder.of_classes[name])
    for name in CLASSES:
        pd.testing.assert_frame_equal(found.classes[name].agreement, folder.classes[name].agreement)


def test_values_of_classes_may_be_those_of_an_array() -> None:
    values = dict(zip(CLASSES, np.array([CLASSES[name] for name in CLASSES], dtype=np.uint8), strict=True))
    found = [evaluate(masks=raters(), classes=one) for one in (CLASSES, values, {k: [v] for k, v in values.items()})]
    for one in found[1:]:
        pd.testing.assert_frame_equal(one.agreement, found[0].agreement)


def test_wrong_classes_in_memory_are_refused() -> None:
    with pytest.raises(UsageError, match="classes names fewer than two classes"):
        evaluate(masks={"anna": CASES, "ben": CASES}, classes={"zone": 1})
    with pytest.raises(UsageError, match="classes"):
        evaluate(masks={"anna": CASES, "ben": CASES}, classes={"zone": 0, "tumour": 2})
    with pytest.raises(UsageError, match="classes"):
        evaluate(masks={"anna": CASES, "ben": CASES}, classes={"zone": 1.5, "tumour": 2})
    with pytest.raises(DataError, match=r"masks\['anna'\]\['1'\] holds the value 2; classes names 0, 1, 3"):
        evaluate(masks={"anna": CASES, "ben": CASES}, classes={"zone": 1, "tumour": 3})


@pytest.mark.parametrize(
    ("classes", "what"),
    [
        ({"background": 1, "tumour": 2}, "a class is named 'background', which has another meaning"),
        ({"mean": 1, "tumour": 2}, "a class is named 'mean'"),
        ({"all": 1, "tumour": 2}, "a class is named 'all'"),
        ({"=1": 1, "tumour": 2}, "the class '=1' has a name that no folder or column can have"),
        ({"a/b": 1, "tumour": 2}, "the class 'a/b' has a name that no"),
        ({"": 1, "tumour": 2}, "the class '' has a name that no"),
        ({"Tumour": 1, "tumour": 2}, "'?Tumour'?, '?tumour'? differ in capitals alone"),
        ({"zone": 1, "tumour": [1]}, "the classes 'zone' and 'tumour' have the same values, 1"),
    ],
)
def test_classes_in_memory_are_named_as_in_a_folder(
    tmp_path: Path, classes: dict[str, int | list[int]], what: str
) -> None:
    with pytest.raises(UsageError, match=f"^classes: .*{what}"):
        evaluate(masks={"anna": CASES, "ben": CASES}, classes=classes)
    make(tmp_path, {"anna": CASES, "ben": CASES})
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({"classes": classes}, sort_keys=False))
    with pytest.raises(DataError, match=what):
        evaluate(tmp_path)


def test_probabilities_of_a_model_are_those_of_each_class() -> None:
    """Class 2 has a channel of its own, perfectly calibrated; that of class 1 is always wrong."""
    rows = [(case, rater, "human", mask, "") for rater in ("anna", "ben") for case, mask in CASES.items()]
    for case, mask in CASES.items():
        prob = np.stack([np.zeros(mask.shape), mask == 2]).astype(np.float32)
        rows.append((case, "net", "model", mask, prob))
    table = pd.DataFrame(rows, columns=["case", "annotator", "kind", "path", "prob"])
    found = evaluate(annotations=table, classes=CLASSES)
    ece = {name: cell(one.scores, measure="ece", target="net") for name, one in found.classes.items()}
    assert ece["tumour"] == 0
    assert ece["zone"] > 0
    table["prob"] = [prob[:1] if isinstance(prob, np.ndarray) else prob for prob in table["prob"]]
    with pytest.raises(DataError, match="has 1 channel, but the dataset has 2 classes"):
        evaluate(annotations=table, classes=CLASSES)


def test_the_command_says_every_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    folder = make(tmp_path / "data", raters())
    assert run(monkeypatch, "evaluate", folder, "--out", tmp_path / "out", "--no-mlflow", "--quiet") == 0
    said = capsys.readouterr().out
    assert "class zone: raters cannot be judged" in said
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert list(summary["classes"]) == ["zone", "tumour"]
    assert set(summary["classes"]["zone"]) == {"raters", "objectivity", "reliability", "validity"}
    assert summary["classes"]["zone"]["raters"].keys() == {"verdict", "outcome", "missing", "sentence"}


def test_a_run_has_the_numbers_of_every_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setattr("segassay.data.arrays.rules_broken", lambda *_: ())
    found = evaluate(masks=raters(), classes={"<b>": 1, "tumour": 2}, out=tmp_path / "out", track=True)
    client = MlflowClient()
    (experiment,) = (one for one in client.search_experiments() if one.name != "Default")
    (logged,) = client.search_runs([experiment.experiment_id])
    metrics, tags = logged.data.metrics, logged.data.tags
    assert metrics["classes/b/objectivity/f1_where_marked"] == 1
    assert metrics["mean_of_classes/objectivity/dice"] == 1
    assert tags["classes/tumour/verdict.raters"] == "cannot be judged"
    assert set(class_metrics(found.of_classes["classes"], class_paths(found.classes))) <= set(metrics)
    with evaluation_of_run(logged.info.run_id) as folder:
        assert list(read_results(folder).classes) == ["<b>", "tumour"]


def test_the_guide_names_every_table_and_its_code_runs() -> None:
    guide = (Path(__file__).parents[2] / "docs/classes.md").read_text(encoding="utf-8")
    assert all(f"`{name}.csv`" in guide for name in CLASS_TABLES)
    names: dict[str, Any] = {}
    exec(guide.split("```python")[1].split("```")[0], names)
    assert pixels(names["found"], "tumour", "zone") == 64


def test_classes_of_two_evaluations_are_compared_one_by_one(tmp_path: Path) -> None:
    other = {case: np.roll(mask, 1, axis=0) for case, mask in CASES.items()}
    evaluate(make(tmp_path / "lab", raters()), out=tmp_path / "before")
    evaluate(make(tmp_path / "changed", raters(ben=other)), out=tmp_path / "after")
    places = [str(tmp_path / "before"), str(tmp_path / "after")]
    _, page = write_side_by_side(places, tmp_path / "compared")
    assert page is not None
    text = page.read_text(encoding="utf-8")
    for name, path in class_paths(CLASSES).items():
        assert f'<a href="{path}/compare.html">{name}</a>' in text
        table = pd.read_csv(tmp_path / "compared" / path / "tables" / "scores.csv")
        own = pd.read_csv(tmp_path / "after" / path / "tables" / "scores.csv")
        assert set(own["value"].dropna()) <= set(table.loc[table["evaluation"] == "after", "value"].dropna())
    assert "Classes:" not in text
    drawn = {case: np.uint8(255) * (mask > 0) for case, mask in CASES.items()}
    alone = make(tmp_path / "one", {"anna": drawn, "ben": drawn})
    (alone / "dataset.yaml").unlink()
    evaluate(alone, out=tmp_path / "binary")
    comparison, page = write_side_by_side([places[0], str(tmp_path / "binary")], tmp_path / "again")
    assert page is not None
    assert f"Classes: {', '.join(CLASSES)} → one foreground." in comparison.changes["binary"]
    assert not (tmp_path / "again" / "classes").exists()
