"""Fuse the raters of a dataset case by case: what `segassay consensus` does.

dataset -> one case at a time: masks -> consensus -> OUT/{masks, prob, figures}/<case>.*, OUT/raters.csv
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from segassay.consensus.objects import ObjectConsensus, object_consensus
from segassay.consensus.pixels import METHODS as PIXEL_METHODS
from segassay.consensus.pixels import Consensus, Decisions, Staple, count_decisions, fuse_decisions
from segassay.data.cases import read_case_mask
from segassay.data.dataset import Dataset, case_raters, read_dataset
from segassay.errors import UsageError
from segassay.io.images import Picture, image_suffix, read_image, write_bytes, write_map, write_mask
from segassay.io.outputs import check_output, prepare_output, publish_output, refuse_inputs, whole_or_nothing
from segassay.io.progress import show_progress
from segassay.masks.objects import label_objects

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
"""Of `raters.csv`, one row per case and rater of the dataset; `docs/consensus.md` says what each holds."""

_OPTIONS = ("--out", "--overwrite")


@dataclass(frozen=True, eq=False)
class _Fused:
    """The consensus of one case, what each of its raters decided, and how many objects it has and each of them drew."""

    consensus: Consensus | ObjectConsensus
    decisions: Decisions
    n_objects: int
    n_objects_of_rater: list[int]


def write_consensus(dataset_dir: Path, out: Path, *, method: str = "staple", overwrite: bool = False) -> pd.DataFrame:
    """Fuse the masks of all raters of a dataset and write masks, probabilities, figures and a table.

    A case is fused from those who annotated it. Masks are fused whole; ignored areas and the minimum object size apply
    where one scores, and to the numbers of objects in the table (minimum size alone).

    Args:
        dataset_dir: Dataset folder.
        out: Folder to write.
        method: One of `METHODS`.
        overwrite: Replace `out` with all that is in it.

    Returns:
        The table `raters.csv`: one row per case and rater, with `annotated` False where a rater has no mask.

    Raises:
        UsageError: If there is no such method, `out` exists, cannot be written, or lies where masks or images are read.
        DataError: If the dataset, an image or a mask has problems; nothing is written then.
    """
    if method not in METHODS:
        raise UsageError(f"--method {method}: expected one of {', '.join(METHODS)}")
    final = check_output(out, overwrite, options=_OPTIONS)
    dataset = read_dataset(dataset_dir)
    _check_apart(final, dataset)
    work_dir = prepare_output(final, overwrite, options=_OPTIONS)
    rows: list[dict[str, object]] = []
    with whole_or_nothing(work_dir):
        for folder in ("masks", "prob", "figures"):
            (work_dir / folder).mkdir()
        with show_progress(len(dataset.cases), doing="fusing masks", done="fused masks of") as advance:
            for case in dataset.cases:
                fused = _fuse_case(dataset, case, method) if case_raters(dataset, case) else None
                if fused is not None:
                    _write_case(work_dir, dataset, case, fused, method)
                rows += _rows(dataset, case, fused)
                advance(case)
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        text = table.to_csv(index=False, float_format="%.12g", lineterminator="\n")
        write_bytes(work_dir / "raters.csv", text.encode())
        publish_output(work_dir)
    return table


def _check_apart(out: Path, dataset: Dataset) -> None:
    """What is written must neither replace what is read, nor be taken for a rater or an image the next time."""
    files = [*dataset.images.values(), *dataset.reference.values(), *dataset.ignore.values()]
    files += [path for masks in dataset.masks.values() for path in masks.values()]
    files += list(dataset.region_masks.values())
    folder = dataset.folder.resolve()
    folders = {path.parent.resolve() for path in files} | {folder}
    refuse_inputs(out, folders, used="fused", option="--out")
    for read in sorted(folders - {folder}):
        if out.is_relative_to(read):
            raise UsageError(f"--out {out} lies in {read}, from which masks or images are read; give another folder")
    raters = dataset.settings.raters
    inside = PurePosixPath(out.relative_to(folder).as_posix()) if out.is_relative_to(folder) else None
    if isinstance(raters, str) and inside is not None and inside.match(raters):
        raise UsageError(f"--out {out} would be read as a rater ({raters!r}); give another folder")


def _fuse_case(dataset: Dataset, case: str, method: str) -> _Fused:
    """Read the masks, one at a time where a method looks at pixels alone, and fuse them."""
    n_objects: list[int] = []

    def count_objects(mask: np.ndarray) -> int:
        return int(label_objects(mask, min_size=dataset.min_object_size).max())

    def masks() -> Iterator[np.ndarray]:
        for rater in case_raters(dataset, case):
            mask = read_case_mask(dataset, rater, case)
            n_objects.append(count_objects(mask))
            yield mask

    consensus: Consensus | ObjectConsensus
    if method == "object":
        together = list(masks())
        decisions = count_decisions(mask > 0 for mask in together)
        consensus = object_consensus(together)
    else:
        decisions = count_decisions(mask > 0 for mask in masks())
        consensus = fuse_decisions(decisions, method)
    return _Fused(consensus, decisions, count_objects(consensus.mask), n_objects)


def _rows(dataset: Dataset, case: str, fused: _Fused | None) -> list[dict[str, object]]:
    """Rows of `raters.csv`; a cell that does not apply is left out."""
    annotated = case_raters(dataset, case)
    rows: list[dict[str, object]] = [
        {"case": case, "rater": rater, "annotated": rater in annotated, "n_raters": len(annotated)}
        for rater in dataset.raters
    ]
    if fused is None:
        return rows
    consensus, (sensitivity, specificity) = fused.consensus, _performance(fused)
    about_case: dict[str, object] = {
        "n_raters_needed": _raters_needed(fused),
        "n_objects_consensus": fused.n_objects,
    }
    if isinstance(consensus, Staple):
        about_case |= {"n_iterations": consensus.n_iterations, "converged": consensus.converged}
    if isinstance(consensus, ObjectConsensus):
        about_case |= {"n_lost": consensus.n_lost}
    for row in rows:
        row |= about_case
        if row["annotated"]:
            index = annotated.index(str(row["rater"]))
            row |= {"sensitivity": sensitivity[index], "specificity": specificity[index]}
            row |= {"n_objects": fused.n_objects_of_rater[index]}
            if isinstance(consensus, ObjectConsensus):
                row |= {"n_supported": int(consensus.n_supported[index])}
    return rows


def _performance(fused: _Fused) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity and specificity `(R,)`: as STAPLE estimates them, else against the mask; NaN where undefined."""
    if isinstance(fused.consensus, Staple):
        return fused.consensus.sensitivity, fused.consensus.specificity
    marked, decisions = _marked_counts(fused.decisions, fused.consensus.mask), fused.decisions
    left = decisions.counts - marked
    with np.errstate(invalid="ignore"):
        return marked @ decisions.patterns / marked.sum(), left @ ~decisions.patterns / left.sum()


def _marked_counts(decisions: Decisions, mask: np.ndarray) -> np.ndarray:
    """Pixels of each pattern `(K,)` that are foreground in the consensus."""
    return np.bincount(decisions.code[mask], minlength=len(decisions.counts))


def _raters_needed(fused: _Fused) -> int | None:
    """The smallest number of raters that sufficed for a pixel (an object where these are fused); None if empty."""
    if isinstance(fused.consensus, ObjectConsensus):
        n_raters = fused.consensus.n_supporters
    else:
        n_raters = fused.decisions.patterns[_marked_counts(fused.decisions, fused.consensus.mask) > 0].sum(axis=1)
    return int(n_raters.min()) if n_raters.size else None


# -------------------------------------------------------------------------------------------------------------- writing


def _write_case(work_dir: Path, dataset: Dataset, case: str, fused: _Fused, method: str) -> None:
    picture = read_image(dataset.images[case])
    mask_type, map_type = _file_types(dataset.images[case])
    write_mask(work_dir / "masks" / f"{case}{mask_type}", fused.consensus.mask, picture)
    write_map(work_dir / "prob" / f"{case}{map_type}", fused.consensus.prob, picture)
    write_bytes(work_dir / "figures" / f"{case}.png", _figure(dataset, case, picture, fused, method))


def _file_types(image: Path) -> tuple[str, str]:
    """Endings of the mask and of the probability, by the kind of the image."""
    suffix = (image_suffix(image.name) or "").lower()
    if suffix.startswith(".nii"):
        return ".nii.gz", ".nii.gz"
    return (".png" if suffix == ".png" else ".tif"), ".tif"


def _figure(dataset: Dataset, case: str, picture: Picture, fused: _Fused, method: str) -> bytes:
    from segassay.figures.overlays import consensus_overview, most_marked_plane
    from segassay.figures.style import encode_figure

    decisions = fused.decisions
    marked_by_any = np.asarray(decisions.patterns.any(axis=1))
    plane = most_marked_plane(marked_by_any[decisions.code])
    code = decisions.code[plane]
    raters = zip(case_raters(dataset, case), fused.n_objects_of_rater, decisions.patterns.T, strict=True)
    masks = {f"{rater}: {_objects(n)}": marked[code] for rater, n, marked in raters}
    at = [f"axis {axis}, plane {number}" for axis, number in enumerate(plane) if isinstance(number, int)]
    figure = consensus_overview(
        picture.array[(slice(None), *plane)],
        masks,
        fused.consensus.mask[plane],
        title=f"{case}, consensus by {method}" + "".join(f"; {where}, where most is marked" for where in at),
        consensus_name=f"consensus: {_objects(fused.n_objects)}",
    )
    return encode_figure(figure, "png")


def _objects(n: int) -> str:
    return "1 object" if n == 1 else f"{n} objects"


# -------------------------------------------------------------------------------------------------------------- summary


def describe_consensus(table: pd.DataFrame, method: str) -> list[str]:
    """What a user should know about a consensus, in lines.

    Args:
        table: From `write_consensus`.
        method: The method it was made by.

    Returns:
        How many images and raters, how many raters a pixel needed in effect, and whatever is out of the ordinary.
    """
    cases = table.groupby("case", sort=False).first()
    fused = cases[cases["n_raters"] > 0]
    lines = [f"consensus of {table['rater'].nunique()} raters by {method}: {_images(len(fused))}"]
    needed = fused["n_raters_needed"].dropna().astype(int).value_counts().sort_index()
    if len(needed):
        shares = ", ".join(f"{number} in {_images(count)}" for number, count in needed.items())
        lines.append(f"raters demanded in effect, per {'object' if method == 'object' else 'pixel'}: {shares}")
    remarks = (
        (~cases["n_raters"].gt(0), "annotated by nobody, no consensus"),
        (cases["n_raters"] == 1, "annotated by one rater, whose mask is the consensus"),
        ((cases["n_raters"] > 0) & cases["n_raters_needed"].isna(), "with an empty consensus"),
        (cases["converged"].eq(False), "where STAPLE did not converge"),
        (cases["n_lost"].fillna(0) > 0, "where an object with enough supporters was lost between others"),
    )
    for which, what in remarks:
        if which.any():
            names = list(cases.index[which])
            more = ", …" if len(names) > 5 else ""
            lines.append(f"{_images(len(names))} {what}: {', '.join(names[:5])}{more}")
    return lines


def _images(n: int) -> str:
    return "1 image" if n == 1 else f"{n} images"
