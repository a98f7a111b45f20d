"""`segassay consensus`: fuse the raters' masks of a dataset case by case, and write them.

dataset -> one case at a time: masks -> consensus -> OUT/{masks, prob, figures}/<case>.*, OUT/raters.csv
A dataset with classes has them in masks, probabilities, figures and rows.
"""

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from segassay.consensus.case import FusedCase, fuse_case, rows_of_case
from segassay.consensus.class_case import FusedClasses, fuse_class_case, rows_of_class_case
from segassay.consensus.pixels import METHODS as PIXEL_METHODS
from segassay.data.cases import refuse_classes
from segassay.data.dataset import Dataset, case_raters, read_dataset
from segassay.data.folders import data_places
from segassay.errors import UsageError
from segassay.figures.planes import Cut, largest_cut
from segassay.io.csv_tables import csv_text
from segassay.io.images import (
    Picture,
    image_suffix,
    read_image,
    write_bytes,
    write_labels,
    write_map,
    write_maps,
    write_mask,
)
from segassay.io.outputs import ARGUMENTS, check_output, prepare_output, publish_output, refuse_inputs, whole_or_nothing
from segassay.io.progress import show_progress

METHODS = (*PIXEL_METHODS, "object")

COLUMNS = (
    "case",
    "rater",
    "annotated",
    "sensitivity",
    "specificity",
    "n_objects",
    "n_supported",
    "n_raters",
    "n_raters_needed",
    "n_objects_consensus",
    "n_lost",
    "n_iterations",
    "converged",
)
"""Columns of `raters.csv`, one row per case and rater of the dataset; `docs/consensus.md` describes them."""

COLUMNS_OF_CLASSES = (*COLUMNS[:2], "class", *COLUMNS[2:])
"""Columns of `raters.csv` of a dataset with classes, one row per case, rater and class."""


def write_consensus(
    dataset_dir: Path, out: Path, *, method: str = "staple", overwrite: bool = False, progress: bool = False
) -> pd.DataFrame:
    """Fuse the masks of all raters of a dataset and write masks, probabilities, figures and a table.

    Classes are fused as `segassay.consensus.classes.fuse_classes` describes; masks then hold their values, and
    probabilities a channel for each, in the order of the dataset.

    A case is fused from the raters who annotated it. Masks are fused whole: ignored areas and the minimum object size
    apply later, in scoring; only the numbers of objects in the table use the minimum size.

    Args:
        dataset_dir: Dataset folder.
        out: Folder to write.
        method: One of `METHODS`.
        overwrite: Replace `out` and everything in it.
        progress: Show on standard error how many cases are done.

    Returns:
        The table `raters.csv`: one row per case and rater (and class, if there are several), with `annotated` False
        where a rater has no mask.

    Raises:
        UsageError: If there is no such method, `out` exists, cannot be written, or lies where masks or images are read.
        DataError: If the dataset, an image or a mask has problems; nothing is written then.
    """
    if method not in METHODS:
        raise UsageError(f"method (--method) {method}: expected one of {', '.join(METHODS)}")
    final = check_output(out, overwrite, options=ARGUMENTS)
    dataset = read_dataset(dataset_dir)
    _check_apart(final, dataset)
    refuse_classes(dataset)
    work_dir = prepare_output(final, overwrite, options=ARGUMENTS)
    rows: list[dict[str, object]] = []
    with whole_or_nothing(work_dir):
        for folder in ("masks", "prob", "figures"):
            (work_dir / folder).mkdir()
        with show_progress(len(dataset.cases), doing="fusing masks", done="fused masks of", shown=progress) as advance:
            for case in dataset.cases:
                rows += (_fuse_classes if dataset.class_names else _fuse)(work_dir, dataset, case, method)
                advance(case)
        table = pd.DataFrame(rows, columns=list(COLUMNS_OF_CLASSES if dataset.class_names else COLUMNS))
        text = csv_text(table, float_format="%.12g")
        write_bytes(work_dir / "raters.csv", text.encode())
        publish_output(work_dir)
    return table


def _fuse(work_dir: Path, dataset: Dataset, case: str, method: str) -> list[dict[str, object]]:
    """Write the consensus of a case, if anybody annotated it; its rows of the table."""
    fused = fuse_case(dataset, case, method) if case_raters(dataset, case) else None
    if fused is not None:
        _write_case(work_dir, dataset, case, fused, method)
    return rows_of_case(dataset, case, fused)


def _fuse_classes(work_dir: Path, dataset: Dataset, case: str, method: str) -> list[dict[str, object]]:
    """The same of a dataset with classes."""
    fused = fuse_class_case(dataset, case, method) if case_raters(dataset, case) else None
    if fused is not None:
        picture = read_image(dataset.images[case])
        mask_type, map_type = _file_types(dataset.images[case], largest=_largest_value(dataset))
        write_labels(work_dir / "masks" / f"{case}{mask_type}", fused.consensus.labels, picture)
        write_maps(work_dir / "prob" / f"{case}{map_type}", fused.consensus.prob[1:], picture)
        write_bytes(work_dir / "figures" / f"{case}.png", _figure_of_classes(dataset, case, picture, fused, method))
    return rows_of_class_case(dataset, case, fused)


def _check_apart(out: Path, dataset: Dataset) -> None:
    """Refuse an output folder that would replace input files, or be read as a rater or as images the next time."""
    folder = dataset.folder.resolve()
    refuse_inputs(out, [folder], folders=data_places(folder), used="fused", option=ARGUMENTS[0])
    raters = dataset.settings.rater_folders
    inside = PurePosixPath(out.relative_to(folder).as_posix()) if out.is_relative_to(folder) else None
    if isinstance(raters, str) and inside is not None and inside.match(raters):
        raise UsageError(f"{ARGUMENTS[0]} {out} would be read as a rater ({raters!r}); give another folder")


def _write_case(work_dir: Path, dataset: Dataset, case: str, fused: FusedCase, method: str) -> None:
    picture = read_image(dataset.images[case])
    mask_type, map_type = _file_types(dataset.images[case])
    write_mask(work_dir / "masks" / f"{case}{mask_type}", fused.consensus.mask, picture)
    write_map(work_dir / "prob" / f"{case}{map_type}", fused.consensus.prob, picture)
    write_bytes(work_dir / "figures" / f"{case}.png", _figure(dataset, case, picture, fused, method))


def _largest_value(dataset: Dataset) -> int:
    return max(dataset.classes.foreground) if dataset.classes is not None else 0


def _file_types(image: Path, largest: int = 0) -> tuple[str, str]:
    """Endings of the mask and of the probability, by the kind of the image; a PNG holds values of 16 bits at most."""
    suffix = (image_suffix(image.name) or "").lower()
    if suffix.startswith(".nii"):
        return ".nii.gz", ".nii.gz"
    return (".png" if suffix == ".png" and largest <= np.iinfo(np.uint16).max else ".tif"), ".tif"


def _figure(dataset: Dataset, case: str, picture: Picture, fused: FusedCase, method: str) -> bytes:
    from segassay.figures.overlays import consensus_overview
    from segassay.figures.style import encode_figure

    decisions = fused.decisions
    marked_by_any = np.asarray(decisions.patterns.any(axis=1))
    cut = largest_cut(marked_by_any[decisions.code], picture.spacing_um, picture.affine)
    code = cut.proportioned(decisions.code)
    raters = zip(case_raters(dataset, case), fused.n_objects_of_rater, decisions.patterns.T, strict=True)
    masks = {f"{rater}: {_objects(n)}": marked[code] for rater, n, marked in raters}
    figure = consensus_overview(
        np.stack([cut.proportioned(channel) for channel in picture.array]),
        masks,
        cut.proportioned(fused.consensus.mask),
        title=f"{case}, consensus by {method}{_slice_name(cut, decisions.code.shape)}",
        consensus_name=f"consensus: {_objects(fused.n_objects)}",
    )
    return encode_figure(figure, "png")


def _figure_of_classes(dataset: Dataset, case: str, picture: Picture, fused: FusedClasses, method: str) -> bytes:
    from segassay.figures.classes import class_colours, class_overview
    from segassay.figures.style import encode_figure

    marked: np.ndarray = np.asarray(fused.masks.any(axis=0))
    if not marked.any():
        marked = np.asarray(fused.given.any(axis=(0, 2)))[fused.decisions.code]
    cut = largest_cut(marked, picture.spacing_um, picture.affine)
    code = cut.proportioned(fused.decisions.code)
    raters = {rater: fused.given[:, :, number][:, code] for number, rater in enumerate(case_raters(dataset, case))}
    figure = class_overview(
        np.stack([cut.proportioned(channel) for channel in picture.array]),
        raters,
        np.stack([cut.proportioned(mask) for mask in fused.masks]),
        class_colours(dataset.class_names, dataset.settings.class_colours),
        title=f"{case}, consensus by {method}{_slice_name(cut, marked.shape)}",
    )
    return encode_figure(figure, "png")


def _slice_name(cut: Cut, shape: tuple[int, ...]) -> str:
    where = cut.in_words(shape)
    return f"; {where} ({cut.why})" if where else ""


def _objects(n: int) -> str:
    return "1 object" if n == 1 else f"{n} objects"
