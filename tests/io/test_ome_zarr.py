"""OME-Zarr: the same pixels and pixel size as written, by windows or as a whole; what is hostile is one clear error."""

import json
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ome_zarr import ENCODERS, edit_json, format_3, write_json, write_ome_zarr
from segassay.errors import DataError
from segassay.io.images import image_shape, read_image, read_mask, sha256, write_mask
from segassay.io.ome_zarr import ZarrWindows
from segassay.io.windows import open_windows, strips_of

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 6000, (70, 91)).astype(np.uint16)
TWO = np.stack([GREY, GREY[::-1]])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("compression", [None, *ENCODERS])
def test_windows_are_parts_of_what_was_written(tmp_path: Path, version: int, compression: str | None) -> None:
    path = write_ome_zarr(tmp_path / "a.ome.zarr", GREY, chunk=(32, 20), version=version, compression=compression)
    image = ZarrWindows(path)
    assert (image.frame.array.shape, image.frame.array.dtype) == ((1, 70, 91), np.uint16)
    assert image_shape(path) == (70, 91)
    for rows, columns in (
        (slice(0, 70), slice(0, 91)),
        (slice(31, 33), slice(19, 41)),
        (slice(69, 70), slice(80, 91)),
    ):
        np.testing.assert_array_equal(image.read(rows, columns)[0], GREY[rows, columns])
    np.testing.assert_array_equal(read_image(path).array[0], GREY)


@pytest.mark.parametrize(
    ("array", "axes", "shape"),
    [
        (TWO, "cyx", (2, 70, 91)),
        (TWO, "zyx", (1, 2, 70, 91)),
        (TWO[None, :, None], "tczyx", (2, 70, 91)),
        (TWO[None, :, None], "tzcyx", None),
        (TWO.transpose(1, 2, 0), "yxc", (2, 70, 91)),
        (np.stack([TWO] * 3), "czyx", (3, 2, 70, 91)),
    ],
)
def test_axes_are_those_that_the_metadata_name(
    tmp_path: Path, array: np.ndarray, axes: str, shape: tuple[int, ...] | None
) -> None:
    path = write_ome_zarr(tmp_path / "a.zarr", array, axes, chunk=[16] * array.ndim)
    if shape is None:  # one channel, two planes
        shape = (1, 2, 70, 91)
    picture = read_image(path)
    assert picture.array.shape == shape
    planes = picture.array.reshape(-1, 70, 91)
    np.testing.assert_array_equal(planes[:2], TWO)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("unit", "scale", "expected"),
    [
        ("micrometer", (1, 0.5, 0.25), (0.5, 0.25)),
        ("nanometer", (1, 500, 250), (0.5, 0.25)),
        ("millimeter", (1, 0.002, 0.002), (2, 2)),
        (None, (1, 0.5, 0.25), None),
        ("parsec", (1, 0.5, 0.25), None),
        ("micrometer", (1, 0, 0.25), None),
    ],
)
def test_the_pixel_size_has_its_unit_and_is_never_guessed(
    tmp_path: Path, version: int, unit: str | None, scale: tuple[float, ...], expected: tuple[float, ...] | None
) -> None:
    path = write_ome_zarr(tmp_path / "a.zarr", TWO, "cyx", version=version, unit=unit, scale=scale)
    found = read_image(path).spacing_um
    assert found == (None if expected is None else pytest.approx(expected))


def test_a_scale_of_all_levels_multiplies_that_of_the_level(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zarr", GREY, scale=(0.5, 0.25))
    about = json.loads((path / ".zattrs").read_text())
    about["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [2, 4]}]
    write_json(path / ".zattrs", about)
    assert read_image(path).spacing_um == (1.0, 1.0)


def test_older_and_converted_images(tmp_path: Path) -> None:
    """NGFF 0.1 names no axes; bioformats2raw puts the image into a folder `0`; chunks may have another order."""
    path = write_ome_zarr(tmp_path / "a.zarr", TWO[None, :, None], "tczyx", chunk=[1, 1, 1, 64, 64])
    write_json(path / ".zattrs", {"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}]}]})
    picture = read_image(path)
    assert (picture.array.shape, picture.spacing_um) == ((2, 70, 91), None)
    outer = tmp_path / "b.zarr"
    write_ome_zarr(outer / "0", GREY.astype(">u2"), order="F")
    write_json(outer / ".zattrs", {"bioformats2raw.layout": 3})
    np.testing.assert_array_equal(read_image(outer).array[0], GREY)
    write_ome_zarr(outer / "1", GREY)
    with pytest.raises(DataError, match="holds several images"):
        read_image(outer)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="zarr 3 needs Python 3.11")
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("shards", [None, (64, 60)])
def test_the_zarr_library_writes_what_is_read(tmp_path: Path, version: int, shards: tuple[int, int] | None) -> None:
    zarr = pytest.importorskip("zarr", minversion="3")
    if version == 2 and shards:
        return
    path = write_ome_zarr(tmp_path / "a.zarr", GREY, version=version)
    for dtype, words in (("uint16", {}), ("float32", {"order": "F"} if version == 2 else {})):
        found = zarr.create_array(
            path / "0", shape=GREY.shape, chunks=(32, 20), shards=shards, dtype=dtype, zarr_format=version,
            overwrite=True, config={"write_empty_chunks": True}, **words,
        )  # fmt: skip
        found[:] = GREY
        np.testing.assert_array_equal(read_image(path).array[0], GREY.astype(dtype))


def test_a_transposed_big_endian_array_in_shards_without_the_library(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zarr", GREY, version=3)
    inner = [
        {"name": "transpose", "configuration": {"order": [1, 0]}},
        {"name": "bytes", "configuration": {"endian": "big"}},
        {"name": "crc32c"},
    ]
    sharded = {"chunk_shape": [35, 91], "codecs": inner, "index_codecs": [{"name": "bytes"}], "index_location": "start"}
    about = format_3(GREY, (70, 91), None) | {"codecs": [{"name": "sharding_indexed", "configuration": sharded}]}
    write_json(path / "0" / "zarr.json", about)
    chunks = [GREY[start : start + 35].T.astype(">u2").tobytes() + b"crc!" for start in (0, 35)]
    index = np.array([[32, len(chunks[0])], [32 + len(chunks[0]), len(chunks[1])]], "<u8").tobytes()
    (path / "0" / "c" / "0" / "0").write_bytes(index + b"".join(chunks))
    np.testing.assert_array_equal(read_image(path).array[0], GREY)
    missing = np.array([[32, len(chunks[0])], [2**64 - 1, 2**64 - 1]], "<u8").tobytes()
    (path / "0" / "c" / "0" / "0").write_bytes(missing + b"".join(chunks))
    with pytest.raises(DataError, match="lacks chunk 1"):
        read_image(path)


def _without_multiscales(path: Path) -> None:
    write_json(path / ".zattrs", {"omero": {}})


def _broken_json(path: Path) -> None:
    (path / ".zattrs").write_text('{"multiscales": [')


def _deep_json(path: Path) -> None:
    (path / ".zattrs").write_text("[" * 100_000)


def _missing_chunk(path: Path) -> None:
    (path / "0" / "1.1").unlink()


def _cut_chunk(path: Path) -> None:
    (path / "0" / "1.1").write_bytes((path / "0" / "1.1").read_bytes()[:-9])


def _chunk_that_grows(path: Path) -> None:
    (path / "0" / "1.1").write_bytes(bytes(ENCODERS["zstd"](bytes(10**6))))


def _missing_array(path: Path) -> None:
    (path / "0" / ".zarray").unlink()


def _huge_claim(path: Path) -> None:
    edit_json(path / "0" / ".zarray", shape=[60_000, 60_000])


def _huge_claim_of_tiny_chunks(path: Path) -> None:
    edit_json(path / "0" / ".zarray", shape=[60_000, 60_000], chunks=[1, 1])


def _huge_chunk(path: Path) -> None:
    edit_json(path / "0" / ".zarray", chunks=[60_000, 60_000])


def _link_to_a_chunk_elsewhere(path: Path) -> None:
    outside = path.parent / "secret"
    (path / "0" / "1.1").rename(outside)
    (path / "0" / "1.1").symlink_to(outside)


def _path_elsewhere(path: Path) -> None:
    (path / "0").rename(path.parent / "other")
    about = json.loads((path / ".zattrs").read_text())
    about["multiscales"][0]["datasets"][0]["path"] = "../other"
    write_json(path / ".zattrs", about)


def _chunk_that_is_a_pipe(path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    (path / "0" / "1.1").unlink()
    os.mkfifo(path / "0" / "1.1")


def _python_objects(path: Path) -> None:
    edit_json(path / "0" / ".zarray", dtype="|O")


def _negative(path: Path) -> None:
    edit_json(path / "0" / ".zarray", shape=[-70, 91])


def _other_axes(path: Path) -> None:
    about = json.loads((path / ".zattrs").read_text())
    about["multiscales"][0]["axes"] = [{"name": "t", "type": "time"}, {"name": "x", "type": "space"}]
    write_json(path / ".zattrs", about)


def _plate(path: Path) -> None:
    write_json(path / ".zattrs", {"plate": {"wells": []}})


def _unknown_compression(path: Path) -> None:
    edit_json(path / "0" / ".zarray", compressor={"id": "jpeg"})


def _filters(path: Path) -> None:
    edit_json(path / "0" / ".zarray", filters=[{"id": "delta"}])


HOSTILE: list[tuple[Callable[[Path], None], str]] = [
    (_without_multiscales, "has no `multiscales`"),
    (_broken_json, "truncated or broken"),
    (_deep_json, "truncated or broken"),
    (_missing_chunk, r"lacks a chunk \(0/1\.1\); copy it again"),
    (_cut_chunk, "truncated or broken"),
    (_chunk_that_grows, "truncated or broken"),
    (_missing_array, "has no array '0'"),
    (_huge_claim, "claims 60000 × 60000 pixels, more than"),
    (_huge_claim_of_tiny_chunks, "claims 60000 × 60000 pixels, more than"),
    (_huge_chunk, "has chunks of 7200000000 bytes"),
    (_link_to_a_chunk_elsewhere, r"names a file outside of it \(0/1\.1\)"),
    (_path_elsewhere, "names a file outside of it"),
    (_chunk_that_is_a_pipe, "lacks a chunk"),
    (_python_objects, r"uses numbers of type \|O"),
    (_negative, "holds no pixel"),
    (_other_axes, "has the axes tx"),
    (_plate, "is a plate of many images"),
    (_unknown_compression, "uses compression 'jpeg'"),
    (_filters, r"uses filters \['delta'\]"),
]


@pytest.mark.parametrize(("damage", "message"), HOSTILE, ids=[damage.__name__[1:] for damage, _ in HOSTILE])
def test_what_is_hostile_or_broken_is_one_error_that_names_the_image(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    path = write_ome_zarr(tmp_path / "a.ome.zarr", GREY)
    damage(path)
    tracemalloc.start()
    for read in (read_image, read_mask, _by_windows):
        if read is _by_windows and "claims" in message:
            message = "lacks a chunk|truncated or broken"
        with pytest.raises(DataError, match=message) as caught:
            read(path)
        assert str(caught.value.file).startswith(str(path))
        assert "\n" not in str(caught.value)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def _by_windows(path: Path) -> Any:
    image_shape(path)  # which turns errors of the metadata into messages
    with open_windows(path, path.parent) as image:
        return next(strips_of(image, 64))


def test_a_name_of_an_image_that_is_no_folder_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").write_text("no folder")
    for name, message in (("a.zarr", "is a file"), ("b.zarr", "does not exist")):
        with pytest.raises(DataError, match=message):
            read_image(tmp_path / name)


def test_the_digest_is_of_names_and_bytes_and_not_of_what_a_system_adds(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zarr", GREY)
    before = sha256(path)
    (path / ".DS_Store").write_text("Finder")
    (path / "0" / "link").symlink_to("/dev/zero")
    assert sha256(path) == before
    (path / "0" / "0.0").rename(path / "0" / "9.9")
    assert sha256(path) != before


def test_a_mask_is_not_written_as_zarr(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot hold"):
        write_mask(tmp_path / "a.zarr", np.eye(3, dtype=bool))
