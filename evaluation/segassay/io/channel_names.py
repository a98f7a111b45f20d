"""Names of channels as files hold them.

OME metadata of a TIFF or of an OME-Zarr  ->  a name for each channel; nothing unless every channel has one
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from typing import Any

import tifffile

__all__ = ["tiff_channel_names", "zarr_channel_names"]


def tiff_channel_names(tif: tifffile.TiffFile, n_channels: int) -> tuple[str, ...]:
    """Names of the channels of an open TIFF.

    Args:
        tif: The file; only OME metadata name channels.
        n_channels: Number of channels of its main image.

    Returns:
        One name per channel; empty if there are no OME metadata, a channel has no name, or there are as many names as
        channels of another image (colours of one pixel have one name).
    """
    if not tif.is_ome:
        return ()
    for element in ElementTree.fromstring(tif.ome_metadata or "<OME/>").iter():
        if _tag(element) == "Pixels":
            return _if_all([one.get("Name") for one in element if _tag(one) == "Channel"], n_channels)
    return ()


def zarr_channel_names(about: Mapping[str, Any], n_channels: int) -> tuple[str, ...]:
    """Names of the channels of an OME-Zarr, the labels under `omero` in its metadata; as `tiff_channel_names`.

    Example:
        >>> zarr_channel_names({"omero": {"channels": [{"label": "DAPI"}, {"label": "cFOS"}]}}, 2)
        ('DAPI', 'cFOS')
    """
    omero = about.get("omero")
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    listed = channels if isinstance(channels, list) else []
    return _if_all([one.get("label") if isinstance(one, Mapping) else None for one in listed], n_channels)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _if_all(names: Sequence[Any], n_channels: int) -> tuple[str, ...]:
    plain = [name.strip() for name in names if isinstance(name, str) and name.strip()]
    return tuple(plain) if len(plain) == len(names) == n_channels else ()
