"""What can be wrong with a dataset folder: each damage, the file that the message must name, and what it must say."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import tifffile
from PIL import Image

from breaking import EXPERIMENT, IMAGE, MASK, SETTINGS, put


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
    Damage("no rater folder", setting("raters: labels/nobody_*"), "nobody_*", "matches no folder of a rater"),
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
        "the same folder",
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
        "JPEG named .png",
        lambda f: Image.fromarray(IMAGE).save(f / SEEN, "JPEG"),
        "001.png",
        "although its name ends in .png",
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
        "although its name ends in .nii",
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
        "only by upper and lower case",
    ),
    Damage(
        "a link to nothing", lambda f: (f / "images/099.png").symlink_to(f / "gone.png"), "099.png", "link to a missing"
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
        "NaN",
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
    Damage("key twice", put("dataset.yaml", SETTINGS + "ignore: x\n"), "dataset.yaml", "is repeated here"),
    Damage(
        "Python in YAML",
        put("dataset.yaml", "name: !!python/object/apply:os.system ['touch pwned']\n"),
        "dataset.yaml",
        "cannot be read",
    ),
    Damage("YAML bomb", put("dataset.yaml", BOMB), "dataset.yaml", "aliases are not allowed"),
    Damage("deep nesting", put("dataset.yaml", "name: " + "[" * 2000), "dataset.yaml", "cannot be read"),
    Damage("a path that goes up", setting("images: ../other"), "dataset.yaml", "inside the dataset folder"),
    Damage("an absolute path", setting("experiment: /etc/passwd"), "dataset.yaml", "inside the dataset folder"),
    Damage("a drive of Windows", setting("reference: 'C:\\labels'"), "dataset.yaml", "inside the dataset folder"),
    Damage("a pattern that goes up", setting("raters: labels/../../*"), "dataset.yaml", "inside the dataset folder"),
    Damage("negative size", setting("min_object_size: -3"), "dataset.yaml", "min_object_size is '-3'"),
    Damage("spacing of 0", setting("spacing_um: [0, 1]"), "dataset.yaml", "two or three numbers of micrometres"),
    Damage("spacing of NaN", setting("spacing_um: [.nan, 1]"), "dataset.yaml", "two or three numbers of micrometres"),
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
    Damage("control group absent", setting("control_group: HC"), "experiment.csv", "'HC' is not one of the groups"),
    Damage(
        "wrong split",
        put("experiment.csv", "case,group,split\n001,H,val\n"),
        "experiment.csv",
        "expected train or test",
    ),
    Damage(
        "too many cells", put("experiment.csv", "case,group\n001,H,x,y\n"), "experiment.csv", "cannot be read as a CSV"
    ),
    Damage(
        "test cases of a trained subject",
        put("experiment.csv", "case,group,subject,split\n001,H,m1,test\n002,A,m1,train\n010,A,m2,\n"),
        "experiment.csv",
        "subject 'm1' has cases in both the test and the training split",
    ),
    Damage("table of no bytes", put("experiment.csv", ""), "experiment.csv", "cannot be read as a CSV"),
    Damage(
        "a spreadsheet named .csv",
        put("experiment.csv", b"PK\3\4\x14\0\xff\xfe"),
        "experiment.csv",
        "is an Excel workbook",
    ),
]


LAYOUT = {"channel_names": {"0": "T2", "1": "ADC"}, "labels": {"background": 0, "cell": 1}, "file_ending": ".nii.gz"}


def layout(**changes: object) -> Callable[[Path], object]:
    """dataset.json with other values; None removes a key."""
    content = {key: value for key, value in (LAYOUT | changes).items() if value is not None}
    return put("dataset.json", json.dumps(content))
