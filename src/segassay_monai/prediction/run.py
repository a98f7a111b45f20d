"""Predict images: files and tables that people use, whole per image; a second call resumes.

model, images -> find_model, find_images -> predict_case, image by image -> files, record
records -> write_results -> tables, report.html
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import segassay
from segassay.data.named_channels import check_channel_count, intensity_places, pick_channels, places_in_order
from segassay.data.settings import DatasetFile
from segassay.errors import DataError, UsageError, number_of
from segassay.io.addresses import is_address
from segassay.io.images import Picture, sha256
from segassay.io.outputs import ARGUMENTS, refuse_inputs
from segassay.io.progress import progress_console, show_progress
from segassay.io.transfers import Transfers, transfers
from segassay.io.windows import ChosenChannels, Windows
from segassay.workers.cluster import place_on_machine, workers_for
from segassay.workers.tasks import LostError, Workers
from segassay_monai.bundle.unchanged import process_unchanged
from segassay_monai.ensemble.backends import check_backend
from segassay_monai.ensemble.classes import TOUCHING, names_of, same_classes
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.ensemble.members import has_seen, pixel_hashes, seen_by
from segassay_monai.ensemble.network import read_network_settings
from segassay_monai.prediction.case import Options, Predictor, load_predictor, predict_case
from segassay_monai.prediction.familiar import NOT_COMPARED, read_axes
from segassay_monai.prediction.files import DEFAULT, check_save, write_files, write_thumbnail
from segassay_monai.prediction.images import Images, find_images
from segassay_monai.prediction.large import LargePixels, open_large, predict_large
from segassay_monai.prediction.models import REGISTERED, Model, find_model, model_places
from segassay_monai.prediction.objects import are_stored, without_objects
from segassay_monai.prediction.records import Record, drop_others, forget, open_output, read_record, write_record
from segassay_monai.prediction.results import Predicted, write_results
from segassay_monai.prediction.subjects import count_case
from segassay_monai.prediction.tables import case_row, objects_of
from segassay_monai.training.inputs import open_classes

__all__ = ["predict"]

logger = logging.getLogger("segassay")

_LONGEST = 240  # bytes; file systems allow 255, endings included


@process_unchanged()
def predict(
    model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    images: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    save: Iterable[str] = DEFAULT,
    strategy: str | None = None,
    min_object_size: int | None = None,
    split_touching: bool = False,
    flips: bool = False,
    device: str | None = None,
    tile: int | None = None,
    backend: str = "torch",
    recursive: bool = False,
    experiment: str | os.PathLike[str] | None = None,
    control_group: str | None = None,
    xlsx: bool = False,
    overwrite: bool = False,
    n_jobs: int = 1,
    cluster: str | Workers | None = None,
    progress: bool = False,
) -> Predicted:
    """Predict images with an ensemble: masks, objects and tables of their counts.

    The files of an image are written before its record, so an image is done or it is not. Another call with the same
    arguments resumes where an earlier one stopped, and tries failed images again.

    Args:
        model: As `find_model` takes it: a folder of members, a study (its best ensemble), a checkpoint,
            `models:/NAME@best`, an exported bundle; or several checkpoints.
        images: One image, a folder of images, or a dataset folder; or its address in an object store, such as
            `s3://bucket/lab`, as one of `model`, `experiment` and `out` may be.
        out: Folder to write.
        save: Kinds of files to write, from `SAVE`, or `all`; masks are always written.
        strategy: Which members to use, by their training target, where a folder holds several strategies.
        min_object_size: Smallest object, in pixels or voxels; by default that of the dataset, else of the study.
        split_touching: Separate objects that touch, by watershed; not needed with a model that tells them apart.
        flips: Predict each image in all its mirror images, and average.
        device: Such as `cpu` or `cuda:1`; by default a GPU if there is one.
        tile: Side of the windows in which images larger than four of them are predicted.
        backend: `torch`, or `onnxruntime` or `openvino` where they are installed, which are faster on a CPU.
        recursive: Search folders in the folder of images, too.
        experiment: Table with case and group; by default that of the dataset.
        control_group: Group with which the others are compared; by default that of the dataset.
        xlsx: Write the tables also as an Excel workbook, `tables.xlsx`.
        overwrite: Replace `out` with everything in it.
        n_jobs: Processes that share the images; each uses as many threads as it finds.
        cluster: Workers of a Dask cluster to share the images instead, as of `segassay.evaluate`.
        progress: Show on standard error how many images are done.

    Returns:
        The tables; images that failed are in `failed`, not an error.

    Raises:
        UsageError: If there is no model, or one of several strategies; or `out` holds other content, or lies among or
            would replace what is read.
        DataError: If there is no image, a checkpoint cannot be used, or the experiment table has problems.

    Example:
        >>> predict("nowhere", "images", out="predictions")
        Traceback (most recent call last):
        segassay.errors.UsageError: model nowhere: no such file or folder; give a folder of members, a study, \
model.pt, models:/NAME@best or an exported bundle
    """
    kinds = check_save(save)
    with transfers(absolute=cluster is not None, progress=progress) as at:
        target = at.written(out, overwrite, option=ARGUMENTS[0], go_on=True)
        final = Path(target).resolve()
        given = _copied(at, model)
        chosen = _usable_model(given, strategy)
        if read_network_settings(chosen.checkpoints).objects == TOUCHING:
            kinds = check_save([*kinds, "instances"])  # a mask does not show them
        if cluster is not None:  # its workers may be in other folders
            chosen = replace(chosen, checkpoints=tuple(path.absolute() for path in chosen.checkpoints))
        place, table = at.copied(images), at.copied(experiment)
        found = find_images(place, recursive=recursive, out=final, experiment=table, control_group=control_group)
        of_model, folders = model_places(given)
        inputs = [*of_model, *chosen.checkpoints, place, *([] if table is None else [table])]
        folders += [*found.places, *(path for paths in found.files.values() for path in paths)]
        refuse_inputs(at.among_copies(final), inputs, folders=folders, used="read", option=ARGUMENTS[0])
        size = _smallest_object(min_object_size, found, chosen)
        check_backend(backend)
        options = Options(size, split_touching, flips, device, tile, backend)
        if cluster is None:  # its machines may have other devices
            _check_device(device)
        settings = _settings(chosen, found, options, kinds)
        settings["images"] = at.named(settings["images"]) if is_address(images) else settings["images"]
        with open_output(final, settings, overwrite), workers_for(n_jobs, cluster, progress=progress) as workers:
            records, failed = _predict_all(chosen, found, options, kinds, final, workers, progress)
            done = write_results(final, chosen, found, records, failed, xlsx=xlsx)
        at.send(final, keep=True)
        return done


def _copied(at: Transfers, model: Any) -> Any:
    """A model, whose files are on this machine."""
    return at.copied(model) if isinstance(model, str) and not model.startswith(REGISTERED) else model


def _usable_model(model: Any, strategy: str | None) -> Model:
    try:
        return find_model(model, strategy=strategy)
    except PredictionError as error:
        raise DataError(str(error), error.file, error.what, error.action) from error


def _smallest_object(given: int | None, images: Images, model: Model) -> int:
    if given is not None and given < 0:
        raise UsageError(f"--min-object-size {given}: expected 0 or more pixels")
    if given is not None:
        return given
    return images.dataset.min_object_size if images.dataset is not None else model.min_object_size or 0


def _check_device(device: str | None) -> None:
    if device is None:
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"--device {device}: cannot be used ({reason}); give cpu, or leave it out") from error


def _settings(model: Model, images: Images, options: Options, save: Sequence[str]) -> dict[str, Any]:
    """All that determines the results; a call with other settings does not mix its results with those that are there.

    The device is left out, as a GPU differs in the last digits only.
    """
    own = {key: value for key, value in asdict(options).items() if key != "device"}
    return {
        "model": model.name,
        "model_sha256": model.sha256,
        "n_members": len(model.checkpoints),
        "trained_on_dataset": model.dataset,
        **({} if (axes := read_axes(model.checkpoints)) is None else {"axes": axes}),
        "images": str(images.place.resolve()),
        "segassay": segassay.__version__,
        "torch": str(torch.__version__),
        "save": list(save),
        **_of_dataset(images),
        **own,
    }


def _of_dataset(images: Images) -> dict[str, Any]:
    """What the dataset of the images says of their pixels, as plain values; what it does not say is left out."""
    if images.dataset is None:
        return {}
    settings, named_by_files = images.dataset.settings, bool(images.dataset.names_in_files)
    said = {
        "channels": () if named_by_files else images.dataset.channels,
        "intensity_channel": settings.intensity_channel,
        "spacing_um": settings.spacing_um,
        "classes": images.dataset.class_names,
        "class_colours": settings.class_colours,
    }
    return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value}


@dataclass(frozen=True, eq=False)
class _Task:
    """One image, with all that a process needs to predict it."""

    case: str
    images: Images  # this one alone
    model: Model
    options: Options
    save: Sequence[str]
    out: Path


def _predict_all(
    model: Model, images: Images, options: Options, save: Sequence[str], out: Path, workers: Workers, progress: bool
) -> tuple[dict[str, Record], list[dict[str, str]]]:
    """Record of each image that could be predicted, now or earlier; and the others, each with what to do."""
    known: dict[tuple[str, ...], list[str]] = {}
    stored = are_stored(images)

    def kept(record: Record | None) -> Record | None:
        return without_objects(record, known) if stored and record is not None else record

    records = {case: kept(read_record(out, case, files)) for case, files in images.files.items()}
    left = [case for case, record in records.items() if record is None]
    drop_others(out, images.files)
    if len(left) < len(records):
        line = f"{len(records) - len(left)} of {number_of(len(records), 'image')} were predicted before"
        progress_console(quiet=not progress).print(line, soft_wrap=True, highlight=False)
    if left:
        _warn_of_classes(model, images)
    failed: dict[str, dict[str, str]] = {}
    tasks = [_Task(case, images.of_case(case), model, options, save, out) for case in left]
    with show_progress(len(left) or 1, doing="predicting", done="predicted", shown=progress and bool(left)) as report:
        try:
            for place, found in workers.results(_predict, tasks):
                case = left[place]
                if isinstance(found, LostError):
                    failed[case] = _failure(images.files[case][0], found)
                elif "failed" in found:
                    failed[case] = found["failed"]
                else:
                    records[case] = kept(found)
                report(case)
        finally:
            _predictor.cache_clear()
    done = {case: record for case, record in records.items() if record is not None}
    return done, [failed[case] for case in left if case in failed]


def _warn_of_classes(model: Model, images: Images) -> None:
    """Say so if the dataset of the images gives classes other values than the model does, whose values are written."""
    own = read_network_settings(model.checkpoints).classes
    theirs = open_classes(images.dataset) if images.dataset is not None else []
    if own and theirs and not same_classes(own, theirs):
        logger.warning(
            f"{images.place} has {names_of(theirs)}, but the model was trained on {names_of(own)}; masks hold the "
            "values of the model"
        )


@lru_cache(maxsize=1)
def _predictor(model: Model, sha256: str, options: Options) -> Predictor:
    """The model, ready to predict; the same for all images of this process."""
    _check_device(options.device)
    n_gpus = torch.cuda.device_count()
    if options.device is None and n_gpus > 1:
        options = replace(options, device=f"cuda:{place_on_machine() % n_gpus}")
    return load_predictor(model, options)


def _predict(task: _Task) -> Record:
    """Predict one image: its record, or `failed`, with what to do."""
    files = task.images.files[task.case]
    if (known := read_record(task.out, task.case, files)) is not None:  # done before its worker was lost
        return known
    predictor = _predictor(task.model, task.model.sha256, task.options)
    forget(task.out, task.case)
    try:
        return _predict_one(task.model, predictor, task.images, task.case, task.save, task.out)
    except (DataError, PredictionError, MemoryError, torch.OutOfMemoryError) as error:
        return {"failed": _failure(files[0], error)}


def _predict_one(
    model: Model, predictor: Predictor, images: Images, case: str, save: Sequence[str], out: Path
) -> Record:
    files = images.files[case]
    if len(case.encode()) > _LONGEST:
        what = f"gives the case a name of {len(case.encode())} bytes; expected at most {_LONGEST}"
        raise DataError.of(files[0], what, "rename the file, or its folders")
    inputs = [sha256(path) for path in files]
    work = out / ".records" / f"{case}.partial"
    with open_large(files, work) as large:
        if large is None:
            content = _in_memory(model, predictor, images, case, save, out)
        else:
            content = _by_windows(model, predictor, images, case, large, save, out, work)
    row = {"case": case, "image": _relative(files[0], images.place)} | content.pop("row")
    split = predictor.options.split_touching and not predictor.settings.classes
    split |= predictor.settings.objects == TOUCHING
    record: Record = {"inputs": inputs, "split": split, "case": row} | content
    write_record(out, case, record)
    return record


def _channels_of(model: Model, images: Images, path: Path, picture: Picture) -> tuple[tuple[str, ...], list[int]]:
    """Names of the channels of an image, and places of those that the model sees; empty if it sees all.

    Without names in the dataset and the file, an image with as many channels as those of the training has theirs. A
    model without names sees `segment_channels` of the dataset, if it says so.

    Raises:
        DataError: If a channel is missing, or the dataset names more or fewer channels than the image has.
    """
    names, n_channels = images.channels_of(picture), len(picture.array)
    places: list[int] = []
    if images.dataset is not None and images.dataset.channels:
        check_channel_count(path, n_channels, images.dataset.channels)
        places = list(images.dataset.segmented)
    if model.channels:
        places = pick_channels(path, n_channels, names, model.channels, model.image_channels)
    if not names and n_channels == len(model.image_channels):
        names = model.image_channels
    return (names if len(names) == n_channels else ()), places


def _intensities(images: Images, names: Sequence[str], path: Path, picture: Picture) -> dict[str, int]:
    """Measurement -> place of its channel. Raises a DataError if the image has no such channel."""
    places = intensity_places(DatasetFile() if images.dataset is None else images.dataset.settings, names)
    if (last := max(places.values())) >= len(picture.array):
        what = f"has {number_of(len(picture.array), 'channel')}, but intensity_channel in dataset.yaml is {last}"
        raise DataError.of(path, what, "correct intensity_channel; the first channel is 0")
    return places


def _in_memory(
    model: Model, predictor: Predictor, images: Images, case: str, save: Sequence[str], out: Path
) -> dict[str, Any]:
    """What the record holds of an image that fits into memory, with all its files written."""
    picture, path = images.read(case), images.files[case][0]
    _warn_of_spacing(path, picture)
    names, places = _channels_of(model, images, path, picture)
    words: dict[str, Any] = {"order": _order(images), "seen": places, "channels": names}
    words |= images.areas(case)
    intensities = _intensities(images, names, path, picture)
    found = predict_case(predictor, case, path, picture, **words)
    found = replace(found, colours=_colours(images))
    seen = picture.array[places] if places else picture.array
    measured = {name: picture.array[place] for name, place in intensities.items()}
    counts = count_case(found.labels, measured, found.counted)
    of_classes = _counts_of_classes(found.classes, found.objects)
    if of_classes:  # of regions, an object can hide another one in the label image
        n, area = len(found.objects), counts["region_area_px"]
        counts |= {"n_objects": n, "density": n / area if area else float("nan")}
    known, turn = predictor.familiar, predictor.turn_of(picture)
    learned = seen if turn is None else turn.to(seen)
    unlike = NOT_COMPARED if known is None else known.compare(learned, picture.spacing_um)
    return {
        **_pixel_ratios(predictor, picture, picture.spacing_um),
        "row": case_row(counts, found.summary, picture.spacing_um, found.mask.ndim) | of_classes | dict(unlike),
        "objects": objects_of(found.objects),
        "held_out": _held_out(model, images, case, partial(pixel_hashes, seen, picture.place)),
        "files": write_files(out, found, save) | write_thumbnail(out, found),
    }


def _warn_of_spacing(path: Path, picture: Picture) -> None:
    """Name what a header gives as the size of a pixel, if it is none."""
    if picture.unread:
        logger.warning(
            f"{path}: the header gives {picture.unread}, which is not a valid pixel size; sizes are in pixels"
        )


def _pixel_ratios(predictor: Predictor, picture: Picture, spacing_um: Sequence[float] | None) -> dict[str, list[float]]:
    """`pixel_ratios` of an image whose pixels are longer or shorter than those of the training; else nothing.

    They belong to the axes of the file.
    """
    if predictor.familiar is None or spacing_um is None:
        return {}
    turn = predictor.turn_of(picture)
    ratios = predictor.familiar.pixel_ratios(spacing_um if turn is None else turn.lengths(spacing_um))
    if ratios is None:
        return {}
    return {"pixel_ratios": [round(ratio, 3) for ratio in (ratios if turn is None else turn.lengths_back(ratios))]}


def _order(images: Images) -> Sequence[str]:
    """Order of the classes in the files of probabilities, if the dataset of the images has one."""
    return () if images.dataset is None else images.dataset.class_names


def _colours(images: Images) -> Mapping[str, str]:
    """Class -> its colour, where the dataset of the images gives it one."""
    return {} if images.dataset is None else images.dataset.settings.class_colours


def _counts_of_classes(names: Iterable[str], objects: pd.DataFrame) -> dict[str, int]:
    """Number of objects of each class, as columns of cases.csv; none without classes."""
    return {f"n_objects_{name}": int((objects["class"] == name).sum()) for name in names}


def _by_windows(
    model: Model,
    predictor: Predictor,
    images: Images,
    case: str,
    large: Windows,
    save: Sequence[str],
    out: Path,
    work: Path,
) -> dict[str, Any]:
    """The same of a large image."""
    spacing = images.spacing_of(large)
    if spacing is None:
        _warn_of_spacing(large.path, large.frame)
    if images.dataset is not None:
        order = places_in_order(large.path, large.frame, images.dataset.names_in_files)
        large = ChosenChannels(large, order) if order else large
    names, places = _channels_of(model, images, large.path, large.frame)
    seen = ChosenChannels(large, places) if places else large
    words: dict[str, Any] = {"spacing_um": spacing, "seen": seen, "channels": names}
    words |= {"intensities": _intensities(images, names, large.path, large.frame), "order": _order(images)}
    words |= {"colours": _colours(images)} | images.areas(case)
    found = predict_large(predictor, case, large, out, work, save, **words)
    of_classes = _counts_of_classes([name for name, _ in predictor.settings.classes], found.objects)
    row = case_row(found.counts, found.summary, found.spacing_um, large.frame.array.ndim - 1)
    return {
        **_pixel_ratios(predictor, large.frame, found.spacing_um),
        "row": row | of_classes | found.unlike,
        "objects": objects_of(found.objects),
        "held_out": _held_out(model, images, case, LargePixels(seen).hashes),
        "files": found.files,
    }


def _relative(path: Path, place: Path) -> str:
    return path.relative_to(place).as_posix() if path != place else path.name


def _held_out(model: Model, images: Images, case: str, hashes: Callable[[], Sequence[str]]) -> bool | None:
    """Whether no member was trained on an image with these `pixel_hashes`; None if it is not known."""
    if not model.members:
        return None
    pixels = hashes()
    if images.dataset is not None:
        return not seen_by(model.members, images.dataset, case, images.subjects[case], pixels)
    return False if any(has_seen(member, pixels) for member in model.members) else None


def _failure(path: Path, error: Exception) -> dict[str, str]:
    if isinstance(error, (DataError, PredictionError)):
        return {"file": error.file or str(path), "what": error.what or str(error), "action": error.action}
    action = "close other programs, or predict it in smaller windows: --tile 512"
    return {"file": str(path), "what": "does not fit into the memory", "action": action}
