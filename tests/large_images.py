"""Images for predictions by windows."""

from pathlib import Path

import numpy as np
import tifffile


def write_blobs(path: Path, shape: tuple[int, int], radius: int, n: int, dark_rows: int = 0) -> Path:
    """A tiled TIFF with a pixel size, with `n` blobs of less than `radius` pixels; the first rows may be dark."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels = rng.normal(300, 20, shape)
    for row, column, size in rng.integers((0, 0, 2), (*shape, radius), (n, 3)):
        pixels += 900 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * size**2))
    pixels[:dark_rows] = 0
    path.parent.mkdir()
    words = {"tile": (32, 48), "compression": "zlib", "resolution": (2, 4)}
    tifffile.imwrite(path, pixels.astype(np.uint16), imagej=False, metadata={"axes": "YX"}, **words)
    return path
