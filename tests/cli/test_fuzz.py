"""Readers meet files that nobody meant: any bytes and any text give a result or one of our errors.

The examples are the same in every run. `HYPOTHESIS_MAX_EXAMPLES=20000` in the environment makes a long search of it.
"""

import gzip
import io
import json
import os
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from segassay.data.annotations import read_annotations
from segassay.data.dataset import Dataset, read_dataset
from segassay.errors import DataError, SegAssayError
from segassay.io.images import image_shape, read_image, read_mask, write_labels
from segassay.io.text_tables import read_text_table
from segassay.simulation.settings import Simulation
from segassay.simulation.settings_file import read_simulation

GREY = np.arange(35, dtype=np.uint8).reshape(5, 7)
STACK = np.arange(3 * 5 * 7, dtype=np.uint16).reshape(3, 5, 7)

N_EXAMPLES = int(os.environ.get("HYPOTHESIS_MAX_EXAMPLES", "0"))


def search(n_examples: int) -> Callable[[Any], Any]:
    """The same examples in every run, unless a longer search is asked for."""
    return settings(
        max_examples=N_EXAMPLES or n_examples,
        derandomize=not N_EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def _tiff(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def _pillow(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _nifti(array: np.ndarray) -> bytes:
    return bytes(nibabel.Nifti1Image(array, np.diag([0.5, 0.25, 2, 1])).to_bytes())


def _seeds() -> list[tuple[str, bytes]]:
    """Small valid files of every kind: name ending and bytes."""
    palette = Image.fromarray(GREY % 2, mode="P")
    palette.putpalette([0, 0, 0, 255, 255, 255])
    colours = np.dstack([GREY, GREY + 1, GREY + 2])
    ome = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    return [
        (".png", _pillow(Image.fromarray(GREY), "PNG")),
        (".png", _pillow(Image.fromarray(colours), "PNG")),
        (".png", _pillow(palette, "PNG")),
        (".png", _pillow(Image.fromarray(STACK[0]), "PNG")),
        (".tif", _tiff(GREY)),
        (".tif", _tiff(STACK, photometric="minisblack", compression="zlib", metadata={"axes": "ZYX"})),
        (".tif", _tiff(STACK, imagej=True, resolution=(4, 2), metadata={"axes": "ZYX", "spacing": 2, "unit": "um"})),
        (".tif", _tiff(np.tile(GREY, (8, 8)), tile=(16, 16), compression="lzw")),
        (".tif", _pillow(palette, "TIFF")),
        (".ome.tif", _tiff(STACK, metadata=ome)),
        (".nii", _nifti(GREY)),
        (".nii", _nifti(STACK.astype(np.float32))),
        (".nii.gz", gzip.compress(_nifti(STACK), mtime=0)),
    ]


SEEDS = _seeds()

mutations = st.lists(
    st.tuples(
        st.sampled_from(["set", "flip", "cut", "insert", "repeat", "delete"]),
        st.floats(0, 1, exclude_max=True),
        st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 4, b"\x00" * 4, b"\xff\xff\xff\x7f"])),
    ),
    min_size=1,
    max_size=4,
)


def mutate(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    """Bytes with some changes; half of the places lie in the first 400 bytes, where headers are."""
    for kind, place, value in changes:
        at = int(place * 2 * min(400, len(data))) if place < 0.5 else int((place - 0.5) * 2 * len(data))
        at = min(at, max(len(data) - 1, 0))
        before, after = data[:at], data[at:]
        if kind == "set":
            data = before + value + after[len(value) :]
        elif kind == "flip":
            data = before + bytes([after[0] ^ (1 << value[0] % 8)]) + after[1:] if after else data
        elif kind == "cut":
            data = before
        elif kind == "insert":
            data = before + value + after
        elif kind == "repeat":
            data = before + after[: len(value)] * 40 + after
        else:
            data = before + after[len(value) :]
    return data


def _named(path: Path, read: Callable[[Path], Any]) -> Any:
    """What is read, or None where a message names the file; anything else fails."""
    try:
        return read(path)
    except DataError as error:
        if str(path) not in str(error) or len(str(error).splitlines()) > 1:
            raise AssertionError("expected one line that names the file") from error
        return None


@search(600)
@given(seed=st.sampled_from(range(len(SEEDS))), changes=mutations)
def test_damaged_images_are_read_or_named(tmp_path_factory, seed, changes):
    suffix, data = SEEDS[seed]
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(mutate(data, changes))
    picture, shape, mask = (_named(path, read) for read in (read_image, image_shape, read_mask))
    if picture is not None:
        assert picture.array.shape[1:] == shape
        assert picture.array.dtype.kind in "buif"
        assert picture.spacing_um is None or len(picture.spacing_um) == len(shape)
    if mask is not None:
        assert picture is not None
        assert mask.shape == shape
        assert mask.dtype in (bool, np.int32)


def _changed(data: bytes, tag: str, count: int | None = None, value: int | None = None) -> bytes:
    """A TIFF in which a tag has another number of values, or one other value of 32 bits."""
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        at = tif.pages.first.tags[tag].offset
    kind = data[at + 2 : at + 4] if value is None else struct.pack("<H", 4)
    n = data[at + 4 : at + 8] if count is None else struct.pack("<I", count)
    return (
        data[: at + 2]
        + kind
        + n
        + (data[at + 8 : at + 12] if value is None else struct.pack("<I", value))
        + data[at + 12 :]
    )


def _damaged_codes(compression: str, *, at: float) -> bytes:
    data = _tiff(np.tile(GREY, (12, 9)), compression=compression)
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        start, n_bytes = tif.pages.first.dataoffsets[0], tif.pages.first.databytecounts[0]
    place = start + int(at * n_bytes)
    return data[:place] + b"\xff" * 40 + data[place + 40 :]


STRIPS, TILES = (
    _tiff(np.tile(GREY, (12, 9)), rowsperstrip=15),
    _tiff(np.tile(GREY, (12, 9)), tile=(16, 16), compression="zlib"),
)
FOUND = {
    "LZW codes, first": _damaged_codes("lzw", at=0),
    "LZW codes": _damaged_codes("lzw", at=0.5),
    "deflated bytes": _damaged_codes("zlib", at=0.5),
    "missing strips": _changed(_changed(STRIPS, "StripOffsets", count=2), "StripByteCounts", count=2),
    "missing offsets": _changed(STRIPS, "StripOffsets", count=2),
    "missing lengths": _changed(STRIPS, "StripByteCounts", count=2),
    "huge tile width": _changed(TILES, "TileWidth", value=2**31 - 16),
    "huge tile length": _changed(TILES, "TileLength", value=2**31 - 16),
    "huge width": _changed(STRIPS, "ImageWidth", value=2**31),
    "huge length": _changed(STRIPS, "ImageLength", value=2**31),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_a_search_has_found_is_refused_in_little_memory(tmp_path, name):
    """Each of them once ended the process, gave zeros for what is missing, or asked for gigabytes."""
    path = tmp_path / "0001.tif"
    path.write_bytes(FOUND[name])
    tracemalloc.start()
    for read in (read_image, read_mask):
        with pytest.raises(DataError, match=r"0001\.tif (is truncated or broken|claims)"):
            read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


WORDS = [
    *("name", "images", "raters", "mask_suffix", "reference", "ignore", "experiment", "control_group", "spacing_um"),
    *(
        "min_object_size",
        "case",
        "group",
        "annotator",
        "kind",
        "path",
        "session",
        "split",
        "model",
        "human",
        "001",
        "002",
    ),
    *(
        "labels",
        "channel_names",
        "file_ending",
        "background",
        "shape",
        "n_cases",
        "groups",
        "rate",
        "seed",
        "miss_rate",
    ),
    *(
        "images/001.png",
        "labels/*",
        "../x",
        "/etc",
        "C:\\x",
        ".nan",
        ".inf",
        "-1",
        "1e400",
        "0144",
        "null",
        "true",
        "~",
    ),
    *(
        ":",
        ": ",
        "\n",
        "\n  ",
        "- ",
        ",",
        ";",
        "\t",
        '"',
        "'",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "!!python/name:os.system ",
    ),
    *("1" * 5000, "a/" * 5000),
    *("\ufeff", "\0", "ä", "\u202e", "\ud7ff", "#", "|", ">", "%", "@", "`", "?", "=", "<<: ", "\r", "**", "..", "\\"),
]
texts = st.one_of(st.lists(st.sampled_from(WORDS), max_size=14).map("".join), st.text(max_size=40))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two cases by one rater."""
    folder = tmp_path_factory.mktemp("fuzz") / "data"
    for name in ("images", "labels/anna"):
        (folder / name).mkdir(parents=True)
        for case in ("001", "002"):
            write_labels(folder / name / f"{case}.png", GREY)
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return read_dataset(folder)


def _ours(read: Callable[[], Any]) -> None:
    """It works, or one of our errors says why not."""
    try:
        read()
    except SegAssayError:
        return


def _write(path: Path, content: Any) -> None:
    text = content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True)
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))


@search(250)
@given(content=texts | st.dictionaries(st.sampled_from(WORDS[:10]), anything, max_size=4))
def test_any_dataset_yaml_is_read_or_refused(folder, content):
    _write(folder / "dataset.yaml", content)
    _ours(lambda: read_dataset(folder))
    (folder / "dataset.yaml").unlink()


@search(120)
@given(content=texts, header=st.booleans())
def test_any_table_is_read_or_refused(folder, dataset, content, header):
    path = folder.parent / "table.csv"
    _write(path, "case,annotator,kind,path,group,session\n" * header + content)
    _ours(lambda: read_text_table(path))
    _ours(lambda: read_annotations(None, path))
    _ours(lambda: read_annotations(dataset, path))
    _write(folder / "experiment.csv", "case,group,split\n" * header + content)
    (folder / "dataset.yaml").write_text("experiment: experiment.csv\n")
    _ours(lambda: read_dataset(folder))
    (folder / "dataset.yaml").unlink()


@search(250)
@given(
    content=texts | st.dictionaries(st.sampled_from([field.name for field in fields(Simulation)]), anything, max_size=3)
)
def test_any_settings_of_a_simulation_are_read_or_refused(folder, content):
    _write(folder.parent / "settings.yaml", content)
    _ours(lambda: read_simulation(folder.parent / "settings.yaml"))


@search(250)
@given(
    content=st.dictionaries(
        st.sampled_from(["channel_names", "labels", "file_ending", "numTraining", "training"]), anything
    )
)
def test_any_dataset_json_is_read_or_refused(folder, content):
    nnunet = folder.parent / "nnunet"
    for name, file in (("imagesTr", "001_0000.png"), ("labelsTr", "001.png")):
        (nnunet / name).mkdir(parents=True, exist_ok=True)
        write_labels(nnunet / name / file, GREY)
    usual = {"channel_names": {"0": "a"}, "labels": {"background": 0, "cell": 1}, "file_ending": ".png"}
    (nnunet / "dataset.json").write_text(json.dumps(usual | content))
    _ours(lambda: read_dataset(nnunet))
