"""Make the report and figures of an evaluation again from its files, or all of it from its MLflow run.

folder or run  ->  tables, summary, figures, report.html, as the evaluation wrote them
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from segassay.assay.evaluation import Evaluation
from segassay.assay.read import ADVICE, evaluation_folder, read_results
from segassay.assay.write import SUMMARY, WORKBOOK, class_folders, write_results
from segassay.errors import DataError, UsageError, shortlist
from segassay.io.outputs import (
    ARGUMENTS,
    check_output,
    prepare_output,
    publish_output,
    refuse_result,
    whole_or_nothing,
)
from segassay.io.table_files import LIST, parse_json, read_list
from segassay.io.text_columns import python_strings
from segassay.judgement.classes import class_names, class_paths

__all__ = ["evaluation_of_run", "rebuild", "rebuild_in_place"]


@python_strings()
def rebuild_in_place(place: str | os.PathLike[str]) -> Path:
    """Make the report and the figures in the folder of an evaluation again; nothing else in it is changed.

    Args:
        place: Folder of the evaluation, or of a study that was evaluated.

    Returns:
        Path of the report.

    Raises:
        DataError: If the files that it is made of are damaged; nothing is changed then.
        UsageError: If the folder cannot be written.
    """
    folder = evaluation_folder(place)
    found = read_results(folder)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".report") as work:
            whole = Path(work) / "whole"
            _write_again(whole, folder, found)
            for one in (whole, *class_folders(whole, found.classes).values()):
                (folder / one.relative_to(whole) / "figures").mkdir(exist_ok=True)
                for path in (*sorted((one / "figures").iterdir()), one / "report.html"):
                    os.replace(path, folder / path.relative_to(whole))
    except OSError as error:
        action = "give another folder as out (--out)"
        raise UsageError(f"{folder}: cannot be written ({error.strerror}); {action}") from error
    return folder / "report.html"


@python_strings()
def rebuild(
    place: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    style: str | None = None,
    formats: Sequence[str] | None = None,
) -> Path:
    """Write an evaluation again into another folder, from the files that it has.

    Args:
        place: Folder of the evaluation, or of a study that was evaluated.
        out: Folder to write: tables, summary, figures and report have the same bytes as those of the evaluation,
            unless it was written by another version.
        overwrite: Replace `out` with everything in it.
        style: `paper` or `talk`: draw all figures for a publication or for slides instead, also those that an
            evaluation does not draw. The report has its own figures.
        formats: Any of `svg`, `png` and `pdf`; by default the first two. Also draws the figures for a publication.

    Returns:
        Path of the report.

    Raises:
        UsageError: If `out` exists or cannot be written, or a style or format is unknown.
        DataError: If files of the evaluation are damaged.
    """
    from segassay.report.publication import check_style

    drawn_anew = style is not None or formats is not None
    chosen = check_style(style or "paper", formats or ("svg", "png")) if drawn_anew else None
    folder = evaluation_folder(place)
    final = check_output(Path(out), overwrite, options=ARGUMENTS)
    refuse_result(final, folder)
    found = read_results(folder)
    work_dir = prepare_output(final, overwrite, options=ARGUMENTS)
    with whole_or_nothing(work_dir):
        work_dir.rmdir()
        _write_again(work_dir, folder, found)
        if chosen is not None:
            _draw_anew(work_dir, found, *chosen)
            for name, place in class_folders(work_dir, found.classes).items():
                _draw_anew(place, found.classes[name], *chosen)
        return publish_output(work_dir) / "report.html"


def _draw_anew(folder: Path, found: Evaluation, style: str, formats: Sequence[str]) -> None:
    from segassay.report.publication import draw_publication

    shutil.rmtree(folder / "figures")
    draw_publication(found, folder / "figures", style, formats)


def _write_again(work_dir: Path, folder: Path, found: Evaluation) -> None:
    """Write the whole evaluation, with those of its classes, into a folder that does not exist yet."""
    work_dir.mkdir(parents=True)
    write_results(work_dir, found, gallery=found.kept_gallery, xlsx=(folder / WORKBOOK).is_file())
    for name, path in class_paths(found.classes).items():
        _write_again(work_dir / path, folder / path, found.classes[name])


@contextmanager
def evaluation_of_run(run_id: str) -> Iterator[Path]:
    """Folder with the files of the evaluation that an MLflow run logged; it is removed after the block.

    Args:
        run_id: Id of the run of an evaluation, or of a study with one.

    Raises:
        UsageError: If the store or the run is missing.
        DataError: If the run has no evaluation.
    """
    from segassay import tracking

    with tempfile.TemporaryDirectory(prefix="segassay") as work:
        folder = Path(work) / run_id
        for one in tracking.with_children(run_id):
            if tracking.download(one, LIST, folder):
                break
        else:
            what = f"run {run_id} has no {LIST}"
            raise DataError.of(
                None, what, "a run of an evaluation by this version: segassay evaluate logs one", kind="run"
            )
        names = read_list(folder, ADVICE).checksums
        if missing := [name for name in names if not tracking.download(one, name, folder)]:
            raise DataError.of(None, f"run {run_id} has no {shortlist(missing)}", "evaluate again", kind="run")
        tracking.download(one, WORKBOOK, folder)
        _download_classes(one, folder)
        yield folder


def _download_classes(run_id: str, folder: Path) -> None:
    """The evaluations of the classes, if there are several."""
    from segassay import tracking

    summary = parse_json(folder / SUMMARY, (folder / SUMMARY).read_text(encoding="utf-8"), ADVICE)
    for path in class_paths(class_names(summary)).values():
        if not tracking.download(run_id, f"{path}/{LIST}", folder):
            raise DataError.of(None, f"run {run_id} has no {path}/{LIST}", "evaluate again", kind="run")
        names = [f"{path}/{name}" for name in read_list(folder / path, ADVICE).checksums]
        if missing := [name for name in names if not tracking.download(run_id, name, folder)]:
            raise DataError.of(None, f"run {run_id} has no {shortlist(missing)}", "evaluate again", kind="run")
        tracking.download(run_id, f"{path}/{WORKBOOK}", folder)
