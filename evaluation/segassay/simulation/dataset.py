"""Simulate nuclei annotated by several raters: an experiment with known truth and effects.

    settings, case index  ->  image (*spatial) grey, truth (*spatial) labels, {rater: mask (*spatial) bool}
    settings              ->  a dataset folder, with the truth and all settings in it

One case is made and written at a time. `segassay.simulation.settings` explains the settings.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from segassay.data.annotations import RATER
from segassay.errors import UsageError
from segassay.io.csv_tables import csv_text
from segassay.io.images import Picture, write_bytes, write_image, write_labels, write_mask
from segassay.io.outputs import ARGUMENTS, prepare_output, publish_output, whole_or_nothing
from segassay.simulation.habits import annotate
from segassay.simulation.rendering import render, true_classes, true_labels
from segassay.simulation.scene import Scene, build_scene
from segassay.simulation.settings import DEFAULT_RATERS, Effect, RaterHabit, Region, Simulation
from segassay.simulation.settings_file import plain_settings
from segassay.simulation.truth_tables import expected_of_raters, facts_of_case

__all__ = ["DEFAULT_RATERS", "Effect", "RaterHabit", "Region", "Simulation", "simulate", "simulate_case"]


def simulate_case(
    settings: Simulation, index: int, *, session: int = 1
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Simulate one image, its truth and the mask of each rater.

    Args:
        settings: The experiment.
        index: Number of the case, from 0; it may exceed `settings.n_cases`.
        session: From 1; later ones have only the raters who annotated this case again.

    Returns:
        The image `(*spatial)` in `settings.dtype`, with a marker `(2, *spatial)`; the truth `(*spatial)` int32 with
        labels 1…n; and a boolean mask `(*spatial)` per rater, none for a rater who did not annotate this case in that
        session. With `settings.instances` masks of raters are label images, too. With `settings.classes` all of them
        hold the number of the class of each pixel, int32.

    Example:
        >>> image, truth, masks = simulate_case(Simulation(shape=(64, 64), n_nuclei=4), index=0)
        >>> image.dtype, truth.shape, sorted(masks)
        (dtype('uint8'), (64, 64), ['average', 'generous', 'strict'])
    """
    scene = build_scene(settings, index)
    masks = annotate(scene, settings, index, session=session)
    return render(scene, settings, index), _truth(scene, settings), masks


def _truth(scene: Scene, settings: Simulation) -> np.ndarray:
    return (true_classes if settings.classes else true_labels)(scene.nuclei, settings)


def simulate(out: str | os.PathLike[str], settings: Simulation | None = None, *, overwrite: bool = False) -> Path:
    """Write a simulated experiment as a dataset folder.

    Besides images, rater masks, `experiment.csv` and `dataset.yaml` it holds the truth: `truth/` (label images of the
    nuclei, or of their classes; no rater), `repeats/<rater>/session_2/` (masks of later sessions), `annotations.csv`
    (every mask, truth and repeats too) and `simulation.json` (every setting, the expected effects, and per case the
    simulated objects).

    Args:
        out: Folder to write, completely or not at all.
        settings: The experiment; by default 16 images in two groups, annotated by raters with known habits.
        overwrite: Replace a folder of that name and everything in it.

    Returns:
        The folder; with `n_nuclei=0` its truth is empty. At least one case is simulated.

    Raises:
        UsageError: If `out` exists and `overwrite` is False, or if it cannot be written.

    Example:
        >>> import tempfile
        >>> from segassay.simulation.settings import Simulation
        >>> folder = tempfile.TemporaryDirectory()
        >>> data = simulate(f"{folder.name}/data", Simulation(n_cases=2, shape=(32, 32), n_nuclei=2))
        >>> sorted(path.name for path in data.iterdir())[:3]
        ['annotations.csv', 'dataset.yaml', 'experiment.csv']
        >>> folder.cleanup()
    """
    partial = prepare_output(Path(out), overwrite, options=ARGUMENTS)
    with whole_or_nothing(partial):
        try:
            _write_dataset(partial, settings or Simulation())
            return publish_output(partial)
        except OSError as error:
            raise UsageError(f"{out} cannot be written: {error.strerror}; check permissions and free space") from error


def _write_dataset(folder: Path, settings: Simulation) -> None:
    cases: list[dict[str, Any]] = []
    annotations: list[tuple[str, str, str, str, int | None]] = []
    for index in range(settings.n_cases):
        case, scene = f"case_{index:04d}", build_scene(settings, index)
        annotations += _write_case(folder, case, scene, settings, index)
        cases.append(facts_of_case(case, scene, settings, index))
    columns = ["case", "group", *(["region"] if settings.regions else []), "subject"]
    _write_csv(folder / "experiment.csv", pd.DataFrame(cases)[columns])
    names = ["case", "annotator", "kind", "path", "session"]
    _write_csv(folder / "annotations.csv", pd.DataFrame(annotations, columns=names).astype({"session": "Int64"}))
    known = {"settings": plain_settings(settings), "expected": expected_of_raters(settings), "cases": cases}
    write_bytes(folder / "simulation.json", (json.dumps(known, indent=1) + "\n").encode())
    description = {
        "name": f"simulation_{settings.seed}",
        "images": "images",
        "raters": "labels/*",
        "control_group": next(iter(settings.groups)),
        "min_object_size": settings.min_object_size,
        "experiment": "experiment.csv",
        "spacing_um": list(settings.axis_spacing_um),
        **({"objects": "instances"} if settings.instances else {}),
        **({"classes": {name: n for n, name in enumerate(settings.classes, start=1)}} if settings.classes else {}),
    }
    if settings.channels:
        description |= {"channels": list(settings.channels), "segment_channels": settings.channels[0]}
    write_bytes(folder / "dataset.yaml", yaml.safe_dump(description, sort_keys=False).encode())


def _write_case(
    folder: Path, case: str, scene: Scene, settings: Simulation, index: int
) -> Iterator[tuple[str, str, str, str, int | None]]:
    """Write the files of a case; yields the row of each mask in the annotations table."""
    image, n_axes = render(scene, settings, index), len(settings.shape)
    file = f"{case}.png" if n_axes == 2 else f"{case}.nii.gz"
    array = image.reshape(-1, *settings.shape)
    like = Picture(array, spacing_um=settings.axis_spacing_um, channel_names=settings.channels)
    of_image = f"{case}.ome.tif" if settings.channels and n_axes == 2 else file
    write_image(_with_folder(folder / "images" / of_image), like)
    write_labels(_with_folder(folder / "truth" / file), _truth(scene, settings), like)
    yield case, "truth", "truth", f"truth/{file}", None
    for session in range(1, 1 + max(habit.n_sessions for habit in settings.raters)):
        for rater, mask in annotate(scene, settings, index, session=session).items():
            path = f"labels/{rater}/{file}" if session == 1 else f"repeats/{rater}/session_{session}/{file}"
            write = write_labels if settings.instances or settings.classes else write_mask
            write(_with_folder(folder / path), mask, like)
            yield case, rater, RATER, path, session


def _with_folder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_bytes(path, csv_text(table).encode())
