"""Every way in which a dataset can be broken: one clear message that names the file, exit code 1, no traceback, and
nothing written.

The same small dataset is broken in one place at a time. What is wrong with it is found by `check`, and told in the same
words by `evaluate` and `consensus`.
"""

import json
import shutil
import unicodedata
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from breaking import CASES, EXPERIMENT, IMAGE, MASK, content, error_of, good_dataset, put
from command import run, without_pictures
from damages import DAMAGES, LAYOUT, Damage, as_image, as_mask, copy, empty, layout, move, remove, tiff
from segassay.errors import UsageError
from segassay.io.images import read_mask, write_mask

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good_dataset(tmp_path_factory.mktemp("good") / "data")


@pytest.fixture
def data(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "data"))


FINE_FOR_CONSENSUS = {"ignored area of another size", "spacing for a volume"}  # neither is read to fuse masks


@pytest.mark.parametrize("command", ["check", "evaluate", "consensus"])
@pytest.mark.parametrize("case", DAMAGES, ids=lambda case: case.name)
def test_a_broken_dataset_is_one_clear_message(data, tmp_path, monkeypatch, capsys, case, command):
    case.damage(data)
    before = content(data)
    words = {
        "check": ["check", data, "--json"],
        "evaluate": ["evaluate", data, "--out", tmp_path / "out", "--no-mlflow", "--jobs", 1],
        "consensus": ["consensus", data, "--out", tmp_path / "out"],
    }[command]
    if command == "consensus" and case.name in FINE_FOR_CONSENSUS:
        assert run(monkeypatch, *words) == 0
        return
    assert run(monkeypatch, *words) == 1
    shown = capsys.readouterr()
    if command == "check":
        problems = [problem for problem in json.loads(shown.out)["problems"] if problem["level"] == "error"]
        message = "\n".join(f"{problem['file']}: {problem['what']}; {problem['action']}" for problem in problems)
        assert all(problem["action"] for problem in problems)
        assert "Traceback" not in shown.err
    else:
        message = error_of(shown.err)
    assert case.file in message
    assert case.says in message
    assert content(data) == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert not Path("pwned").exists()


def test_the_dataset_is_good_before_it_is_broken(data, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "check", data) == 0
    assert run(monkeypatch, "consensus", data, "--out", tmp_path / "out") == 0
    assert sorted(path.stem for path in (tmp_path / "out" / "masks").iterdir()) == list(CASES)


def nnunet(folder: Path) -> Path:
    """Two cases of two channels; nothing is wrong."""
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    for case in ("la_1", "la_2"):
        for channel in range(2):
            nibabel.save(nibabel.Nifti1Image(IMAGE[None], np.eye(4)), folder / f"imagesTr/{case}_{channel:04}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(MASK[None].astype("u1"), np.eye(4)), folder / f"labelsTr/{case}.nii.gz")
    (folder / "dataset.json").write_text(json.dumps(LAYOUT))
    return folder


NNUNET_DAMAGES = [
    Damage("not JSON", put("dataset.json", "{labels: 1"), "dataset.json", "cannot be read as JSON"),
    Damage("JSON in UTF-16", put("dataset.json", "{}".encode("utf-16")), "dataset.json", "cannot be read as JSON"),
    Damage("deep JSON", put("dataset.json", "[" * 99_999), "dataset.json", "cannot be read as JSON"),
    Damage("a list", put("dataset.json", "[1]"), "dataset.json", "expected an object"),
    Damage("no labels", layout(labels=None), "dataset.json", "labels is None"),
    Damage("labels as a list", layout(labels=["background", "cell"]), "dataset.json", "labels is ["),
    Damage("labels by words", layout(labels={"background": "none"}), "dataset.json", "expected a number for each"),
    Damage(
        "negative label", layout(labels={"background": 0, "cell": -1}), "dataset.json", "expected a number for each"
    ),
    Damage("background alone", layout(labels={"background": 0}), "dataset.json", "no class other than background"),
    Damage("no channel names", layout(channel_names=None), "dataset.json", "channel_names is None"),
    Damage("channels as a word", layout(channel_names="T2"), "dataset.json", "channel_names is 'T2'"),
    Damage("channels from 1", layout(channel_names={"1": "T2"}), "dataset.json", "number the channels from 0"),
    Damage("unreadable ending", layout(file_ending=".mha"), "dataset.json", "file_ending is '.mha'"),
    Damage("ending that is a number", layout(file_ending=3), "dataset.json", "file_ending is 3"),
    Damage("a value that is no class", layout(labels={"cell": 2}), "la_1.nii.gz", "holds the value 1"),
    Damage("a third channel is promised", layout(channel_names=["a", "b", "c"]), "imagesTr", "channels 0000, 0001"),
    Damage("a channel is missing", remove("imagesTr/la_1_0001.nii.gz"), "imagesTr", "'la_1' has the channels 0000"),
    Damage("no channel number", move("imagesTr/la_1_0001.nii.gz", "imagesTr/la_1.nii.gz"), "la_1.nii.gz", "number"),
    Damage("mask without image", copy("labelsTr/la_1.nii.gz", "labelsTr/la_9.nii.gz"), "la_9.nii.gz", "without image"),
    Damage("no mask at all", empty("labelsTr"), "labelsTr", "holds no mask"),
    Damage("no dataset.json", remove("dataset.json"), "images", "add its dataset.json"),
]


@pytest.mark.parametrize("command", ["check", "consensus"])
@pytest.mark.parametrize("case", NNUNET_DAMAGES, ids=lambda case: case.name)
def test_a_broken_folder_of_nnunet_is_one_clear_message(tmp_path, monkeypatch, capsys, case, command):
    data = nnunet(tmp_path / "data")
    case.damage(data)
    before = content(data)
    assert run(monkeypatch, command, data, *(["--out", tmp_path / "out"] if command == "consensus" else [])) == 1
    shown = capsys.readouterr()
    message = "".join((shown.out + shown.err).split())  # without the lines of a narrow terminal
    assert case.file in message
    assert case.says.replace(" ", "") in message
    assert "Traceback" not in message
    assert content(data) == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: None, None),
        (layout(numTraining=3), "numTraining is 3, but imagesTr holds 2 cases"),
        (layout(numTraining="many"), None),
        (remove("labelsTr/la_1.nii.gz"), None),  # a rater may lack cases
    ],
)
def test_what_nnunet_would_not_take_may_still_be_read(tmp_path, monkeypatch, capsys, damage, says):
    damage(nnunet(tmp_path / "data"))
    assert run(monkeypatch, "check", tmp_path / "data", "--json") == 0
    warnings = [problem["what"] for problem in json.loads(capsys.readouterr().out)["problems"]]
    assert says is None or any(says in what for what in warnings)


UNUSUAL = {
    "emoji": "\U0001f42d\U0001f52c",
    "combining": "a\u0301\u0328o\u0308",
    "right to left": "\u0639\u064a\u0646",
    "spaces": "a  b",
    "signs": "\u00df#{}'$",
    "very long": "x" * 200,
}


@pytest.fixture(scope="module")
def unusual(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a dataset whose cases have these names beside the usual ones, its consensus and its evaluation."""
    folder = tmp_path_factory.mktemp("unusual")
    data = Path(shutil.copytree(good, folder / "data"))
    for path in [path for path in data.rglob("001*") if path.is_file()]:
        for name in UNUSUAL.values():
            shutil.copy(path, path.with_name(path.name.replace("001", name)))
    rows = [f"{name},{group},\n" for name, group in zip(UNUSUAL.values(), "HAHAHA", strict=True)]
    (data / "experiment.csv").write_text(EXPERIMENT + "".join(rows), encoding="utf-8")
    masks = f"fused={folder / 'fused' / 'masks'}"
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*missing from font")
        assert run(patch, "check", data) == 0
        assert run(patch, "consensus", data, "--out", folder / "fused") == 0
        words = ["evaluate", data, "--out", folder / "out", "--no-mlflow", "--jobs", 1, "--masks", masks]
        assert run(patch, *words) == 0
    return folder


@pytest.mark.parametrize("name", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_names_are_read_written_and_compared(unusual, name):
    case = unicodedata.normalize("NFC", name)
    assert (unusual / "fused" / "masks" / f"{case}.png").is_file()
    found = pd.read_csv(unusual / "out" / "tables" / "counts.csv", dtype=str)
    assert (found["case"] == case).sum() == 4
    assert set(found["case"]) == {unicodedata.normalize("NFC", other) for other in UNUSUAL.values()} | set(CASES)


def test_a_name_as_long_as_the_system_allows_is_a_message_where_it_gets_longer(data, tmp_path, monkeypatch, capsys):
    """The image may have 255 letters with .png, its probability in a .tif the same, a NIfTI three more."""
    name = "x" * 246
    for path in [path for path in data.rglob("001*") if path.is_file()]:
        path.rename(path.with_name(path.name.replace("001", name)))
    (data / "experiment.csv").write_text(EXPERIMENT.replace("001", name))
    assert run(monkeypatch, "consensus", data, "--out", tmp_path / "out") == 0
    with pytest.raises(UsageError, match="File name too long"):
        write_mask(tmp_path / f"{'x' * 252}.png", MASK)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


def test_numbers_that_are_none_in_an_image_touch_no_mask_and_no_other_image(data, tmp_path, monkeypatch, capsys):
    """`check` calls them errors; where masks are compared, only the brightness of that object is unknown."""
    inside = np.roll(MASK, len("rater_a"), axis=1)
    image = np.where(inside & (IMAGE % 7 == 0), np.nan, IMAGE).astype(np.float32)
    as_image("001.tif", lambda path: tiff(path, image))(data)
    assert run(monkeypatch, "check", data) == 1
    assert "are NaN or infinite" in " ".join(capsys.readouterr().out.split())
    assert run(monkeypatch, "consensus", data, "--out", tmp_path / "fused") == 0
    np.testing.assert_array_equal(read_mask(tmp_path / "fused/masks/001.tif") > 0, inside)
    without_pictures(monkeypatch)
    words = ["evaluate", data, "--out", tmp_path / "out", "--no-mlflow", "--jobs", 1]
    assert run(monkeypatch, *words) == 0
    found = pd.read_csv(tmp_path / "out/tables/counts.csv", dtype={"case": str}).set_index(["case", "annotator"])
    assert np.isnan(found.loc[("001", "rater_a"), "mean_intensity"])
    assert found.loc["002", "mean_intensity"].notna().all()
    assert found["n_objects"].gt(0).all()
    json.loads((tmp_path / "out/summary.json").read_text(), parse_constant=lambda text: pytest.fail(text))


@pytest.mark.parametrize("bright", [65535, 256 * 200])
def test_a_palette_of_16_bits_is_judged_by_its_colours(data, tmp_path, monkeypatch, bright):
    colours = np.zeros((3, 65536), dtype=np.uint16)
    colours[:, 700] = bright
    palette = {"photometric": "palette", "colormap": colours}
    as_mask("001_c.tif", lambda path: tiff(path, MASK * np.uint16(700), **palette))(data)
    assert run(monkeypatch, "check", data) == 0
    np.testing.assert_array_equal(read_mask(data / "labels/rater_a/001_c.tif") > 0, MASK)
