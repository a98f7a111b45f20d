"""What to do with files of other tools that are not read, by their names."""

import re
from collections.abc import Sequence

__all__ = ["how_to_save", "is_of_label_studio"]

_OTHERWISE = "if they belong to the data, save them here as PNG, TIFF or NIfTI; else move them away"

_OF_ENDING = {
    (".nrrd", ".nhdr", ".mrb", ".mrml"): (
        "3D Slicer: Segmentations › Export to files › NIfTI, or File › Save as .nii.gz"
    ),
    (".mha", ".mhd"): "ITK: save them as .nii.gz, in ITK-SNAP or 3D Slicer",
    (".dcm", ".dicom"): "DICOM: convert them with dcm2niix, masks of DICOM SEG with 3D Slicer, to .nii.gz",
    (".czi", ".lif", ".nd2", ".oib", ".oif", ".oir", ".lsm", ".vsi", ".svs", ".ndpi", ".mrxs", ".ims"): (
        "microscope: open them in Fiji (Bio-Formats), and save as TIFF"
    ),
    (".bmp", ".gif"): "drawing: open it in Fiji or another program, and save it as PNG",
    (".jpg", ".jpeg", ".jfif", ".webp", ".heic"): (
        "photograph: save as PNG or TIFF from the originals, since JPEG has changed the values of pixels"
    ),
    (".npy", ".npz"): "NumPy: save arrays with tifffile.imwrite as .tif",
    (".h5", ".hdf5", ".ilp"): "ilastik: Choose Export Image Settings › Format: tiff",
    (".n5",): "N5: open it in Fiji or napari, and save as TIFF",
    (".svg", ".xcf", ".psd", ".ai"): "drawing: export it as PNG in the size of the image",
    (".geojson.gz",): "GeoJSON, compressed: unpack it to .geojson",
    (".hdr", ".img"): "Analyze: save them as .nii.gz, in ITK-SNAP or 3D Slicer",
    (".mat",): "MATLAB: save the labels with imwrite(uint16(labels), '0144.tif')",
    ("_cp_outlines.txt",): "Cellpose: File › Save masks as PNG/tif, or --save_tif",
    (".csv",): "table: if it holds shapes of napari, convert them to labels there, and save these as .tif",
    (".xml", ".json", ".txt"): (
        "annotations as text: export masks as images (CVAT: Segmentation mask; Label Studio: PNG; labelme: "
        "labelme2voc.py, which writes SegmentationObject; COCO: import it to CVAT, and export Segmentation mask)"
    ),
}


def how_to_save(names: Sequence[str]) -> str:
    """What to do with files or folders of these names.

    Example:
        >>> how_to_save(["001.seg.nrrd"])
        '3D Slicer: Segmentations › Export to files › NIfTI, or File › Save as .nii.gz'
        >>> how_to_save(["notes"])
        'if they belong to the data, save them here as PNG, TIFF or NIfTI; else move them away'
    """
    found = dict.fromkeys(action for name in names if (action := _how_to_save(name.lower())))
    return "; ".join(found) or _OTHERWISE


def _how_to_save(name: str) -> str | None:
    return next((action for endings, action in _OF_ENDING.items() if name.endswith(endings)), None)


_OF_LABEL_STUDIO = re.compile(r"task-\d+-annotation-\d+-by-.+-tag-.+-\d+")


def is_of_label_studio(stem: str) -> bool:
    """Whether a mask has the name that Label Studio gives it, in which its image does not occur.

    Example:
        >>> is_of_label_studio("task-17-annotation-1-by-1-tag-nucleus-0"), is_of_label_studio("task-17")
        (True, False)
    """
    return _OF_LABEL_STUDIO.fullmatch(stem) is not None
