"""OME-Zarr images as other programs write them, made by hand: chunks, metadata of both formats, shards."""

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

ENCODERS: dict[str, Any] = {
    "blosc": imagecodecs.blosc_encode,
    "zlib": imagecodecs.zlib_encode,
    "gzip": imagecodecs.gzip_encode,
    "zstd": imagecodecs.zstd_encode,
    "lz4": lambda data: imagecodecs.lz4_encode(data, header=True),
    "bz2": imagecodecs.bz2_encode,
}


def write_ome_zarr(
    folder: Path,
    array: np.ndarray,
    axes: str = "yx",
    *,
    chunk: Sequence[int] | None = None,
    version: int = 2,
    compression: str | None = "zstd",
    scale: Sequence[float] | None = None,
    unit: str | None = "micrometer",
    order: str = "C",
) -> Path:
    """An image of one level.

    Args:
        folder: Its folder, which is made.
        array: Its numbers, with the axes named in `axes`.
        axes: One letter for each.
        chunk: Shape of a chunk.
        version: 2 (NGFF 0.4) or 3 (NGFF 0.5).
        compression: Name in `ENCODERS`.
        scale: Size of a pixel along each axis.
        unit: Of the spatial axes.
        order: `F` stores chunks with the first axis fastest.
    """
    edges = tuple(chunk or (32,) * array.ndim)
    kinds = {"c": "channel", "t": "time"}
    named = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
    for axis in named:
        if axis["type"] == "space" and unit:
            axis["unit"] = unit
    steps = [{"type": "scale", "scale": list(scale or [1.0] * array.ndim)}]
    images = [{"axes": named, "datasets": [{"path": "0", "coordinateTransformations": steps}]}]
    (folder / "0").mkdir(parents=True)
    if version == 2:
        write_json(folder / ".zgroup", {"zarr_format": 2})
        write_json(folder / ".zattrs", {"multiscales": [images[0] | {"version": "0.4"}]})
        write_json(folder / "0" / ".zarray", format_2(array, edges, compression, order))
    else:
        about = {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": {"ome": {"version": "0.5", "multiscales": images}},
        }
        write_json(folder / "zarr.json", about)
        write_json(folder / "0" / "zarr.json", format_3(array, edges, compression))
    for place in product(*(range(-(-length // edge)) for length, edge in zip(array.shape, edges, strict=True))):
        name = ".".join(map(str, place)) if version == 2 else "/".join(["c", *map(str, place)])
        path = folder / "0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = np.zeros(edges, array.dtype)
        part = array[tuple(slice(n * edge, (n + 1) * edge) for n, edge in zip(place, edges, strict=True))]
        whole[tuple(map(slice, part.shape))] = part
        data = whole.tobytes(order)
        path.write_bytes(data if compression is None else bytes(ENCODERS[compression](data)))
    return folder


def format_2(array: np.ndarray, edges: Sequence[int], compression: str | None, order: str) -> dict[str, Any]:
    return {
        "zarr_format": 2,
        "shape": list(array.shape),
        "chunks": list(edges),
        "dtype": array.dtype.str,
        "compressor": None if compression is None else {"id": compression},
        "fill_value": 0,
        "filters": None,
        "order": order,
    }


def format_3(array: np.ndarray, edges: Sequence[int], compression: str | None) -> dict[str, Any]:
    codecs = [{"name": "bytes", "configuration": {"endian": "little"}}]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(array.shape),
        "data_type": array.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(edges)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": codecs + ([] if compression is None else [{"name": compression}]),
    }


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def edit_json(path: Path, **changes: Any) -> None:
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | changes)
