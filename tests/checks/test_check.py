"""`segassay check`: each way a dataset can be wrong, told once with file and remedy, and nothing said of sound data."""

import json
import os
import shutil
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

from command import run
from drawing import draw
from segassay.checks import images as images_module
from segassay.checks import masks as masks_module
from segassay.checks.check import check_dataset, problems_of
from segassay.checks.report import as_json
from segassay.data.dataset import read_dataset
from segassay.data.published.download import download
from segassay.io.images import Picture, write_labels, write_mask
from segassay.simulation.dataset import Simulation, simulate

ANNA = draw("##....## ##....## ........ ........ ........ ........")
BEN = draw("###...## ##....## ........ ........ ........ ........")
CLEO = draw("##....## ##...... ........ ........ ....##.. ........")
MOST = draw("##....## ######## ######## ######## ######## ########")
NOTHING = np.zeros_like(ANNA)
BAR = draw("######## ........ ........ ........ ........ ........")
LABELS = np.where(ANNA, 1, 0).astype(np.uint16)
LABELS[:, 6:] *= 2
EXPERIMENT = "case,group,region\n1,H,CA1\n2,H,CA1\n3,C,CA1\n4,C,CA1\n"


def picture(case: int, *, shape: tuple[int, ...] = ANNA.shape, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(case).integers(0, 200, shape).astype(dtype)


def save(path: Path, array: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, photometric="rgb" if array.shape[-1:] == (3,) else "minisblack", **options)


def say(folder: Path, **settings: Any) -> None:
    known = yaml.safe_load((folder / "dataset.yaml").read_text()) if (folder / "dataset.yaml").exists() else {}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(known | settings))


def mark(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mask(path, mask)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Four cases, two raters, two groups; nothing to complain about."""
    folder = tmp_path / "lab"
    for case in (1, 2, 3, 4):
        save(folder / f"images/{case}.tif", picture(case))
        mark(folder / f"labels/anna/{case}.png", ANNA)
        mark(folder / f"labels/ben/{case}.png", BEN)
    (folder / "experiment.csv").write_text(EXPERIMENT)
    say(folder, experiment="experiment.csv", control_group="H")
    return folder


def test_sound_data_has_no_problem(sound: Path) -> None:
    assert check_dataset(sound).problems == ()


def cut(path: Path, keep: float = 0.6) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


def each_rater(folder: Path, draw_mask: np.ndarray, case: int = 1) -> None:
    for rater in ("anna", "ben"):
        mark(folder / f"labels/{rater}/{case}.png", draw_mask)


def region(folder: Path, mask: np.ndarray, cases: tuple[int, ...] = (1, 2, 3, 4)) -> None:
    for case in cases:
        mark(folder / f"regions/{case}.png", mask)
    say(folder, region_masks="regions")


def ignore(folder: Path, mask: np.ndarray) -> None:
    mark(folder / "ignored/1.png", mask)
    say(folder, ignore="ignored")


def all_images(folder: Path, **options: Any) -> None:
    for case in (1, 2, 3, 4):
        save(folder / f"images/{case}.tif", picture(case), **options)


def um(spacing: float) -> dict[str, Any]:
    return {"imagej": True, "resolution": (1 / spacing, 1 / spacing), "metadata": {"unit": "um", "axes": "YX"}}


BREAKS: dict[str, tuple[Callable[[Path], Any], str, str, str, str]] = {
    # name: (what is broken, level, file, what is said, what to do)
    "image cut off": (lambda f: cut(f / "images/2.tif"), "error", "images/2.tif", "truncated or broken", "again"),
    "image no image": (lambda f: (f / "images/2.tif").write_text("x"), "error", "images/2.tif", "broken", "again"),
    "image empty file": (lambda f: (f / "images/2.tif").write_text(""), "error", "images/2.tif", "broken", "again"),
    "mask cut off": (lambda f: cut(f / "labels/ben/3.png"), "error", "labels/ben/3.png", "truncated", "again"),
    "region cut off": (
        lambda f: (region(f, ANNA | BEN), cut(f / "regions/1.png")), "error", "regions/1.png", "broken", "again"),
    "mask of another size": (
        lambda f: mark(f / "labels/ben/3.png", BEN[:4]), "error", "labels/ben/3.png", "(4, 8)", ""),
    "ignored area of another size": (lambda f: ignore(f, BAR[:, :4]), "error", "ignored/1.png", "(6, 4)", ""),
    "fractions": (
        lambda f: (os.remove(f / "labels/ben/1.png"), save(f / "labels/ben/1.tif", ANNA * np.float32(0.5))),
        "error", "labels/ben/1.tif", "fractions", "threshold"),
    "negative numbers": (
        lambda f: (os.remove(f / "labels/ben/1.png"), save(f / "labels/ben/1.tif", -ANNA.astype(np.int16))),
        "error", "labels/ben/1.tif", "negative number -1", ""),
    "NaN": (
        lambda f: all_float(f, np.nan), "error", "images/1.tif", "1 of 48 pixel values are NaN or infinite", "replace"),
    "infinite": (lambda f: all_float(f, np.inf), "error", "images/1.tif", "NaN or infinite", "replace"),
    "axes": (
        lambda f: (save(f / "images/5.tif", picture(5, shape=(3, 6, 8)), metadata={"axes": "ZYX"}), add_row(f, 5),
                   [mark(f / f"labels/{rater}/5.tif", np.stack([ANNA] * 3)) for rater in ("anna", "ben")]),
        "error", "images/5.tif", "3 spatial axes, but 4 of 5 images have 2", "second dataset"),
    "channels": (
        lambda f: save(f / "images/2.tif", picture(2, shape=(6, 8, 3))),
        "error", "images/2.tif", "3 channels, but 3 of 4 images have 1", "same way"),
    "spacing_um axes": (
        lambda f: say(f, spacing_um=[1, 1, 1]),
        "error", "dataset.yaml", "3 numbers, but 1.tif (and 3 more images) has 2 spatial axes", "one number per axis"),
    "intensity_channel": (
        lambda f: say(f, intensity_channel=2), "error", "dataset.yaml", "is 2, but 1.tif (and 3 more images) has 1",
        "leave intensity_channel out"),
    "subject in two groups": (
        lambda f: (f / "experiment.csv").write_text("case,group,subject\n1,H,a\n2,H,b\n3,C,a\n4,C,c\n"),
        "error", "experiment.csv", "subject 'a' is in the groups", "one group per subject"),
    "types": (
        lambda f: save(f / "images/2.tif", picture(2, dtype="uint16")),
        "warning", "images/2.tif", "type uint16, but 3 of 4 images have uint8", "same way"),
    "constant": (
        lambda f: save(f / "images/2.tif", np.full((6, 8), 7, np.uint8)),
        "warning", "images/2.tif", "every pixel has the value 7", "export it again"),
    "empty channel": (
        lambda f: [save(f / f"images/{case}.tif", colours(case), metadata={"axes": "CYX"}) for case in (1, 2, 3, 4)],
        "warning", "images/2.tif", "channel 0, from which intensities are read, has the value 0", "intensity_channel"),
    "same picture": (
        lambda f: save(f / "images/4.tif", picture(2)), "warning", "images/4.tif", "the same image as 2.tif", "keep"),
    "spacing of one image": (
        lambda f: (all_images(f, **um(0.5)), save(f / "images/3.tif", picture(3), **um(0.25))),
        "warning", "images/3.tif", "spacing 0.25 × 0.25 µm, but 3 of 4 images have 0.5 × 0.5 µm", "spacing_um"),
    "spacing of the file": (
        lambda f: (all_images(f, **um(0.5)), say(f, spacing_um=[0.62, 0.62])),
        "warning", "dataset.yaml", "0.62 × 0.62 µm, but 1.tif (and 3 more images) says 0.5 × 0.5 µm", "which is right"),
    "region empty": (
        lambda f: (region(f, ANNA | BEN), mark(f / "regions/2.png", NOTHING), each_rater(f, NOTHING, 2)),
        "warning", "regions/2.png", "the region mask is empty", "draw the region"),
    "region missing": (
        lambda f: region(f, ANNA | BEN, (1, 2)), "warning", "regions", "no region mask for 2 of 4 cases, such as '3'",
        "draw the masks"),
    "outside region": (
        lambda f: (region(f, ANNA | BEN | CLEO), mark(f / "labels/ben/1.png", draw("........ " * 5 + "########"))),
        "warning", "labels/ben/1.png", "no pixel of its foreground counts", "belong to the same image"),
    "ignored image": (
        lambda f: ignore(f, draw("........ ........ " + "######## " * 4)), "warning", "ignored/1.png",
        "67% of the image is ignored", "invert"),
    "ignored foreground": (
        lambda f: (ignore(f, draw("####.... ####.... ........ ........ ........ ........")),
                   mark(f / "labels/anna/1.png", draw("###....# ........ ........ ........ ........ ........")),
                   mark(f / "labels/ben/1.png", draw("......## ........ ........ ........ ........ ........"))),
        "warning", "labels/anna/1.png", "75% of its foreground lies in the ignored area", "inverted"),
    "inverted": (
        lambda f: mark(f / "labels/ben/2.png", ~BEN), "warning", "labels/ben/2.png", "81% of the image is foreground",
        "invert"),
    "kinds of masks": (
        lambda f: write_labels(f / "labels/ben/2.png", LABELS), "warning", "labels/ben",
        "1 label image and 3 binary masks", "same way"),
    "empty rater": (
        lambda f: [mark(f / f"labels/ben/{case}.png", NOTHING) for case in (1, 2, 3, 4)], "warning", "labels/ben",
        "all 4 masks are empty", "export them again"),
    "too small": (
        lambda f: (say(f, min_object_size=5), [mark(f / f"labels/ben/{n}.png", np.pad(ANNA, 1)[1:7, 1:9] | BAR)
                                               for n in (1, 2, 3, 4)]),
        "warning", "labels/anna", "no object is as large as min_object_size, 5 pixels", "min_object_size"),
    "copy": (
        lambda f: shutil.copytree(f / "labels/anna", f / "labels/zoe"), "warning", "labels/zoe",
        "the same masks as 'anna' in every case", "remove one"),
    "copy of the reference": (
        lambda f: (shutil.copytree(f / "labels/anna", f / "truth"), say(f, reference="truth")), "warning", "truth",
        "the same masks as 'anna' in every case", "remove the rater 'anna', or the reference"),
    "no control group": (
        lambda f: (f / "dataset.yaml").write_text("experiment: experiment.csv"), "warning", "dataset.yaml",
        "names no control_group, so no effect can be tested; the groups are C, H", "control_group"),
    "group of one": (
        lambda f: (f / "experiment.csv").write_text(EXPERIMENT.replace("4,C", "4,H")), "warning", "experiment.csv",
        "only one case in group 'C'", "add cases"),
    "group of one subject": (
        lambda f: (f / "experiment.csv").write_text("case,group,subject\n1,H,a\n2,H,b\n3,C,c\n4,C,c\n"), "warning",
        "experiment.csv", "only one subject in group 'C'", "add subjects"),
    "two spellings of a group": (
        lambda f: (f / "experiment.csv").write_text("case,group\n1,H\n2,H\n3,h\n4,h\n"), "warning",
        "experiment.csv", "in column group, 'H', 'h' differ only in capitals or blanks, and count as 2", "alike"),
    "two spellings of a subject": (
        lambda f: (f / "experiment.csv").write_text(
            "case,group,subject\n1,H,M  1\n2,H,m\u00a01\n3,C,c\n4,C,d\n", encoding="utf-8"),
        "warning", "experiment.csv", "in column subject, 'M  1', 'm\\xa01' differ only in capitals", "alike"),
    "two spellings of a person": (
        lambda f: say(f, raters={"anna": {"person": "Eva"}, "ben": {"person": "eva"}}),
        "warning", "dataset.yaml", "persons 'Eva', 'eva' differ only in capitals or blanks", "alike"),
    "region without control": (
        lambda f: (f / "experiment.csv").write_text(EXPERIMENT.replace("4,C,CA1", "4,C,CA3")), "warning",
        "experiment.csv", "region 'CA3' has no case of the control group 'H'", "add a control case"),
}  # fmt: skip


def all_float(folder: Path, value: float) -> None:
    for case in (1, 2, 3, 4):
        array = picture(case, dtype="float32")
        array[2, 3] = value if case == 1 else array[2, 3]
        save(folder / f"images/{case}.tif", array)


def colours(case: int) -> np.ndarray:
    array = np.stack([picture(case), picture(case + 10)])
    array[0] *= case != 2
    return array


def add_row(folder: Path, case: int) -> None:
    table = folder / "experiment.csv"
    table.write_text(table.read_text() + f"{case},C,CA1\n")


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_told_once(sound: Path, name: str) -> None:
    do, level, file, what, action = BREAKS[name]
    do(sound)
    (problem,) = check_dataset(sound).problems
    assert problem.level == level
    assert problem.file == str(sound / file)
    assert what in problem.what
    assert action in problem.action
    assert len(problem.action) > 5
    assert str(sound / file) not in problem.what


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"reference": "images"}, "`reference`"),
        ({"ignore": "images/"}, "`ignore`"),
        ({"region_masks": "./images"}, "`region_masks`"),
        ({"raters": "images"}, "rater 'images'"),
        ({"raters": {"anna": "labels/anna", "ben": "labels/ben", "zoe": "images"}}, "rater 'zoe'"),
    ],
)
def test_images_that_are_said_to_be_masks_are_one_error(sound: Path, settings: dict[str, Any], name: str) -> None:
    say(sound, **settings)
    (problem,) = check_dataset(sound).problems
    assert (problem.level, problem.file) == ("error", str(sound / "dataset.yaml"))
    assert f"the folder of the images is also that of {name}; expected masks in a folder of their own" in problem.what


def test_an_image_that_is_read_as_a_mask_hides_no_error(sound: Path) -> None:
    all_float(sound, 0.5)
    dataset = read_dataset(sound)
    (of_case, *_) = problems_of(replace(dataset, reference_name="truth", reference=dataset.images))
    assert (of_case.level, of_case.file) == ("error", str(sound / "images/1.tif"))


def test_raters_whose_names_differ_in_a_blank_are_told(sound: Path) -> None:
    for case in (1, 2, 3, 4):
        mark(sound / f"annotators/Anna /{case}.png", CLEO)
    say(sound, raters={"anna": "labels/anna", "ben": "labels/ben", "Anna ": "annotators/Anna "})
    (problem,) = check_dataset(sound).problems
    assert (problem.level, problem.file, problem.kind) == ("warning", str(sound), "name-spelling")
    assert "raters 'Anna ', 'anna' differ only in capitals or blanks, and count as 2" in problem.what


def test_crowded_label_images_are_not_taken_for_inverted_masks(sound: Path) -> None:
    for case in (1, 2, 3, 4):  # the same numbers in every image would be a warning of its own
        crowded = np.where(MOST, case + np.arange(6)[:, None], 0)
        write_labels(sound / f"labels/ben/{case}.png", crowded)
    assert check_dataset(sound).problems == ()


def test_all_problems_at_once_errors_first(sound: Path) -> None:
    for name in ("inverted", "image cut off", "mask of another size", "group of one"):
        BREAKS[name][0](sound)
    found = check_dataset(sound)
    assert [problem.level for problem in found.problems] == ["error", "error", "warning", "warning"]
    assert (len(found.errors), len(found.warnings)) == (2, 2)


def test_an_image_without_header_is_one_problem_and_not_one_per_mask(sound: Path) -> None:
    (sound / "images/2.tif").write_bytes(b"II*\0")
    (problem,) = check_dataset(sound).problems
    assert problem.file == str(sound / "images/2.tif")


def test_what_the_names_show_and_what_the_pixels_show_is_told_together(sound: Path) -> None:
    mark(sound / "labels/ben/99.png", BEN)
    (sound / "experiment.csv").write_text(EXPERIMENT + "4,C,CA1\n")
    cut(sound / "images/1.tif")
    found = check_dataset(sound)
    files = [problem.file for problem in found.errors]
    assert files == [str(sound / name) for name in ("labels/ben/99.png", "experiment.csv", "images/1.tif")]
    assert found.summary is not None
    assert found.summary["experiment"]["n_cases"] == 4


def test_where_no_image_is_there_is_no_summary(tmp_path: Path) -> None:
    found = check_dataset(tmp_path)
    assert found.summary is None
    assert found.errors


def test_a_broken_channel_of_nnunet_is_named_and_its_masks_are_classes(tmp_path: Path) -> None:
    for case in ("a", "b"):
        for channel in (0, 1):
            save(tmp_path / f"imagesTr/{case}_000{channel}.tif", picture(ord(case) + channel))
        save(tmp_path / f"labelsTr/{case}.tif", np.where(ANNA, 1, np.where(BAR, 2, 0)).astype(np.uint8))
    labels = {"background": 0, "cell": 1, "ignore": 2}
    layout = {"channel_names": {"0": "DAPI", "1": "cFOS"}, "labels": labels, "numTraining": 2, "file_ending": ".tif"}
    (tmp_path / "dataset.json").write_text(json.dumps(layout))
    found = check_dataset(tmp_path)
    assert [problem.level for problem in found.problems] == ["warning"]  # a single rater
    assert found.summary is not None
    assert found.summary["images"]["n_channels"] == [{"n_channels": 2, "n_cases": 2}]
    assert found.summary["raters"][0]["n_objects"] == 4
    assert found.summary["ignored"]["mean_share"] == round(4 / 48, 6)
    cut(tmp_path / "imagesTr/b_0001.tif")
    (error,) = check_dataset(tmp_path).errors
    assert error.file == str(tmp_path / "imagesTr/b_0001.tif")


@pytest.fixture(scope="module")
def wue1(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ready_lab(data_dir, tmp_path_factory.mktemp("labs"), "lab-wue1")


def ready_lab(data_dir: Path, out: Path, lab: str) -> Path:
    (ready,) = download(out, labs=[lab], mirror=str(data_dir / "segebarth2020"))
    return ready.folder


def test_numbers_of_lab_wue1_are_the_published_ones(wue1: Path) -> None:
    found = check_dataset(wue1)
    assert found.problems == ()
    summary = found.summary
    assert summary is not None
    totals = {rater["name"]: rater["n_objects"] for rater in summary["raters"]}
    assert totals == {"expert_1": 1559, "expert_2": 3297, "expert_3": 3612, "expert_4": 3900, "expert_5": 3315}
    assert (summary["reference"]["name"], summary["reference"]["n_objects"]) == ("est_GT", 3296)
    assert summary["images"]["size"] == [{"size": [1024, 1024], "n_cases": 36}]
    assert summary["images"]["type"] == [{"type": "uint8", "n_cases": 36}]
    assert [row["n_cases"] for row in summary["experiment"]["groups"]] == [4] * 9
    assert summary["experiment"]["groups"][0]["group"] == "H"


@pytest.mark.parametrize("lab", ["lab-mue", "lab-inns1"])
def test_other_labs_have_no_problem(data_dir: Path, tmp_path: Path, lab: str) -> None:
    assert check_dataset(ready_lab(data_dir, tmp_path, lab)).problems == ()


@pytest.mark.parametrize("shape", [(96, 112), (12, 48, 56)])
def test_simulated_data_has_no_problem(tmp_path: Path, shape: tuple[int, ...]) -> None:
    simulate(tmp_path / "sim", Simulation(shape=shape, n_cases=8))
    assert check_dataset(tmp_path / "sim").problems == ()


def test_summary_counts_what_counts(sound: Path) -> None:
    region(sound, draw("####.... " * 6), (1, 2, 3, 4))  # the left half
    ignore(sound, BAR)  # the first row of case 1
    os.remove(sound / "labels/ben/4.png")
    write_labels(sound / "labels/anna/2.png", LABELS)
    summary = check_dataset(sound).summary
    assert summary is not None
    anna, ben = summary["raters"]
    assert anna["n_objects"] == 4  # the right object is outside
    assert (anna["n_cases"], ben["n_cases"], anna["n_label_images"]) == (4, 3, 1)
    assert anna["median_objects"] == 1.0
    assert anna["foreground_share"] == round((2 + 3 * 4) / (20 + 3 * 24), 6)
    assert summary["region"] == {"n_cases": 4, "mean_share": 0.5, "largest_share": 0.5}
    assert summary["ignored"] == {"n_cases": 1, "mean_share": round(1 / 6, 6), "largest_share": round(1 / 6, 6)}
    assert summary["n_cases"] == 4
    assert len(summary["data_hash"]) == 64


def test_summary_counts_sizes_and_subjects(sound: Path) -> None:
    save(sound / "images/2.tif", picture(2, shape=(6, 9)))
    for rater in ("anna", "ben"):
        mark(sound / f"labels/{rater}/2.png", np.pad(ANNA if rater == "anna" else BEN, ((0, 0), (0, 1))))
    (sound / "experiment.csv").write_text("case,group,subject\n1,H,a\n2,H,b\n3,C,c\n4,C,d\n")
    summary = check_dataset(sound).summary
    assert summary is not None
    assert summary["images"]["size"] == [{"size": [6, 8], "n_cases": 3}, {"size": [6, 9], "n_cases": 1}]
    assert summary["images"]["spacing_um"] == [{"spacing_um": None, "n_cases": 4}]
    assert summary["experiment"]["groups"] == [
        {"group": "H", "region": None, "n_cases": 2, "n_subjects": 2},
        {"group": "C", "region": None, "n_cases": 2, "n_subjects": 2},
    ]


def test_exit_codes(sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "check", sound) == 0
    mark(sound / "labels/ben/2.png", ~BEN)
    assert run(monkeypatch, "check", sound) == 0
    assert "0 errors, 1 warning." in capsys.readouterr().out
    cut(sound / "images/1.tif")
    assert run(monkeypatch, "check", sound) == 1
    assert "1 error, 1 warning. Fix the errors" in capsys.readouterr().out
    assert run(monkeypatch, "check") == 2
    assert run(monkeypatch, "check", sound, "--jason") == 2
    assert run(monkeypatch, "check", sound / "nowhere") == 1
    assert "Traceback" not in capsys.readouterr().err


def test_json_says_what_the_text_says(
    sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("inverted", "image cut off", "group of one"):
        BREAKS[name][0](sound)
    assert run(monkeypatch, "check", sound) == 1
    text = capsys.readouterr().out
    assert run(monkeypatch, "check", sound, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["n_errors", "n_warnings", "problems", "summary"]
    assert (document["n_errors"], document["n_warnings"]) == (1, 2)
    for problem in document["problems"]:
        assert "{level}: {file}: {what}; {action}\n".format(**problem) in text
    for rater in document["summary"]["raters"]:
        line = next(line for line in text.splitlines() if line.startswith(rater["name"]))
        assert line.split()[1:5] == [str(rater["n_cases"]), "of", "4", str(rater["n_objects"])]
    assert document["summary"]["data_hash"] in text


def test_json_of_a_folder_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "check", tmp_path / "nowhere", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["n_errors"] == 1
    assert document["summary"] is None


def test_many_alike_are_counted_on_the_terminal_and_listed_in_json(
    sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for case in range(5, 28):
        each_rater(sound, ANNA | BEN, case)
        mark(sound / f"labels/anna/{case}.png", ANNA)
        add_row(sound, case)
    for case in (1, 2, 3, 4, *range(5, 28)):
        save(sound / f"images/{case}.tif", np.full((6, 8), case, np.uint8))
    run(monkeypatch, "check", sound)
    text = capsys.readouterr().out
    assert sum("every pixel has the value" in line for line in text.splitlines()) == 20
    assert "and 7 more like these; --json lists all" in text
    assert "0 errors, 27 warnings." in text
    assert len(check_dataset(sound).problems) == 27


def test_tables_fit_80_columns_and_nothing_is_cut(
    sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a rater with quite a long name, such as the one who annotated twice"
    shutil.move(sound / "labels/ben", sound / "labels" / name)
    monkeypatch.setenv("COLUMNS", "80")
    run(monkeypatch, "check", sound)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert name.replace(" ", "") in "".join(line[:25] for line in lines).replace(" ", "")


def test_the_same_data_gives_the_same_json_and_nothing_is_written(sound: Path) -> None:
    def state() -> list[tuple[str, bytes, int]]:
        files = sorted(path for path in sound.rglob("*") if path.is_file())
        return [(str(path), path.read_bytes(), path.stat().st_mtime_ns) for path in files]

    before = state()
    texts = {as_json(check_dataset(sound)) for _ in range(2)}
    assert len(texts) == 1
    assert state() == before


def test_one_case_is_in_memory_at_a_time_and_each_file_read_once(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most, read = 0, []

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(dataset: Any, *names: str) -> Any:
            nonlocal most
            result = function(dataset, *names)
            array = result.array if isinstance(result, Picture) else result
            alive.append(weakref.ref(array))
            read.append((function.__name__, *names))
            most = max(most, sum(reference() is not None for reference in alive))
            return result

        return wrapped

    for module, name in ((images_module, "read_case_image"), (masks_module, "read_case_mask")):
        monkeypatch.setattr(module, name, counting(getattr(module, name)))
    assert check_dataset(sound).problems == ()
    assert len(read) == len(set(read)) == 4 * 3
    assert most <= 3  # two masks and, while it is looked at, an image


def test_a_rater_whose_name_looks_like_markup_is_printed_as_it_is(
    sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(sound / "labels/ben", sound / "labels/[bold]ben")
    mark(sound / "labels/[bold]ben/2.png", ~BEN)
    run(monkeypatch, "check", sound)
    text = capsys.readouterr().out
    assert text.count("[bold]ben") == 2
