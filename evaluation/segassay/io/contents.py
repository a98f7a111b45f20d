"""Say what a file really is when it cannot be read as its name promises.

path  ->  ("a JPEG image", what to do), or None
"""

from pathlib import Path

__all__ = ["what_it_is"]

_COPY = "download or copy the file itself"
_IMAGE = "open it in Fiji, and save it as PNG or TIFF"
_STARTS: tuple[tuple[bytes, str, str, tuple[str, ...]], ...] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image", "rename it to .png", (".png",)),
    (b"II*\0", "a TIFF image", "rename it to .tif", (".tif", ".tiff")),
    (b"MM\0*", "a TIFF image", "rename it to .tif", (".tif", ".tiff")),
    (b"II+\0", "a TIFF image", "rename it to .tif", (".tif", ".tiff")),
    (b"\xff\xd8\xff", "a JPEG image", f"{_IMAGE}, from the originals if there are any", ()),
    (b"GIF8", "a GIF image", _IMAGE, ()),
    (b"BM", "a BMP image", _IMAGE, ()),
    (b"\0\0\0\x0cjP", "a JPEG 2000 image", _IMAGE, ()),
    (b"%PDF", "a PDF", "export the image as PNG or TIFF", ()),
    (b"version https://git-lfs", "a pointer of Git LFS instead of the file", "run `git lfs pull`", ()),
    (b"PK\x03\x04", "a zip archive", "unpack it", (".zip",)),
    (b"\x1f\x8b", "compressed with gzip", "rename it to .nii.gz if it is a NIfTI, or unpack it", (".gz",)),
    (b"NRRD", "a file of 3D Slicer (NRRD)", "export it as NIfTI", ()),
    (b"\x89HDF", "an HDF5 file", "export the image as TIFF", ()),
    (b"\x93NUMPY", "an array of NumPy", "save it with tifffile.imwrite as .tif", ()),
    (b"ZISRAWFILE", "an image of ZEN (CZI)", "open it in Fiji (Bio-Formats), and save it as TIFF", ()),
)
_N_BYTES = 512


def what_it_is(path: Path) -> tuple[str, str] | None:
    """What a file is by its first bytes, and what to do; None if it is unknown, empty or what its name says.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "1.png").write_text("<!DOCTYPE html><html>Sign in</html>")
        ...     what_it_is(Path(folder, "1.png"))
        ('a web page', 'download or copy the file itself')
    """
    try:
        with path.open("rb") as file:
            start = file.read(_N_BYTES)
    except OSError:
        return None
    for mark, what, action, endings in _STARTS:
        if start.startswith(mark):
            return None if path.name.lower().endswith(endings) else (what, action)
    if start[344:347] in (b"n+1", b"ni1") or start[4:8] == b"n+2\0":
        if path.name.lower().endswith(".nii.gz"):
            return "a NIfTI image that is not compressed", "rename it to .nii, or compress it with gzip"
        return None if ".nii" in path.name.lower() else ("a NIfTI image", "rename it to .nii")
    text = start.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page", _COPY
    if text.startswith(b"<?xml"):
        return "an XML text", _COPY
    return None
