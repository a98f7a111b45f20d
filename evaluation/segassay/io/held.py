"""Images and masks in memory: every function that reads a file accepts a `HeldImage` instead.

array (C, *spatial)  ->  HeldImage  ->  read_image, read_mask, image_shape, sha256 of `segassay.io.images`
"""

import hashlib
import os
from dataclasses import dataclass

import numpy as np

from segassay.io.picture import Picture


@dataclass(frozen=True, eq=False)
class HeldImage(os.PathLike[str]):
    """An image or mask in memory.

    Attributes:
        name: Its name in messages, such as `masks['anna']['0144']`.
        picture: Array `(C, *spatial)` and spacing.
    """

    name: str
    picture: Picture

    def __fspath__(self) -> str:
        """The name, so that functions that take a path accept this object."""
        return self.name

    def __str__(self) -> str:
        """The name."""
        return self.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape."""
        return self.picture.array.shape[1:]

    def sha256(self) -> str:
        """SHA-256 of shape, number type and values in hexadecimal."""
        array = self.picture.array
        about = f"{array.shape} {array.dtype.newbyteorder('<').str}\n".encode()
        little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        return hashlib.sha256(about + little_endian.tobytes()).hexdigest()
