"""Arrays of Zarr, format 2 and 3, by windows: chunk files of a folder, decoded one after another.

    folder with .zarray | zarr.json -> open_array -> ZarrArray.read(window) -> array in its own number type

A chunk that is missing is an error, although the format lets it stand for one value: a folder that was copied in part
looks the same. Nothing outside the folder of the image is read, and no chunk may grow beyond its own size.
"""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from segassay.errors import DataError

__all__ = ["ZarrArray", "open_array", "read_json"]

_LARGEST_CHUNK = 2**27  # bytes that are decoded at once
_LARGEST_TEXT = 2**24  # bytes of a file of metadata
_MISSING = 2**64 - 1  # offset and length of a chunk that a shard lacks
_CRC_BYTES = 4

_DECODERS: dict[str, Callable[[bytes, int], Any]] = {
    "blosc": lambda data, size: imagecodecs.blosc_decode(data, numthreads=1, out=size),
    "zlib": lambda data, size: imagecodecs.zlib_decode(data, out=size),
    "gzip": lambda data, size: imagecodecs.gzip_decode(data, out=size),
    "zstd": lambda data, size: imagecodecs.zstd_decode(data, out=size),
    "lz4": lambda data, size: imagecodecs.lz4_decode(data, header=True, out=size),
    "bz2": lambda data, size: imagecodecs.bz2_decode(data, out=size),
}
"""Decoders of compressed chunks, which are given the largest size that a chunk may grow to."""


@dataclass(frozen=True)
class _Codec:
    """How the bytes of a chunk become numbers.

    Attributes:
        dtype: Of the numbers, with their order of bytes.
        chunk: Shape of the array that is decoded at once.
        axes: Order in which its axes are stored.
        compressions: Names in `_DECODERS` and `crc32c`, the one that is undone first in front.
    """

    dtype: np.dtype
    chunk: tuple[int, ...]
    axes: tuple[int, ...]
    compressions: tuple[str, ...]

    def decode(self, data: bytes) -> np.ndarray:
        size = math.prod(self.chunk) * self.dtype.itemsize
        for name in self.compressions:
            data = _without_crc(data) if name == "crc32c" else bytes(_DECODERS[name](data, size + _CRC_BYTES))
        if len(data) != size:
            raise ValueError(f"a chunk has {len(data)} bytes instead of {size}")
        stored = np.frombuffer(data, self.dtype).reshape([self.chunk[axis] for axis in self.axes])
        return stored.transpose(np.argsort(self.axes))


@dataclass(frozen=True)
class _Shard:
    """Several chunks in one file, with the place of each at its end or start."""

    file: tuple[int, ...]
    inner: _Codec
    at_end: bool
    has_crc: bool


@dataclass(frozen=True, eq=False)
class ZarrArray:
    """An array of which windows are read.

    Attributes:
        root: Folder of the image; nothing outside is read.
        folder: Folder of the array in it.
        shape: Of the array.
        dtype: Number type, in the order of bytes of this computer.
        codec: How a chunk becomes numbers.
        shard: How chunks lie in files; None if each is a file.
        names: What the name of each chunk's file starts with, and what separates its numbers.
    """

    root: Path
    folder: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    codec: _Codec
    shard: _Shard | None
    names: tuple[tuple[str, ...], str]

    def read(self, window: Sequence[slice]) -> np.ndarray:
        """The numbers in a window inside the array.

        Raises:
            ValueError: If a chunk is broken.
            DataError: If a chunk is missing or outside the folder of the image.
        """
        found = np.empty([part.stop - part.start for part in window], self.dtype)
        for place in product(*map(_places, window, self.codec.chunk)):
            chunk = self.codec.decode(self._bytes(place))
            to, of = [], []
            for part, edge, number in zip(window, self.codec.chunk, place, strict=True):
                first, last = max(number * edge, part.start), min((number + 1) * edge, part.stop)
                to.append(slice(first - part.start, last - part.start))
                of.append(slice(first - number * edge, last - number * edge))
            found[tuple(to)] = chunk[tuple(of)]
        return found

    def _bytes(self, place: tuple[int, ...]) -> bytes:
        if self.shard is None:
            path = self._file(place)
            if path.stat().st_size > 2 * _LARGEST_CHUNK:
                raise ValueError(f"a chunk has {path.stat().st_size} bytes")
            return path.read_bytes()
        per_file = [whole // edge for whole, edge in zip(self.shard.file, self.codec.chunk, strict=True)]
        path = self._file([number // n for number, n in zip(place, per_file, strict=True)])
        return _of_shard(path, [number % n for number, n in zip(place, per_file, strict=True)], per_file, self.shard)

    def _file(self, place: Sequence[int]) -> Path:
        start, separator = self.names
        return _inside(self.root, self.folder / separator.join([*start, *map(str, place)]), "a chunk")


def _places(part: slice, edge: int) -> range:
    return range(part.start // edge, -(-part.stop // edge))


def _of_shard(path: Path, place: Sequence[int], per_file: Sequence[int], shard: _Shard) -> bytes:
    """Bytes of one chunk in the file of several."""
    n_chunks = math.prod(per_file)
    index_size = 16 * n_chunks + (_CRC_BYTES if shard.has_crc else 0)
    size = path.stat().st_size
    if index_size > size:
        raise ValueError(f"{path.name} is too short for its index")
    with path.open("rb") as file:
        file.seek(size - index_size if shard.at_end else 0)
        index = file.read(index_size)
        index = _without_crc(index) if shard.has_crc else index
        number = int(np.ravel_multi_index(tuple(place), tuple(per_file)))
        offset, length = np.frombuffer(index, "<u8").reshape(-1, 2)[number].tolist()
        if offset == _MISSING and length == _MISSING:
            raise _absent(path, f"lacks chunk {number}")
        if offset + length > size or length > 2 * _LARGEST_CHUNK:
            raise ValueError(f"a chunk lies outside of {path.name}")
        file.seek(offset)
        return file.read(length)


def _without_crc(data: bytes) -> bytes:
    """Bytes in front of their checksum.

    The checksum itself is not computed: a pure Python loop over every pixel would take longer than all the rest.
    """
    if len(data) < _CRC_BYTES:
        raise ValueError("a checksum is missing")
    return data[:-_CRC_BYTES]


def _inside(root: Path, path: Path, what: str) -> Path:
    """A file in the folder of the image, links followed; anything else is refused."""
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(root)):
        shown = os.path.relpath(path, root)
        raise DataError.of(root, f"names a file outside of it ({shown})", "copy it with its files", kind="outside")
    if not real.is_file():
        raise _absent(root, f"lacks {what} ({os.path.relpath(path, root)})")
    return real


def _absent(path: Path, what: str) -> DataError:
    action = "copy it again; if it was written without its empty chunks, write it with all of them"
    return DataError.of(path, what, action, kind="damaged")


def read_json(root: Path, path: Path) -> dict[str, Any]:
    """Content of a file of metadata; empty if there is none.

    Raises:
        ValueError: If it is no JSON object, or larger than 16 MiB.
        DataError: If it lies outside the folder of the image.
    """
    if not os.path.lexists(path):
        return {}
    real = _inside(root, path, "its metadata")
    if real.stat().st_size > _LARGEST_TEXT:
        raise ValueError(f"{path.name} is larger than {_LARGEST_TEXT} bytes")
    content = json.loads(real.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return content


def open_array(root: Path, folder: Path) -> ZarrArray:
    """Prepare an array from its metadata; no chunk is read.

    Args:
        root: Folder of the image.
        folder: Folder of the array, in it.

    Raises:
        ValueError: If the metadata are broken.
        DataError: If there is no array, or it uses what cannot be read here.
    """
    first, second = read_json(root, folder / "zarr.json"), read_json(root, folder / ".zarray")
    if first:
        return _of_format_3(root, folder, first)
    if second:
        return _of_format_2(root, folder, second)
    what = f"has no array {folder.relative_to(root).as_posix()!r}, which its metadata name"
    raise DataError.of(root, what, "copy it again", kind="damaged")


def _of_format_2(root: Path, folder: Path, about: Mapping[str, Any]) -> ZarrArray:
    shape, chunk = _sizes(about["shape"]), _sizes(about["chunks"])
    dtype = _number_type(root, about["dtype"])
    compressor = about.get("compressor") or {}
    compressions = _known(root, [str(compressor["id"])] if compressor else [])
    if about.get("filters"):
        raise _unknown(root, f"filters {[one.get('id') for one in about['filters']]}")
    order = tuple(range(len(shape)))
    codec = _Codec(dtype, chunk, order if about.get("order", "C") == "C" else order[::-1], compressions)
    separator = _separator(about.get("dimension_separator", "."))
    _check(root, shape, codec)
    return ZarrArray(root, folder, shape, dtype.newbyteorder("="), codec, None, ((), separator))


def _of_format_3(root: Path, folder: Path, about: Mapping[str, Any]) -> ZarrArray:
    if about.get("node_type") != "array" or about.get("zarr_format") != 3:
        raise ValueError(f"{folder.name}/zarr.json describes no array")
    shape, grid, keys = _sizes(about["shape"]), about["chunk_grid"], about["chunk_key_encoding"]
    if grid["name"] != "regular":
        raise _unknown(root, f"chunks of the kind {grid['name']!r}")
    chunk = _sizes(grid["configuration"]["chunk_shape"])
    dtype = _number_type(root, about["data_type"])
    codec, shard = _codec_of(root, dtype, chunk, about["codecs"])
    is_default = keys["name"] == "default"
    if keys["name"] not in ("default", "v2"):
        raise _unknown(root, f"names of chunks of the kind {keys['name']!r}")
    separator = _separator((keys.get("configuration") or {}).get("separator", "/" if is_default else "."))
    names = (("c",) if is_default else (), separator)
    _check(root, shape, codec)
    return ZarrArray(root, folder, shape, dtype.newbyteorder("="), codec, shard, names)


def _codec_of(
    root: Path, dtype: np.dtype, chunk: tuple[int, ...], steps: Sequence[Mapping[str, Any]]
) -> tuple[_Codec, _Shard | None]:
    """Codecs of format 3: perhaps a transposition, then numbers to bytes or a shard, then compressions."""
    axes = tuple(range(len(chunk)))
    named = [(str(step["name"]), step.get("configuration") or {}) for step in steps]
    if named and named[0][0] == "transpose":
        axes = tuple(int(axis) for axis in named.pop(0)[1]["order"])
        if sorted(axes) != list(range(len(chunk))):
            raise ValueError(f"a transposition has the order {axes}")
    if not named:
        raise ValueError("codecs are missing")
    (first, settings), rest = named[0], named[1:]
    if first == "sharding_indexed":
        if rest or axes != tuple(range(len(chunk))):
            raise _unknown(root, "shards that are compressed as a whole")
        inner, nested = _codec_of(root, dtype, _sizes(settings["chunk_shape"]), settings["codecs"])
        index = [str(step["name"]) for step in settings.get("index_codecs", [{"name": "bytes"}, {"name": "crc32c"}])]
        if nested is not None or index not in (["bytes"], ["bytes", "crc32c"]):
            raise _unknown(root, "shards in shards or with a compressed index")
        if len(inner.chunk) != len(chunk) or any(whole % edge for whole, edge in zip(chunk, inner.chunk, strict=True)):
            raise ValueError(f"shards of {chunk} do not consist of chunks of {inner.chunk}")
        return inner, _Shard(chunk, inner, settings.get("index_location", "end") == "end", "crc32c" in index)
    if first != "bytes":
        raise _unknown(root, f"codec {first!r}")
    ordered = dtype.newbyteorder("<" if {"little": True, "big": False}[settings.get("endian", "little")] else ">")
    compressions = _known(root, [name for name, _ in reversed(rest)])
    return _Codec(ordered, chunk, axes, compressions), None


def _sizes(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise ValueError(f"expected whole numbers, got {str(values)[:80]}")
    return tuple(values)


def _number_type(root: Path, name: Any) -> np.dtype:
    try:
        dtype = np.dtype(name if isinstance(name, str) else "O")
    except TypeError:
        dtype = np.dtype("O")
    if dtype.kind not in "buif":
        raise _unknown(root, f"numbers of type {str(name)[:80]}")
    return dtype


def _separator(text: Any) -> str:
    if text not in (".", "/"):
        raise ValueError(f"a separator is {str(text)[:20]!r}")
    return str(text)


def _known(root: Path, names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in _DECODERS and name != "crc32c":
            raise _unknown(root, f"compression {name!r}")
    return tuple(names)


def _unknown(root: Path, what: str) -> DataError:
    names = ", ".join(_DECODERS)
    action = f"write it again with numbers of a known type, compressed by one of {names} or not at all"
    return DataError.of(root, f"uses {what}, which cannot be read", action, kind="zarr-codec")


def _check(root: Path, shape: tuple[int, ...], codec: _Codec) -> None:
    """Refuse sizes that are none, and chunks that are too large to be read by windows."""
    if not shape or len(shape) != len(codec.chunk) or min(codec.chunk) < 1:
        raise ValueError(f"its shape is {shape} and that of its chunks {codec.chunk}")
    if min(shape) < 1:
        raise DataError.of(root, f"holds no pixel: its shape is {shape}", "export it again", kind="no-pixel")
    size = math.prod(codec.chunk) * codec.dtype.itemsize
    if size > _LARGEST_CHUNK:
        action = f"write it again in chunks of at most {_LARGEST_CHUNK} bytes, such as 1024 × 1024 pixels"
        raise DataError.of(root, f"has chunks of {size} bytes", action, kind="zarr-chunk")
