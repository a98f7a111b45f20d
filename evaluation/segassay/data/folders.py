"""The folders of a dataset: its settings, where its files lie, and folders that are used twice or not at all.

folder -> settings -> places of images, masks, areas and tables
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from segassay.data.names import is_image
from segassay.data.nnunet import DatasetJson, is_nnunet, nnunet_settings, read_dataset_json
from segassay.data.raters import rater_folders
from segassay.data.settings import DatasetFile, inside, read_dataset_file
from segassay.errors import Problem, shortlist

__all__ = ["data_places", "read_settings", "unused_areas", "without_images"]


def read_settings(folder: Path) -> tuple[DatasetFile | None, DatasetJson | None, list[Problem]]:
    """Settings from dataset.yaml and, in a folder of nnU-Net, dataset.json; None if they cannot be used."""
    settings, problems = read_dataset_file(folder / "dataset.yaml")
    if settings is None or not is_nnunet(folder, settings):
        return settings, None, problems
    layout, of_layout = read_dataset_json(folder / "dataset.json")
    return nnunet_settings(settings) if layout is not None else None, layout, [*problems, *of_layout]


def data_places(folder: str | os.PathLike[str]) -> list[Path]:
    """Folders of images, masks and areas of a dataset, its tables, and the links in these folders.

    Results may lie in the dataset folder itself, but neither in these nor instead of them. Images need not be there;
    what is wrong with the folder is said by `read_dataset`.

    Returns:
        Places that exist; never the dataset folder, even if it holds the images itself.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("images", "labels/anna", "results"):
        ...         (Path(folder) / name).mkdir(parents=True)
        ...     [place.relative_to(folder).as_posix() for place in data_places(folder)]
        ['images', 'labels', 'labels/anna']
    """
    folder = Path(folder)
    settings = read_settings(folder)[0] or DatasetFile()
    named = [settings.images, settings.reference, settings.ignore, settings.region_masks]
    named += [settings.experiment, settings.endpoints]
    raters = rater_folders(folder, settings)[0].values()
    places = {inside(folder, path) for path in named if path} | {*raters, *(place.parent for place in raters)}
    root = folder.resolve()
    places = {place for place in places if os.path.lexists(place) and not root.is_relative_to(place.resolve())}
    return sorted(places | {link for place in places for link in _links(place)})


def _links(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with suppress(OSError), os.scandir(folder) as entries:  # not to be listed: whoever reads it says so
        return [Path(entry.path) for entry in entries if entry.is_symlink()]
    return []


def without_images(
    folder: Path, settings: DatasetFile, raters: dict[str, Path]
) -> tuple[DatasetFile, dict[str, Path], list[Problem]]:
    """The same without raters, reference and areas whose folder is that of the images; and one problem if there are."""
    images = os.path.realpath(inside(folder, settings.images))
    named = {key: path for key in ("reference", "ignore", "region_masks") if (path := getattr(settings, key))}
    areas = [key for key, path in named.items() if os.path.realpath(inside(folder, path)) == images]
    kept = {rater: path for rater, path in raters.items() if os.path.realpath(path) != images}
    wrong = [*(f"rater {rater!r}" for rater in raters if rater not in kept), *(f"`{key}`" for key in areas)]
    what = f"the folder of the images is also that of {shortlist(wrong)}; expected masks in a folder of their own"
    problem = Problem(str(folder / "dataset.yaml"), what, "correct the folder, or leave it out", kind="images-as-masks")
    return settings.model_copy(update=dict.fromkeys(areas)), kept, [problem] if wrong else []


def unused_areas(folder: Path, settings: DatasetFile) -> Iterator[Problem]:
    """Folders whose name says that their masks mark what does not count, or where objects count, but no setting."""
    used = {inside(folder, path) for path in (settings.ignore, settings.region_masks, settings.images) if path}
    for place in sorted(folder.iterdir()):
        key = _area_key(place.name.lower())
        if key is None or place in used or not place.is_dir():
            continue
        if getattr(settings, key) is None and _holds_images(place):
            what = f"holds masks, but dataset.yaml names no `{key}`, so they are not used"
            action = f"write `{key}: {place.name}` into dataset.yaml, or move the folder away"
            yield Problem(str(place), what, action, "warning", kind="area-not-used")


def _holds_images(folder: Path) -> bool:
    try:
        return any(is_image(name, outlines=True) for name in os.listdir(folder))
    except OSError:  # not to be listed, so nothing is known of it
        return False


def _area_key(name: str) -> str | None:
    """The setting that a folder of this name, in small letters, belongs to; None for any other name."""
    if "ignor" in name or "exclu" in name:
        return "ignore"
    return "region_masks" if name in ("region", "regions", "region_mask", "region_masks", "roi_masks") else None
