"""Read the channels of images that the network sees, by their names.

PNG, TIFF, NIfTI -> LoadImageChannelsd -> (C, *spatial) float32, channels as the network sees them
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tifffile
from monai.config import KeysCollection

from .channel_choice import ChannelError, choose_channels, usable_names
from .channel_names import tiff_channel_names
from .image_files import LoadImageFiled, split_name


class LoadImageChannelsd(LoadImageFiled):
    """Read image files into float32 tensors `(C, *spatial)`, with the channels that the network sees.

    OME-TIFF says which channel is which. Without names, an image has the channels of the images of the training in
    their order, or those that the network sees.

    Args:
        keys: Entries that hold a path; replaced by the image.
        channels: Names of the channels that the network sees, in its order.
        image_channels: Names of all channels of the images of the training.
        spatial_dims: Number of spatial axes that every image must have.

    Raises:
        ValueError: As `LoadImageFiled`; or if an image has other channels.
    """

    def __init__(
        self, keys: KeysCollection, channels: Sequence[str], image_channels: Sequence[str], spatial_dims: int
    ) -> None:
        super().__init__(keys, len(channels), spatial_dims)
        self.channels, self.image_channels = tuple(channels), tuple(image_channels)

    def _seen(self, path: str, array: np.ndarray) -> np.ndarray:
        names: tuple[str, ...] = ()
        if split_name(path)[1].startswith((".ome.", ".tif")):
            with tifffile.TiffFile(path) as tif:
                names = usable_names(tiff_channel_names(tif, len(array)))
        try:
            return array[choose_channels(len(array), names, self.channels, self.image_channels)]
        except ChannelError as error:
            raise ValueError(f"{path} {error.what}; save OME-TIFF with the names of its channels") from error
