"""`evaluate`: compare all annotators of a folder, a table or arrays, and write the results if asked to."""

import glob
import os
import shlex
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import Any, Literal
from unicodedata import normalize

import numpy as np
import pandas as pd

from segassay.assay.classes import evaluate_classes
from segassay.assay.evaluation import Evaluation
from segassay.assay.numbers import compute_results, normalised_counts
from segassay.assay.sources import Sources, check_kinds, hashes_of, read_sources
from segassay.assay.track import log_results, tracked_run
from segassay.assay.write import class_folders, is_stored, take_stored_from, write_results
from segassay.data.annotations import RATER
from segassay.errors import UsageError
from segassay.io.kept_pictures import pictures_kept
from segassay.io.outputs import ARGUMENTS, check_output, prepare_output, publish_output, refuse_inputs, whole_or_nothing
from segassay.io.stores import TransferError
from segassay.io.text_columns import python_strings
from segassay.io.transfers import transfers
from segassay.tables.normalise import MEASURES
from segassay.workers.cluster import workers_for
from segassay.workers.tasks import LostError, Workers

__all__ = ["evaluate"]


@python_strings()
def evaluate(
    dataset: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    annotations: str | os.PathLike[str] | pd.DataFrame | None = None,
    masks: Mapping[str, str | os.PathLike[str] | Mapping[str, np.ndarray]] | None = None,
    kinds: Mapping[str, str] | None = None,
    reference: str | None = None,
    images: Mapping[str, np.ndarray | str | os.PathLike[str]] | None = None,
    ignore: Mapping[str, np.ndarray] | None = None,
    regions: Mapping[str, np.ndarray] | None = None,
    experiment: pd.DataFrame | None = None,
    control_group: str | None = None,
    measurements: Sequence[str] | None = None,
    endpoints: pd.DataFrame | None = None,
    equivalence_margin: float | None = None,
    objects: Literal["instances"] | None = None,
    classes: Mapping[str, int | Sequence[int]] | None = None,
    min_object_size: int | None = None,
    spacing_um: Sequence[float] | None = None,
    channels: Sequence[str] | None = None,
    intensity_channel: int | str | Sequence[str] | None = None,
    cases: Collection[str] | None = None,
    overwrite: bool = False,
    n_jobs: int = 1,
    cluster: str | Workers | None = None,
    track: bool = False,
    mlflow_experiment: str | None = None,
    progress: bool = False,
    xlsx: bool = False,
) -> Evaluation:
    """Compare all annotators, and judge whether the result is objective, reliable and valid.

    The masks come from a dataset folder, from a table, from arrays in memory, or from several of these together; the
    same masks give the same numbers. Nothing is written unless `out` is given; arrays are never written to files.

    Args:
        dataset: Dataset folder with `images/` and `labels/<rater>/`. Without it, and without the arguments that
            describe a dataset in memory (`images` to `intensity_channel`), only pixels and objects are measured. An
            address in an object store, such as `s3://bucket/lab`, may take the place of any file or folder.
        out: Folder to write: tables, figures, gallery, summary and report.
        annotations: Further masks: a table, or CSV file, with the columns case, annotator, kind and path, and perhaps
            strategy, trained_on, fold, seed, held_out, session, prob, uncertainty. In a table, path, prob and
            uncertainty may contain arrays instead of paths.
        masks: Further masks: annotator -> a folder of files named like the cases, or case -> array `(*spatial)` that is
            boolean, has the values 0 and 255, or has one number per object.
        kinds: Annotator of `masks` -> `human` (a rater), `consensus`, `model`, `ensemble` or `truth`. By default
            `truth` for an annotator of this name, and for the others `model` with a dataset folder, `human` without.
        reference: Annotator of `masks` that is a consensus, with which all others are compared.
        images: Case -> image, an array `(*spatial)` or `(C, *spatial)` or a file; for intensities.
        ignore: Case -> boolean array `(*spatial)` of pixels that do not count.
        regions: Case -> boolean array `(*spatial)` of the region in which objects count; densities divide by its area.
        experiment: Table with the columns case and group, optionally region, subject and batch.
        control_group: Group with which the others are compared; without it no effect is tested.
        measurements: Names of the measurements that are tested; by default count, density, mean_intensity, and all of
            `endpoints`. Further ones: area, volume, object_size, axis_ratio, solidity.
        endpoints: Your own measurements: a table with the columns case, endpoint and value, perhaps unit, and annotator
            if they were measured on the masks of each annotator.
        equivalence_margin: Largest difference that does not matter, as a share of the control mean; by default 0.1.
        objects: `instances` says that each number in a label image is one object; needed only where the numbers look
            like classes.
        classes: Name of each class -> its value in masks, which are arrays of such values; of a region, which joins
            several, its values. Names are as in `dataset.yaml`. Each class is then evaluated, too:
            `Evaluation.classes`.
        min_object_size: Smallest number of pixels of an object that counts; by default 1.
        spacing_um: Size of a pixel along each axis, in µm; without it distances are in pixels.
        channels: Names of the channels of the images, in their order.
        intensity_channel: Channels that are measured, by their names, or the number of one; by default all that have
            a name, else 0.
        cases: Names of the cases to evaluate; by default all.
        overwrite: Replace `out` with everything in it.
        n_jobs: Number of processes that share the cases; no result depends on it.
        cluster: Workers of a Dask cluster to share the cases instead: the address of its scheduler, `local:4`, or
            `slurm:20`, see docs/cluster.md; or workers that are connected. No result depends on it.
        track: Log one MLflow run; needs `out`. Without it MLflow is not loaded.
        mlflow_experiment: MLflow experiment, by default the name of the dataset.
        progress: Show on standard error how many cases are done.
        xlsx: Write the tables also as a workbook, `tables.xlsx`; needs `out`.

    Returns:
        The evaluation: tables as DataFrames, verdicts, and figures. Where all masks are empty, nothing can be judged.

    Raises:
        UsageError: If no dataset, table or masks are given, arguments conflict, or `out` exists or cannot be written.
        DataError: If the data has problems; the error lists all problems of the dataset, the table or a case's masks.

    Example:
        >>> import numpy as np
        >>> anna, ben = np.zeros((2, 32, 32), dtype=bool)
        >>> anna[4:12, 4:12] = ben[5:12, 4:12] = ben[20:24, 20:24] = True
        >>> found = evaluate(masks={"anna": {"1": anna}, "ben": {"1": ben}})
        >>> found.counts[["annotator", "n_objects"]].values.tolist()
        [['anna', 1], ['ben', 2]]
        >>> found.agreement.loc[found.agreement["iou_threshold"] == 0.5, "f1"].round(3).tolist()
        [0.667]
    """
    if track and out is None:
        raise UsageError("track logs the files of an evaluation, but none are written; give out as well")
    _check_dataset(dataset)
    masks = _by_name(masks)
    described = {
        "images": images,
        "ignore": ignore,
        "regions": regions,
        "experiment": experiment,
        "control_group": control_group,
        "measurements": measurements,
        "endpoints": endpoints,
        "equivalence_margin": equivalence_margin,
        "objects": objects,
        "classes": _classes(classes),
        "min_object_size": min_object_size,
        "spacing_um": spacing_um,
        "channels": _as_tuple(channels),
        "intensity_channel": _as_tuple(intensity_channel),
    }
    default = RATER if dataset is None else "model"
    kinds = check_kinds(masks, kinds, reference, default=default)
    with transfers(absolute=cluster is not None, progress=progress) as at:
        target = at.written(out, overwrite, option=ARGUMENTS[0])
        final = None if target is None else check_output(Path(target), overwrite or target != out, options=ARGUMENTS)
        described["images"] = None if images is None else {case: at.copied(image) for case, image in images.items()}
        masks_here = {name: at.copied(place) for name, place in masks.items()}
        local = (at.copied(dataset), at.copied_table(annotations), masks_here)
        described = {name: value for name, value in described.items() if value is not None}
        sources = read_sources(*local, kinds=kinds, described=described, cases=cases)
        if final is not None:
            place = at.among_copies(final)
            refuse_inputs(place, sources.files, folders=sources.places, used="evaluated", option=ARGUMENTS[0])
        _check_experiment(sources)
        about = _command(*local) | hashes_of(sources)
        if final is None:
            with pictures_kept(), workers_for(n_jobs, cluster, progress=progress) as workers:
                return _computed(sources, about, workers, progress)
        params = _params(dataset, annotations, masks, sources, about["data_hash"])
        work_dir = prepare_output(final, overwrite or target != out, options=ARGUMENTS)
        of_mlflow = tracked_run(track, mlflow_experiment or sources.name, sources.name, params)
        of_cluster = workers_for(n_jobs, cluster, progress=progress)
        with (
            _kept_if_killed(final) as kept,
            whole_or_nothing(work_dir),
            pictures_kept(),
            of_mlflow,
            of_cluster as workers,
        ):
            found = _computed(sources, about, workers, progress, kept)
            for place, one in _of_folders(work_dir, found).items():
                place.mkdir(parents=True, exist_ok=True)
                write_results(place, one, gallery=_gallery(one, workers), xlsx=xlsx)
            if track:
                log_results(work_dir, found, source=dataset if dataset is not None else _place(annotations))
            published = publish_output(work_dir)
            for place, one in _of_folders(published, found).items():
                take_stored_from(place, one)
            at.send(published, keep=is_stored(found.tables))  # its tables are read from there
        return found


def _check_dataset(dataset: object) -> None:
    if not isinstance(dataset, (str, os.PathLike, NoneType)):
        what = f"dataset is of type {type(dataset).__name__}; expected a folder"
        raise UsageError(f"{what}, or instead of it a table of masks as annotations=, or arrays as masks=")


def _by_name(masks: Any) -> dict[str, Any]:
    """Masks by the name of their annotator, with composed letters; it may be a number, as that of a case."""
    if not isinstance(masks, (Mapping, NoneType)):
        what = f"masks is of type {type(masks).__name__}; expected a dictionary of annotators"
        raise UsageError(f"{what}, each with a folder or with one array per case")
    named = {normalize("NFC", str(name)): place for name, place in (masks or {}).items()}
    if len(named) < len(masks or {}):
        what = f"masks names an annotator of {', '.join(named)} twice, as a number and as a text, or in two encodings"
        raise UsageError(f"{what} of its letters; keep one")
    return named


def _of_folders(folder: Path, found: Evaluation) -> dict[Path, Evaluation]:
    """Folder of all classes together, and of each class, -> its evaluation."""
    return {folder: found} | {
        place: found.classes[name] for name, place in class_folders(folder, found.classes).items()
    }


def _as_tuple(names: int | str | Sequence[str] | None) -> int | str | tuple[str, ...] | None:
    return names if names is None or isinstance(names, (int, str)) else tuple(names)


def _classes(classes: Mapping[str, int | Sequence[int]] | None) -> dict[str, int | tuple[int, ...]] | None:
    if classes is None:
        return None
    if not isinstance(classes, Mapping) or len(classes) < 2:
        what = "classes names fewer than two classes" if isinstance(classes, Mapping) else "classes is not a dictionary"
        raise UsageError(f"{what}; expected two or more, such as {{'zone': 1, 'tumour': 2}}, or leave it out")
    return {
        name: value if isinstance(value, int) else tuple(np.ravel(value).tolist()) for name, value in classes.items()
    }


@contextmanager
def _kept_if_killed(final: Path) -> Iterator[Path]:
    """File of what is compared; it stays if a process is killed or a store is lost, but not after another error.

    Beside it are the folders of `segassay.tables.stored`.
    """
    kept = final.with_name(f".{final.name}.compared")
    try:
        yield kept
    except (LostError, TransferError):
        raise
    except Exception:
        _forget(kept)
        raise
    _forget(kept)


def _forget(kept: Path) -> None:
    kept.unlink(missing_ok=True)
    for folder in kept.parent.glob(f"{glob.escape(kept.name)}.*"):
        shutil.rmtree(folder, ignore_errors=True)


def _computed(
    sources: Sources, about: Mapping[str, str], workers: Workers, progress: bool, kept: Path | None = None
) -> Evaluation:
    if sources.dataset is not None and sources.dataset.class_names:
        return evaluate_classes(sources, about, workers, progress, kept)
    found = compute_results(
        sources.name,
        sources.dataset,
        sources.annotations,
        about=about,
        checked=sources.folder is not None,
        n_jobs=workers,
        progress=progress,
        kept=kept,
    )
    return Evaluation(**vars(found), dataset=sources.dataset)


def _gallery(found: Evaluation, workers: Workers) -> dict[str, Any]:
    from segassay.report.gallery.make import make_gallery  # loads matplotlib

    return make_gallery(found, found.dataset, n_jobs=workers)


def _command(dataset: Any, annotations: Any, masks: Mapping[str, Any]) -> dict[str, str]:
    """The command that evaluates the same, with the names of files and folders and not their places.

    Nothing if the data is only in memory. The output folder and the number of processes change no result.
    """
    places = [place for place in (dataset, annotations, *masks.values()) if place is not None]
    if not all(isinstance(place, (str, os.PathLike)) for place in places):
        return {}
    words = ["segassay", "evaluate", *([] if dataset is None else [_name(dataset)])]
    words += [] if annotations is None else ["--annotations", _name(annotations)]
    for name, place in masks.items():
        words += ["--masks", f"{name}={_name(place)}"]
    return {"command": shlex.join(words)}


def _name(place: str | os.PathLike[str]) -> str:
    return Path(place).resolve().name


def _check_experiment(sources: Sources) -> None:
    """Raise errors of the experiment early, before any mask is read."""
    normalised_counts(sources.dataset, pd.DataFrame(columns=["case", "annotator", *MEASURES.values()]))


def _params(dataset: Any, annotations: Any, masks: Mapping[str, Any], sources: Sources, content: str) -> dict[str, Any]:
    """Parameters of the MLflow run: the input of the evaluation."""
    folders = [
        f"{name}={place if isinstance(place, (str, os.PathLike)) else 'arrays'}" for name, place in masks.items()
    ]
    return {
        "data/dataset": dataset,
        "data/annotations": "a table in memory" if isinstance(annotations, pd.DataFrame) else annotations,
        "data/masks": ", ".join(folders) or None,
        "data/hash": content,
        "data/n_cases": sources.annotations["case"].nunique(),
        "data/n_annotators": sources.annotations["annotator"].nunique(),
    }


def _place(annotations: Any) -> str | os.PathLike[str] | None:
    """File of a table of annotations; None of one in memory."""
    return annotations if isinstance(annotations, (str, os.PathLike)) else None
