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
    (".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".heic"): (
        "photograph: save as PNG or TIFF from the originals, since JPEG has changed the values of pixels"
    ),
    (".npy", ".npz"): "NumPy: save arrays with tifffile.imwrite as .tif",
    (".h5", ".hdf5", ".ilp"): "ilastik: Choose Export Image Settings › Format: tiff",
    (".n5",): "N5: open it in Fiji or napari, and save as TIFF",
    (".svg", ".xcf", ".psd", ".ai"): "drawing: export it as PNG in the size of the image",
    (".xml", ".json", ".txt"): (
        "annotations as text: export masks as images (CVAT: Segmentation mask; Label Studio: PNG)"
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
    found = [action for endings, action in _OF_ENDING.items() if any(name.lower().endswith(endings) for name in names)]
    return "; ".join(found) or _OTHERWISE


_OF_LABEL_STUDIO = re.compile(r"task-\d+-annotation-\d+-by-.+-tag-.+-\d+")


def is_of_label_studio(stem: str) -> bool:
    """Whether a mask has the name that Label Studio gives it, in which its image does not occur.

    Example:
        >>> is_of_label_studio("task-17-annotation-1-by-1-tag-nucleus-0"), is_of_label_studio("task-17")
        (True, False)
    """
    return _OF_LABEL_STUDIO.fullmatch(stem) is not None
