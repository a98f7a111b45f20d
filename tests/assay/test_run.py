"""`segassay evaluate` as its users run it: on a published lab, on another tool's masks, and on input that is wrong."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image

import command
from folders import contents
from forked import Forked, forgetting, pool_of_copies
from published_lab import Lab, use_tables
from segassay import tracking
from segassay.assay import evaluate, numbers
from segassay.assay.evaluation import Evaluation
from segassay.assay.sources import data_hash_of_masks
from segassay.assay.track import VIEW
from segassay.checks.check import check_dataset
from segassay.checks.report import listed
from segassay.data.annotations import read_annotations
from segassay.data.dataset import data_hash, read_dataset
from segassay.data.published.download import download
from segassay.io.images import read_mask, write_mask
from segassay.qualities.scores.table import SCORE_COLUMNS
from segassay.report import plots
from segassay.simulation.dataset import RaterHabit, Simulation, simulate
from segassay.workers import pool

pytestmark = pytest.mark.usefixtures("unrendered")

TABLES = [
    *("agreement", "annotations", "counts", "distances", "effects", "leave_one_out", "not_judged", "prerequisites"),
    *("raters", "recall_by_contrast", "recall_by_size", "recounts", "scores", "specifications", "votes"),
    *("boundaries", "elsewhere", "groups", "identical", "mirrored", "object_votes", "single_votes"),
    *("surface_shares", "uncounted"),
    *("checklist_grras", "checklist_claim", "checklist_tripod_ai"),
]
FIGURES = ["agreement", "effects_count", "effects_mean_intensity", "f1_over_threshold", "habits", "specifications"]
RATERS = tuple(RaterHabit(f"rater_{i}", brightness_threshold=1 + 0.5 * i) for i in range(4))


def run(*words: object) -> int:
    """Exit code of `segassay …`, where no test has a `monkeypatch` to give."""
    with pytest.MonkeyPatch.context() as patch:
        return command.run(patch, *words)


def read_table(out: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(out / "tables" / f"{name}.csv", dtype={"case": str})


def at_half(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["iou_threshold"] == 0.5]


@pytest.fixture(scope="module")
def wue1(data_dir: Path, lab_wue1: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is written about lab-wue1: five raters, the reference, the experiment; its masks are compared once."""
    folder = tmp_path_factory.mktemp("wue1")
    dataset = download(folder, labs=["wue1"], mirror=data_dir)[0].folder
    with pytest.MonkeyPatch.context() as patch:
        asked = use_tables(patch, lab_wue1, numbers)
        patch.setattr(pool, "ProcessPoolExecutor", pool_of_copies)
        assert run("evaluate", dataset, "--out", folder / "out", "--jobs", 2) == 0
    assert len(asked) == 1
    return folder / "out"


def test_everything_is_written_and_nothing_else(wue1):
    files = {path.relative_to(wue1).as_posix() for path in wue1.rglob("*") if path.is_file()}
    figures = {f"figures/{name}.{kind}" for name in FIGURES for kind in ("svg", "png")}
    assert files == {
        *("summary.json", "files.json", "report.html", "gallery.json"),
        *(f"tables/{name}.csv" for name in TABLES),
        *figures,
    }
    assert not wue1.with_name("out.partial").exists()


def test_agreement_with_the_reference_is_as_published(wue1):
    agreement = at_half(read_table(wue1, "agreement"))
    of_reference = agreement[agreement["annotator_a"] == "est_GT"].groupby("annotator_b")["f1"].mean()
    assert of_reference.round(4).to_list() == [0.5076, 0.8121, 0.7723, 0.7894, 0.8101]
    pair = agreement[(agreement["annotator_a"] == "expert_2") & (agreement["annotator_b"] == "expert_5")]
    assert (round(pair["f1"].mean(), 4), round(pair["mean_iou"].mean(), 4)) == (0.6699, 0.6306)
    assert len(agreement) == 36 * 15


def test_object_totals_are_as_published(wue1):
    totals = read_table(wue1, "counts").groupby("annotator")["n_objects"].sum()
    assert totals.to_dict() == {
        "est_GT": 3296, "expert_1": 1559, "expert_2": 3297, "expert_3": 3612, "expert_4": 3900, "expert_5": 3315,
    }  # fmt: skip


def test_people_reach_less_against_a_consensus_without_them(wue1):
    left_out = at_half(read_table(wue1, "leave_one_out"))
    assert set(left_out["annotator"]) == {f"expert_{i}" for i in range(1, 6)}
    assert round(left_out["f1"].mean(), 3) == 0.664
    scores = read_table(wue1, "scores").set_index(["measure", "target"])
    assert round(scores.loc[("f1_leave_one_out", "all raters"), "value"], 3) == 0.664


def test_effects_of_the_reference_are_as_published(wue1):
    effects = read_table(wue1, "effects")
    pooled = effects[effects["region"].isna() & (effects["measure"] == "count") & (effects["annotator"] == "est_GT")]
    assert round(pooled.loc[pooled["test"] == "kruskal_wallis", "statistic"].item(), 2) == 21.84
    pairs = pooled[pooled["test"] == "mann_whitney"]
    assert pairs["group_1"].to_list() == ["H", "H", "context_0"]
    assert pairs["eta_squared"].round(3).to_list() == [0.623, 0.681, 0.056]
    assert [f"{p:.1e}" for p in pairs["p_value"]] == ["1.2e-04", "6.0e-05", "2.6e-01"]
    assert pairs["verdict"].to_list() == ["higher", "higher", "none"]


def test_the_summary_has_the_form_that_others_read(wue1):
    summary = json.loads((wue1 / "summary.json").read_text(encoding="utf-8"))
    judged = ["raters", "objectivity", "reliability", "validity"]
    assert list(summary) == [*judged, "versions", "command", "data_hash", "policy"]
    assert summary["command"] == "segassay evaluate lab-wue1"
    scores = read_table(wue1, "scores")
    assert tuple(scores) == SCORE_COLUMNS
    for quality in ("objectivity", "reliability", "validity"):
        judged = summary[quality]
        assert list(judged) == ["verdict", "outcome", "missing", "sentence", "numbers", "rule", "criteria"]
        assert judged["verdict"].startswith("cannot be judged: no ")
        assert judged["sentence"].endswith(".")
        assert len(judged["numbers"]) == (scores["quality"] == quality).sum()
        for number in judged["numbers"]:
            assert list(number) == ["measure", "target", "value", "low", "high", "n_cases", "n_undefined"]
    assert list(summary["raters"]) == ["verdict", "outcome", "missing", "sentence", "numbers", "rule", "criteria"]
    assert summary["raters"]["verdict"] == "not supported"
    assert "expert_1 agrees with the others" in summary["raters"]["sentence"]
    first = summary["objectivity"]["numbers"][0]
    assert first["value"] == pytest.approx(scores["value"].iloc[0])
    assert summary["data_hash"] == data_hash(read_dataset(wue1.parent / "lab-wue1"))
    assert summary["policy"]["intervals"] | {"n_units": 36, "unit": "case"} == summary["policy"]["intervals"]
    assert summary["policy"]["both_empty"]["n_comparisons"] == 540


def test_the_evaluation_is_one_run_with_its_numbers_and_files(wue1):
    client = MlflowClient(tracking.store_uri())
    (logged,) = client.search_runs([client.get_experiment_by_name("lab-wue1").experiment_id])
    assert (logged.data.tags["kind"], logged.info.status) == ("evaluation", "FINISHED")
    numbers = {name: value for name, value in logged.data.metrics.items() if not name.endswith(".n_undefined")}
    scores = read_table(wue1, "scores").set_index(["quality", "measure", "target"])
    between = scores.loc[("objectivity", "f1", "between raters")]
    assert [numbers[f"objectivity/f1{end}"] for end in ("", "_low", "_high")] == pytest.approx(
        between[["value", "low", "high"]].tolist()
    )
    assert numbers["objectivity/f1_leave_one_out"] == pytest.approx(
        scores.loc[("objectivity", "f1_leave_one_out", "all raters"), "value"]
    )
    assert len(numbers) <= 75
    assert logged.data.tags["verdict.raters"] == "not supported"
    assert logged.data.tags["mlflow.note.content"].startswith("**raters: not supported")
    (used,) = logged.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("lab-wue1", logged.data.params["data/hash"][:12])
    table = client.load_table(logged.info.experiment_id, f"{VIEW}/scores.json", [logged.info.run_id])
    assert len(table) == len(scores)
    files = {file.path for file in client.list_artifacts(logged.info.run_id)}
    assert files == {path.name for path in wue1.iterdir()} | {VIEW}


@pytest.fixture(scope="module")
def inns1(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lab-inns1 with masks as nnU-Net writes them, 0 and 1 under the name of the case: those of expert_3 again."""
    folder = tmp_path_factory.mktemp("inns1")
    dataset = read_dataset(download(folder, labs=["inns1"], mirror=data_dir)[0].folder)
    (folder / "predicted").mkdir()
    for index, (case, path) in enumerate(dataset.masks["expert_3"].items()):
        mask = (read_mask(path) > 0).astype(np.uint8)
        if index % 2:
            nibabel.save(nibabel.Nifti1Image(mask, np.eye(4)), folder / "predicted" / f"{case}.nii.gz")
        else:
            Image.fromarray(mask).save(folder / "predicted" / f"{case}.png")
    masks = f"nnunet={folder / 'predicted'}"
    words = [dataset.folder, "--masks", masks, "--out", folder / "out", "--no-mlflow", "--jobs", 2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "ProcessPoolExecutor", pool_of_copies)
        assert run("evaluate", *words) == 0
    return folder / "out"


def test_masks_of_another_tool_are_scored_as_the_same_masks_by_a_rater(inns1):
    agreement = read_table(inns1, "agreement")
    twins = agreement[(agreement["annotator_a"] == "expert_3") & (agreement["annotator_b"] == "nnunet")]
    assert len(twins) == 5 * 10
    assert (twins[["f1", "mean_iou", "dice"]] == 1).all(axis=None)
    against = agreement[agreement["annotator_a"] == "est_GT"].set_index(["case", "iou_threshold"])
    measures = ["tp", "precision", "recall", "f1", "mean_iou", "dice", "iou"]
    of_rater, of_tool = (against[against["annotator_b"] == name][measures] for name in ("expert_3", "nnunet"))
    pd.testing.assert_frame_equal(of_rater, of_tool)


def test_a_model_stands_beside_the_human_range_and_its_held_out_status_is_unknown(inns1):
    scores = read_table(inns1, "scores").set_index(["measure", "target"])
    model = scores.loc[("f1_leave_one_out", "nnunet")]
    humans = [scores.loc[("f1_leave_one_out", f"expert_{i}"), "value"] for i in (1, 3, 4, 5)]
    assert (model["human_low"], model["human_high"]) == pytest.approx((min(humans), max(humans)))
    left_out = at_half(read_table(inns1, "leave_one_out"))
    of_model = left_out[left_out["annotator"] == "nnunet"].groupby("rater")["f1"].mean()
    assert model["value"] == pytest.approx(of_model.mean())
    summary = json.loads((inns1 / "summary.json").read_text(encoding="utf-8"))
    assert any("nnunet: it is unknown whether it was trained" in note for note in summary["policy"]["notes"])
    assert summary["data_hash"] == data_hash(read_dataset(inns1.parent / "lab-inns1"))
    assert summary["masks_hash"] != summary["data_hash"]
    assert summary["command"] == "segassay evaluate lab-inns1 --masks nnunet=predicted"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small images by four raters, in two groups, with the truth beside them."""
    settings = Simulation(shape=(64, 64), n_cases=6, images_per_subject=1, n_nuclei=6, raters=RATERS)
    return simulate(tmp_path_factory.mktemp("small") / "data", settings)


@pytest.fixture(scope="module")
def found(small: Path) -> Evaluation:
    """The evaluation of the small images."""
    return evaluate(small)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images by two raters, where neither raters nor groups matter."""
    settings = Simulation(shape=(48, 48), n_cases=2, images_per_subject=1, n_nuclei=5, raters=RATERS[:2])
    return simulate(tmp_path_factory.mktemp("tiny") / "data", settings)


@pytest.fixture
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of tables, summary and text: to draw takes most of the time of a small evaluation."""
    monkeypatch.setattr(plots, "draw_figures", lambda *_: {})


def copy_of(dataset: Path, folder: Path) -> Path:
    return Path(shutil.copytree(dataset, folder / "data"))


def test_the_same_input_gives_the_same_bytes_whatever_the_number_of_processes(small, tmp_path, monkeypatch):
    """Two processes are started, though six small images would not pay for them; on Linux as copies of this one."""
    monkeypatch.setattr(pool, "START_SECONDS", 0)
    started = []
    monkeypatch.setattr(pool, "ProcessPoolExecutor", lambda *args, **options: _pool(started, *args, **options))
    for n_jobs in (1, 2):
        evaluate(small, tmp_path / str(n_jobs), masks={"truth": small / "truth"}, n_jobs=n_jobs, track=False)
    one, two = contents(tmp_path / "1"), contents(tmp_path / "2")
    assert started == [2, 2, 2]  # for the tables, the check and the gallery
    assert len(one) > 15
    assert [name for name in one if one[name] != two[name]] == []
    assert list(one) == list(two)


def _pool(started: list[int], n: int, **options: Any) -> ProcessPoolExecutor:
    started.append(n)
    return pool_of_copies(n, **options)


def test_the_order_of_raters_changes_no_number(small, found, tmp_path):
    renamed = copy_of(small, tmp_path)
    names = {f"rater_{i}": f"name_{9 - i}" for i in range(4)}
    for old, new in names.items():
        (renamed / "labels" / old).rename(renamed / "labels" / new)
    forwards, backwards = found, evaluate(renamed)
    one = forwards.scores.replace({"target": names}, regex=True).sort_values(["quality", "measure", "target"])
    two = backwards.scores.sort_values(["quality", "measure", "target"])
    one, two = (table[~table["target"].str.contains(" minus | and ")] for table in (one, two))  # pairs turn round
    pd.testing.assert_frame_equal(one.reset_index(drop=True), two.reset_index(drop=True))
    one, two = (found.effects.replace({"annotator": names}) for found in (forwards, backwards))
    key = ["annotator", "measure", "unit", "test", "group_1", "group_2"]
    one, two = (table.sort_values(key).reset_index(drop=True) for table in (one, two))
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.usefixtures("_no_figures")
def test_a_table_alone_gives_pixel_and_object_measures_only_and_says_so(small, tmp_path):
    table = pd.DataFrame(
        [
            (path.stem, rater.name, "human", path)
            for rater in RATERS[:2]
            for path in (small / "labels" / rater.name).iterdir()
        ],
        columns=["case", "annotator", "kind", "path"],
    )
    table.to_csv(tmp_path / "masks.csv", index=False)
    assert run("evaluate", "--annotations", tmp_path / "masks.csv", "--out", tmp_path / "out", "--no-mlflow") == 0
    assert read_table(tmp_path / "out", "counts")["mean_intensity"].isna().all()
    assert read_table(tmp_path / "out", "effects").empty
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert any("only pixels and objects are measured" in note for note in summary["policy"]["notes"])
    assert "only pixels and objects are measured" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("_no_figures")
def test_a_missing_prediction_scores_zero_and_is_listed(tiny, tmp_path):
    cases = read_dataset(tiny).cases
    rows = [f"{case},m,model,{tiny / 'labels' / 'rater_0' / case}.png" for case in cases[1:]]
    rows.append(f"{cases[0]},m,model,nowhere.png")
    (tmp_path / "models.csv").write_text("\n".join(["case,annotator,kind,path", *rows]))
    found = evaluate(tiny, tmp_path / "out", annotations=tmp_path / "models.csv", track=False)
    assert read_table(tmp_path / "out", "missing").to_dict("records") == [{"annotator": "m", "case": cases[0]}]
    pair = at_half(found.tables.agreement)
    pair = pair[(pair["annotator_a"] == "m") & (pair["annotator_b"] == "rater_0")]
    assert pair["f1"].to_list() == [0, *[1] * (len(cases) - 1)]


@pytest.mark.usefixtures("_no_figures")
def test_distances_are_as_in_the_reference_scene(tmp_path):
    """A square, as the reference, and the same square with a cross through it."""
    square = np.zeros((11, 11), dtype=bool)
    square[3:8, 3:8] = True
    crossed = square.copy()
    crossed[5, 1:10] = crossed[1:10, 5] = True
    for folder, mask in {"images": square, "labels/ref": square, "labels/pred": crossed}.items():
        (tmp_path / "data" / folder).mkdir(parents=True)
        write_mask(tmp_path / "data" / folder / "scene.png", mask)
    for folder, text in {"pixels": "", "um": "spacing_um: [0.5, 0.5]\n"}.items():
        (tmp_path / "data" / "dataset.yaml").write_text("reference: labels/ref\n" + text)
        assert run("evaluate", tmp_path / "data", "--out", tmp_path / folder, "--no-mlflow") == 0
    assert at_half(read_table(tmp_path / "pixels", "agreement"))["iou"].tolist() == [pytest.approx(0.758, abs=5e-4)]
    measures = {"hd95": 2, "assd": 4 / 9, "nsd": 8 / 9, "tolerance": 1, "diagonal": 11 * 2**0.5, "shift": 4 / 9}
    lengths = {name: measures[name] / 2 for name in measures if name != "nsd"}
    names = {"case": "scene", "annotator_a": "ref", "annotator_b": "pred"}
    for folder, unit, expected in (("pixels", "px", measures), ("um", "um", measures | lengths)):
        (found,) = read_table(tmp_path / folder, "distances").to_dict("records")
        assert found == names | {"unit": unit} | {name: pytest.approx(value) for name, value in expected.items()}


def test_every_warning_of_a_check_stands_in_the_summary_and_at_the_top_of_the_report(tiny, tmp_path):
    """A rater who is a copy, and a folder of ignored areas that no setting names."""
    folder = copy_of(tiny, tmp_path)
    shutil.copytree(folder / "labels" / "rater_0", folder / "labels" / "rater_9")
    shutil.copytree(folder / "labels" / "rater_0", folder / "ignored_regions")
    found = evaluate(folder, tmp_path / "out")
    problems = check_dataset(folder).problems
    assert {problem.kind for problem in problems} >= {"copy", "area-not-used"}
    assert found.summary["policy"]["warnings"] == listed(problems, folder)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    top = page[: page.index('<div class="cards')]
    assert "ignored_regions: holds masks, but dataset.yaml names no `ignore`" in top
    assert "labels/rater_9: " in top or "labels/rater_0: " in top
    assert str(tmp_path) not in page


def test_a_part_of_a_dataset_has_the_hash_of_the_dataset_and_one_of_its_own(small, found):
    cases = read_dataset(small).cases
    whole, part = found.summary, evaluate(small, cases=cases[:2]).summary
    assert whole["data_hash"] == part["data_hash"] == check_dataset(small).summary["data_hash"]
    assert "masks_hash" not in whole
    assert part["masks_hash"] != part["data_hash"]


def test_the_hash_is_of_contents_and_not_of_places(small, tmp_path):
    dataset = read_dataset(small)
    alone = data_hash_of_masks(dataset, read_annotations(dataset))
    assert alone == data_hash(dataset)
    hashes = []
    for name in ("here", "there", "changed"):
        folder = Path(shutil.copytree(small / "labels" / "rater_0", tmp_path / name))
        if name == "changed":
            write_mask(next(iter(sorted(folder.iterdir()))), np.zeros((64, 64), bool))
        hashes.append(data_hash_of_masks(dataset, read_annotations(dataset, masks={"m": folder})))
    assert hashes[0] == hashes[1]
    assert len({alone, *hashes}) == 3


@pytest.mark.usefixtures("_no_figures")
def test_overwrite_replaces_an_evaluation_and_a_failure_leaves_it(tiny, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old.txt").write_text("old")
    assert run("evaluate", tiny, "--out", out, "--no-mlflow") == 2
    assert (
        "exists already; give another out (--out), or overwrite (--overwrite) to replace it" in capsys.readouterr().err
    )
    broken = copy_of(tiny, tmp_path)
    next((broken / "labels" / "rater_1").iterdir()).write_bytes(b"\x89PNG\r\n\x1a\n")
    assert run("evaluate", broken, "--out", out, "--no-mlflow", "--overwrite", "--jobs", 1) == 1
    assert contents(out) == {"old.txt": b"old"}
    assert run("evaluate", tiny, "--out", out, "--no-mlflow", "--overwrite", "--jobs", 1) == 0
    assert not (out / "old.txt").exists()
    assert (out / "report.html").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


def test_without_mlflow_the_library_is_not_loaded(tiny, tmp_path, monkeypatch):
    libraries = ("mlflow", "torch", "monai")
    lines = (
        f"{forgetting('segassay', 'segassay_monai', *libraries)}"
        "from segassay import cli\n"
        f"sys.argv = ['segassay', 'evaluate', {str(tiny)!r}, '--out', {str(tmp_path / 'out')!r}, '--no-mlflow', "
        "'--jobs', '1']\n"
        "try:\n    cli.main()\n"
        f"finally:\n    print([name for name in {libraries} if name in sys.modules])\n"
    )
    monkeypatch.setattr(subprocess, "Popen", Forked)
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "compared masks of 2 of 2 images" in done.stderr


def check_refused(words: list[object], message: str, exit_code: int, out: Path, capsys: pytest.CaptureFixture) -> None:
    """One message of a few lines, the exit code, and nothing written."""
    before = sorted(out.parent.iterdir()) if out.parent.is_dir() else None
    assert run("evaluate", *words, "--out", out, "--no-mlflow", "--jobs", 1) == exit_code
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("error: ") == 1
    assert "Traceback" not in shown
    assert len(shown.splitlines()) <= 3
    assert before == (sorted(out.parent.iterdir()) if out.parent.is_dir() else None)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("case,annotator,path\n{case},m,{mask}", "no column kind; expected case, annotator, kind, path"),
        ("case,annotator,kind,path\n{case},m,model,nowhere.png", "does not exist"),
        ("case,annotator,kind,path\n{case},m,model,{mask}\n{case},m,model,{mask}", "second mask of case"),
        ("case,annotator,kind,path\n{case},m,model,{mask}\nother,m,model,{mask}", "row 3: case 'other' is not in"),
        ("case,annotator,kind,path\nother,m,model,{mask}", "have no case in common"),
        ("case,annotator,kind,path\n{case},m,robot,{mask}", "kind is 'robot'; expected one of human"),
        ("case,annotator,kind,path,held_out\n{case},m,model,{mask},false", "'m' was trained on this case"),
        ("case,annotator,kind,path", "no rows"),
        ("", "cannot be read as a CSV table"),
    ],
)
def test_a_foreign_table_with_problems_is_one_message(small, tmp_path, capsys, table, message):
    case = read_dataset(small).cases[0]
    mask = small / "labels" / "rater_0" / f"{case}.png"
    (tmp_path / "masks.csv").write_text(table.format(case=case, mask=mask))
    if (
        message == "does not exist"
    ):  # of a model that is a failed prediction; of what others are compared with, an error
        (tmp_path / "masks.csv").write_text(table.format(case=case, mask=mask).replace("model", "truth"))
    check_refused([small, "--annotations", tmp_path / "masks.csv"], message, 1, tmp_path / "out", capsys)


@pytest.mark.parametrize(
    ("words", "message", "exit_code"),
    [
        ([], "nothing to evaluate; give a dataset folder, --annotations or --masks", 2),
        (["nowhere"], "nowhere: is not a folder", 1),
        (["{small}", "--annotations", "nowhere.csv"], "nowhere.csv cannot be read", 1),
        (["{small}", "--masks", "nnunet"], "expected a name and a folder, such as nnunet=predictions", 2),
        (["{small}", "--masks", "m=nowhere"], "no such folder", 1),
        (["{small}", "--masks", "m={small}", "--masks", "m={small}"], "'m' is given twice", 2),
        (["{small}", "--masks", "rater_1={small}/truth"], "'rater_1' is already an annotator", 1),
    ],
)
def test_a_wrong_call_is_one_message(small, tmp_path, capsys, words, message, exit_code):
    words = [word.format(small=small) for word in words]
    check_refused(words, message, exit_code, tmp_path / "out", capsys)


@pytest.mark.usefixtures("_no_figures")
def test_one_rater_alone_cannot_be_evaluated(tiny, tmp_path, capsys):
    dataset = copy_of(tiny, tmp_path)
    shutil.rmtree(dataset / "labels" / "rater_1")
    check_refused([dataset], "'rater_0' is the only annotator", 1, tmp_path / "out", capsys)
    masks = f"other={tiny / 'labels' / 'rater_1'}"
    assert run("evaluate", dataset, "--masks", masks, "--out", tmp_path / "out", "--no-mlflow", "--jobs", 1) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["objectivity"]["verdict"] == "cannot be judged: no second rater"


def test_a_mask_of_another_size_is_one_message(small, tmp_path, capsys):
    dataset = copy_of(small, tmp_path)
    write_mask(sorted((dataset / "labels" / "rater_1").iterdir())[0], np.ones((32, 64), bool))
    check_refused([dataset], "has shape (32, 64), but", 1, tmp_path / "out", capsys)


def test_a_subject_in_two_groups_is_said_before_any_mask_is_read(small, tmp_path, capsys):
    dataset = copy_of(small, tmp_path)
    table = pd.read_csv(dataset / "experiment.csv", dtype=str)
    table.assign(subject="mouse_1").to_csv(dataset / "experiment.csv", index=False)
    next((dataset / "labels" / "rater_1").iterdir()).write_bytes(b"")
    check_refused([dataset], "'mouse_1' is in the groups", 1, tmp_path / "out", capsys)


def test_a_place_that_cannot_be_written_is_one_message(small, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    check_refused([small], "cannot be written", 2, tmp_path / "file" / "out", capsys)
    check_refused([small, "--overwrite"], "is a file; give another out (--out)", 2, tmp_path / "file", capsys)
