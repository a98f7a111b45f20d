"""Every way in which a dataset can be broken: one clear message that names the file, exit code 1, no traceback, and
nothing written.

The same small dataset is broken in one place at a time. What is wrong with it is found by `check`, and told in the same
words by `evaluate` and `consensus`.
"""

import gzip
import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from breaking import CASES, EXPERIMENT, IMAGE, MASK, SETTINGS, content, error_of, good_dataset, put
from command import run
from segassay.errors import UsageError
from segassay.io.images import read_mask, write_mask


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good_dataset(tmp_path_factory.mktemp("good") / "data")


@pytest.fixture
def data(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "data"))


class Damage(NamedTuple):
    """What is done to the dataset; which file the message names, and what it says."""

    name: str
    damage: Callable[[Path], object]
    file: str
    says: str


def remove(path: str) -> Callable[[Path], object]:
    return lambda folder: shutil.rmtree(folder / path) if (folder / path).is_dir() else (folder / path).unlink()


def edit(path: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda folder: (folder / path).write_bytes(change((folder / path).read_bytes()))


def move(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / old).rename(folder / new)


def copy(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: shutil.copy(folder / old, folder / new)


def grey(path: str, array: np.ndarray) -> Callable[[Path], object]:
    return lambda folder: Image.fromarray(array).save(folder / path)


def tiff(path: str, array: np.ndarray, **options: object) -> Callable[[Path], object]:
    return lambda folder: tifffile.imwrite(folder / path, array, **options)  # type: ignore[arg-type]


def nifti(path: str, array: np.ndarray) -> Callable[[Path], object]:
    return lambda folder: nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), folder / path)


def both(*steps: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: [step(folder) for step in steps]


def a_folder(path: str) -> Callable[[Path], object]:
    return both(lambda folder: (folder / path).unlink(missing_ok=True), lambda folder: (folder / path).mkdir())


def empty(path: str) -> Callable[[Path], object]:
    return lambda folder: [file.unlink() for file in (folder / path).iterdir()]


def setting(line: str) -> Callable[[Path], object]:
    """A line of dataset.yaml, in place of the one with that key."""
    key = line.split(":")[0]
    kept = "".join(old + "\n" for old in SETTINGS.splitlines() if old.split(":")[0] != key)
    return put("dataset.yaml", kept + line + "\n")


def as_image(name: str, write: Callable[[str], Callable[[Path], object]]) -> Callable[[Path], object]:
    """Image of case 001 in another format."""
    return both(remove("images/001.png"), write(f"images/{name}"))


def as_mask(name: str, write: Callable[[str], Callable[[Path], object]]) -> Callable[[Path], object]:
    return both(remove("labels/rater_a/001_c.png"), write(f"labels/rater_a/{name}"))


def written_as(name: str, path: str, write: Callable[[Path], object]) -> Callable[[Path], object]:
    """Write a file under one name, then give it another."""
    return both(write, move(name, path))


STACK = np.arange(3 * 12 * 16, dtype=np.uint16).reshape(3, 12, 16)
SEEN, LABEL = "images/001.png", "labels/rater_a/001_c.png"
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nname: *c\n"

DAMAGES = [
    # folders
    Damage("no images folder", remove("images"), "images", "no such folder"),
    Damage("images is a file", both(remove("images"), put("images", "")), "images", "is a file"),
    Damage("no image", empty("images"), "images", "holds no image"),
    Damage("images in folders", both(empty("images"), lambda f: (f / "images/day1").mkdir()), "images", "no image"),
    Damage("no rater folder", setting("raters: labels/nobody_*"), "nobody_*", "finds no folder of a rater"),
    Damage("empty rater folder", empty("labels/rater_a"), "rater_a", "holds no mask"),
    Damage("no reference folder", setting("reference: labels/gone"), "gone", "no such folder"),
    Damage("no folder of ignored areas", setting("ignore: gone"), "gone", "no such folder"),
    Damage(
        "reference is a rater",
        put("dataset.yaml", "raters: {rater_a: labels/rater_b}\nreference: labels/rater_a\n"),
        "dataset.yaml",
        "both a rater and the reference",
    ),
    Damage(
        "one folder, two raters",
        setting("raters: {x: labels/rater_a, y: labels/rater_a}"),
        "labels/rater_a",
        "one folder",
    ),
    # images
    Damage("image is a folder", a_folder(SEEN), "001", "no image"),
    Damage("image of no bytes", put(SEEN, b""), "001.png", "truncated or broken"),
    Damage("truncated PNG", edit(SEEN, lambda data: data[:60]), "001.png", "truncated or broken"),
    Damage(
        "flipped bit in PNG",
        edit(SEEN, lambda d: d[:50] + bytes([d[50] ^ 1]) + d[51:]),
        "001.png",
        "truncated or broken",
    ),
    Damage("text named .png", put(SEEN, "no picture"), "001.png", "truncated or broken"),
    Damage(
        "JPEG named .png", lambda f: Image.fromarray(IMAGE).save(f / SEEN, "JPEG"), "001.png", "truncated or broken"
    ),
    Damage(
        "PNG of a billion pixels", edit(SEEN, lambda d: d[:16] + b"\0\1\x86\xa0" * 2 + d[24:]), "001.png", "can hold"
    ),
    Damage(
        "truncated TIFF",
        both(as_image("001.tif", lambda p: tiff(p, IMAGE)), edit("images/001.tif", lambda d: d[:300])),
        "001.tif",
        "truncated or broken",
    ),
    Damage(
        "NIfTI without end",
        both(as_image("001.nii", lambda p: nifti(p, IMAGE)), edit("images/001.nii", lambda d: d[:400])),
        "001.nii",
        "truncated or broken",
    ),
    Damage(
        "gzip cut short",
        both(as_image("001.nii.gz", lambda p: nifti(p, IMAGE)), edit("images/001.nii.gz", lambda d: d[:90])),
        "001.nii.gz",
        "truncated or broken",
    ),
    Damage("gzip of text", as_image("001.nii.gz", lambda p: put(p, gzip.compress(b"x" * 999))), "001.nii.gz", "broken"),
    Damage(
        "TIFF named .nii",
        as_image("001.nii", lambda p: written_as("x.tif", p, tiff("x.tif", IMAGE))),
        "001.nii",
        "truncated or broken",
    ),
    Damage(
        "OME by name only",
        as_image("001.ome.tif", lambda p: written_as("x.tif", p, tiff("x.tif", IMAGE))),
        "001.ome.tif",
        "no OME metadata",
    ),
    Damage(
        "time series",
        as_image("001.ome.tif", lambda p: tiff(p, STACK, metadata={"axes": "TYX"})),
        "001.ome.tif",
        "axes TYX",
    ),
    Damage(
        "five axes",
        as_image("001.nii", lambda p: nifti(p, np.zeros((4, 4, 2, 2, 2), np.uint8))),
        "001.nii",
        "the shape",
    ),
    Damage(
        "complex numbers", as_image("001.nii", lambda p: nifti(p, IMAGE.astype(np.complex64))), "001.nii", "complex64"
    ),
    Damage("two images of a case", copy(SEEN, "images/001.tif"), "001", "second image of case '001'"),
    Damage(
        "names equal but for case",
        both(move(SEEN, "images/a.png"), copy("images/a.png", "images/A.png")),
        "",
        "upper and lower case alone",
    ),
    Damage(
        "a link to nothing", lambda f: (f / "images/099.png").symlink_to(f / "gone.png"), "099.png", "link to a file"
    ),
    # masks
    Damage("mask of another size", grey(LABEL, np.zeros((12, 15), np.uint8)), "001_c.png", "(12, 15)"),
    Damage("mask transposed", grey(LABEL, np.zeros((16, 12), np.uint8)), "001_c.png", "(16, 12)"),
    Damage(
        "mask of probabilities",
        as_mask("001_c.tif", lambda p: tiff(p, MASK * np.float32(0.5))),
        "001_c.tif",
        "fractions",
    ),
    Damage(
        "mask with NaN",
        as_mask("001_c.tif", lambda p: tiff(p, np.where(MASK, np.nan, 0).astype("f4"))),
        "001_c.tif",
        "fractions",
    ),
    Damage(
        "negative labels",
        as_mask("001_c.tif", lambda p: tiff(p, MASK * np.int16(-1))),
        "001_c.tif",
        "negative number -1",
    ),
    Damage(
        "huge labels",
        as_mask("001_c.tif", lambda p: tiff(p, MASK * np.uint32(2**32 - 1) + (IMAGE == 3))),
        "001_c.tif",
        "object number",
    ),
    Damage(
        "dark colour mask", grey(LABEL, np.dstack([MASK * np.uint8(3)] * 3)), "001_c.png", "nothing brighter than 3"
    ),
    Damage("mask cut short", edit(LABEL, lambda data: data[:60]), "001_c.png", "truncated or broken"),
    Damage("mask without image", copy(LABEL, "labels/rater_a/099_c.png"), "099_c.png", "mask without image"),
    Damage("two masks of a case", copy(LABEL, "labels/rater_a/001_c.tif"), "001_c", "second mask of case '001'"),
    Damage("another suffix", move(LABEL, "labels/rater_a/001_mask.png"), "001_mask.png", "mask without image"),
    Damage("Cellpose's pickle", put("labels/rater_a/001_seg.npy", b"\x93NUMPY"), "rater_a", "pickles"),
    Damage(
        "ignored area of another size", grey("ignored/010.png", np.zeros((12, 15), np.uint8)), "010.png", "(12, 15)"
    ),
    # dataset.yaml
    Damage("dataset.yaml is a folder", a_folder("dataset.yaml"), "dataset.yaml", "cannot be read"),
    Damage(
        "dataset.yaml in UTF-16",
        edit("dataset.yaml", lambda d: d.decode().encode("utf-16")),
        "dataset.yaml",
        "cannot be read",
    ),
    Damage(
        "tab in dataset.yaml", put("dataset.yaml", "raters:\n\ta: labels/rater_a\n"), "dataset.yaml", "cannot be read"
    ),
    Damage("unknown key", setting("maks_suffix: _c"), "dataset.yaml", "did you mean 'mask_suffix'"),
    Damage("a list", put("dataset.yaml", "- images\n"), "dataset.yaml", "expected settings, got a list"),
    Damage("wrong type", setting("spacing_um: wide"), "dataset.yaml", "spacing_um is 'wide'"),
    Damage("key twice", put("dataset.yaml", SETTINGS + "ignore: x\n"), "dataset.yaml", "a second time"),
    Damage(
        "Python in YAML",
        put("dataset.yaml", "name: !!python/object/apply:os.system ['touch pwned']\n"),
        "dataset.yaml",
        "cannot be read",
    ),
    Damage("YAML bomb", put("dataset.yaml", BOMB), "dataset.yaml", "aliases are not read"),
    Damage("deep nesting", put("dataset.yaml", "name: " + "[" * 2000), "dataset.yaml", "cannot be read"),
    Damage("a path that goes up", setting("images: ../other"), "dataset.yaml", "inside the dataset folder"),
    Damage("an absolute path", setting("experiment: /etc/passwd"), "dataset.yaml", "inside the dataset folder"),
    Damage("a drive of Windows", setting("reference: 'C:\\labels'"), "dataset.yaml", "inside the dataset folder"),
    Damage("a pattern that goes up", setting("raters: labels/../../*"), "dataset.yaml", "inside the dataset folder"),
    Damage("negative size", setting("min_object_size: -3"), "dataset.yaml", "min_object_size is '-3'"),
    Damage("spacing of 0", setting("spacing_um: [0, 1]"), "dataset.yaml", "two or three numbers above 0"),
    Damage("spacing of NaN", setting("spacing_um: [.nan, 1]"), "dataset.yaml", "two or three numbers above 0"),
    Damage("spacing for a volume", setting("spacing_um: [1, 1, 1]"), "dataset.yaml", "spacing_um has 3 numbers"),
    # experiment.csv
    Damage("no experiment table", remove("experiment.csv"), "experiment.csv", "cannot be read"),
    Damage("no case column", put("experiment.csv", "image,group\n001,H\n"), "experiment.csv", "no column case"),
    Damage(
        "case column twice", put("experiment.csv", "case,group,case\n001,H,002\n"), "experiment.csv", "2 columns 'case'"
    ),
    Damage("case twice", put("experiment.csv", EXPERIMENT + "001,H,\n"), "experiment.csv", "'001' has several rows"),
    Damage(
        "zeros lost",
        put("experiment.csv", "case,group\n1,H\n002,A\n"),
        "experiment.csv",
        "did a spreadsheet change '001'?",
    ),
    Damage("case of no image", put("experiment.csv", EXPERIMENT + "077,H,\n"), "experiment.csv", "'077' has no image"),
    Damage("no group", put("experiment.csv", "case,group\n001,H\n002,\n"), "experiment.csv", "'002' has no group"),
    Damage("control group absent", setting("control_group: HC"), "experiment.csv", "'HC' is none of the groups"),
    Damage(
        "wrong split",
        put("experiment.csv", "case,group,split\n001,H,val\n"),
        "experiment.csv",
        "expected train or test",
    ),
    Damage("table in UTF-16", edit("experiment.csv", lambda d: d.decode().encode("utf-16")), "experiment.csv", "UTF-8"),
    Damage(
        "too many cells", put("experiment.csv", "case,group\n001,H,x,y\n"), "experiment.csv", "cannot be read as a CSV"
    ),
    Damage(
        "test cases of a trained subject",
        put("experiment.csv", "case,group,subject,split\n001,H,m1,test\n002,A,m1,train\n010,A,m2,\n"),
        "experiment.csv",
        "subject 'm1' has cases in the test split",
    ),
    Damage("table of no bytes", put("experiment.csv", ""), "experiment.csv", "cannot be read as a CSV"),
    Damage(
        "a spreadsheet named .csv",
        put("experiment.csv", b"PK\3\4\x14\0\xff\xfe"),
        "experiment.csv",
        "cannot be read as a CSV",
    ),
]

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


# -------------------------------------------------------------------------------------------------- nnU-Net's folders


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


LAYOUT = {"channel_names": {"0": "T2", "1": "ADC"}, "labels": {"background": 0, "cell": 1}, "file_ending": ".nii.gz"}


def layout(**changes: object) -> Callable[[Path], object]:
    """dataset.json with other values; None removes a key."""
    content = {key: value for key, value in (LAYOUT | changes).items() if value is not None}
    return put("dataset.json", json.dumps(content))


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
    Damage("background alone", layout(labels={"background": 0}), "dataset.json", "no class beside background"),
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


# ------------------------------------------------------------------------------------- unusual, and yet nothing wrong


@pytest.mark.filterwarnings("ignore:.*missing from font")
@pytest.mark.parametrize(
    "name",
    ["\U0001f42d\U0001f52c", "a\u0301\u0328o\u0308", "\u0639\u064a\u0646", "a  b", "\u00df#{}'$", "x" * 200],
    ids=["emoji", "combining", "right to left", "spaces", "signs", "very long"],
)
def test_unusual_names_are_read_written_and_compared(data, tmp_path, monkeypatch, name):
    for path in [path for path in data.rglob("001*") if path.is_file()]:
        path.rename(path.with_name(path.name.replace("001", name)))
    (data / "experiment.csv").write_text(EXPERIMENT.replace("001", name), encoding="utf-8")
    assert run(monkeypatch, "check", data) == 0
    assert run(monkeypatch, "consensus", data, "--out", tmp_path / "fused") == 0
    case = unicodedata.normalize("NFC", name)
    assert (tmp_path / "fused" / "masks" / f"{case}.png").is_file()
    masks = f"fused={tmp_path / 'fused' / 'masks'}"
    words = ["evaluate", data, "--out", tmp_path / "out", "--no-mlflow", "--jobs", 1, "--masks", masks]
    assert run(monkeypatch, *words) == 0
    found = pd.read_csv(tmp_path / "out" / "tables" / "counts.csv", dtype=str)
    assert set(found["case"]) == {case, "002", "010"}


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
