"""Tiles in which a program may predict an image that is too large for its memory.

strides of the network -> how far a pixel sees -> halo, smallest tile and step
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from segassay_monai.ensemble.network import size_divisor

__all__ = ["Tiles", "tiles_of"]


@dataclass(frozen=True)
class Tiles:
    """Sizes of tiles along each spatial axis, in pixels.

    Attributes:
        halo: Border of a tile that is predicted and cut off.
        smallest: Size of the smallest tile, with the halo on both sides.
        step: Tiles are larger by multiples of it.
    """

    halo: tuple[int, ...]
    smallest: tuple[int, ...]
    step: tuple[int, ...]

    def fitting(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Size of the largest tile inside an image, but never below the smallest one.

        Example:
            >>> Tiles(halo=(14, 28), smallest=(32, 64), step=(4, 8)).fitting((43, 50))
            (40, 64)
        """
        return tuple(
            least + max(size - least, 0) // more * more
            for size, least, more in zip(shape, self.smallest, self.step, strict=True)
        )


def tiles_of(strides: Sequence[Sequence[int]]) -> Tiles:
    """Tiles for members with these strides.

    All sizes are multiples of what the network accepts, so that each tile begins where a pixel of the coarsest level
    begins, as in the whole image. The halo covers all that a pixel sees: two convolutions of 3 pixels per level on the
    way down and two at the coarsest level, a transposed one and another per level on the way up.

    Example:
        >>> tiles_of([[1, 2], [2, 2]])
        Tiles(halo=(14, 28), smallest=(32, 64), step=(4, 8))
    """
    divisors = size_divisor(strides)
    halo = []
    for axis, divisor in enumerate(divisors):
        scales = [1]
        for step in strides:
            scales.append(scales[-1] * step[axis])
        reach = 2 * scales[-1] + 2 * sum(fine + coarse for fine, coarse in itertools.pairwise(scales))
        halo.append(-(-reach // divisor) * divisor)
    step = tuple(2 * divisor for divisor in divisors)
    return Tiles(tuple(halo), tuple(2 * border + more for border, more in zip(halo, step, strict=True)), step)
