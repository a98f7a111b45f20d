"""Cases that are kept between tiles: the same tiles from memory, from temporary files and read each time."""

import errno
import tempfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.transforms import Compose, Transform
from monai.utils import set_determinism

from segassay.data.dataset import read_dataset
from segassay.errors import UsageError
from segassay_monai.training.case_cache import CachedCases
from segassay_monai.training.tiles import LoadCased, RandTiled

SHAPE = (40, 36, 12)
BYTES_OF_CASE = int(np.prod(SHAPE)) * (4 + 1 + 1)


@pytest.fixture(scope="module")
def transform(tmp_path_factory: pytest.TempPathFactory) -> list:
    folder = tmp_path_factory.mktemp("volumes")
    for name in ("images", "labels/anna"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for case in range(4):
        image = rng.integers(0, 255, SHAPE, dtype=np.uint8)
        nibabel.save(nibabel.Nifti1Image(image, np.diag([1, 1, 3, 1])), folder / f"images/{case}.nii.gz")
        mask = np.zeros(SHAPE, dtype=np.uint8)
        mask[10:20, 8:16, 3:7] = case != 3  # the last one has no foreground
        nibabel.save(nibabel.Nifti1Image(mask, np.diag([1, 1, 3, 1])), folder / f"labels/anna/{case}.nii.gz")
    load = LoadCased(read_dataset(folder), "anna", n_channels=1, spatial_dims=3)
    return [load, RandTiled(["image", "label", "valid"], [16, 16, 8], spacing=[1, 1, 3])]


def cached(transform: list, out: Path, n_cached: int, **bound: int) -> CachedCases:
    set_determinism(0)
    chain = Compose(transform)
    chain.set_random_state(seed=0)
    return CachedCases([{"case": str(case)} for case in range(4)], chain, n_cached, out, **bound)


def tiles(cases: CachedCases) -> list[dict]:
    return [cases[case] for case in (0, 3, 1, 2, 0, 3, 1)]


def file_of(tensor: torch.Tensor) -> str:
    """Path of the file that the memory of a tensor is mapped from, by the kernel; empty for none."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, *_, path = line.split(maxsplit=5) if line.count(" ") > 5 else (*line.split(), "")
        start, end = (int(edge, 16) for edge in place.split("-"))
        if start <= tensor.data_ptr() < end:
            return path.strip() if path.strip().startswith("/") else ""
    return ""


def test_tiles_are_the_same_from_memory_from_files_and_read_each_time(transform: list, tmp_path: Path) -> None:
    whole = tiles(cached(transform, tmp_path / "m", 4))
    for n_cached, max_bytes in ((4, 0), (4, 2 * BYTES_OF_CASE + 20_000), (0, 0)):
        for one, other in zip(
            tiles(cached(transform, tmp_path / "m", n_cached, max_bytes=max_bytes)), whole, strict=True
        ):
            for key in ("image", "label", "valid"):
                assert torch.equal(one[key], other[key]), (n_cached, max_bytes, key)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the kernel tells nothing of its mappings here")
def test_what_exceeds_the_bound_is_mapped_from_files_that_leave_nothing(transform: list, tmp_path: Path) -> None:
    cases = cached(transform, tmp_path / "new" / "m", 4, max_bytes=2 * BYTES_OF_CASE + 20_000)
    files = [file_of(item["image"]) for item in cases._cache]
    assert files[:2] == ["", ""]
    assert all(file.startswith(str(tmp_path / "new")) for file in files[2:])
    assert cases.n_bytes <= cases.max_bytes
    assert list((tmp_path / "new").iterdir()) == []
    assert not any(file_of(item["image"]) for item in cached(transform, tmp_path / "m", 4)._cache)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the kernel tells nothing of its mappings here")
def test_the_labelled_pixels_of_each_class_are_mapped_and_counted_too(tmp_path: Path) -> None:
    """Eight bytes for each labelled voxel: of large organs as much as half of the image."""

    class Load(Transform):
        def __call__(self, case: dict) -> dict:
            labelled = [torch.arange(3000), torch.arange(10_000)]
            return case | {"image": torch.zeros(1, 8, 8), "labelled": labelled, "none": []}

    kept = CachedCases([{"case": "0"}], Compose([Load()]), 1, tmp_path / "m", max_bytes=1000)._cache[0]
    assert all(file_of(tensor).startswith(str(tmp_path)) for tensor in [kept["image"], *kept["labelled"]])
    assert [tensor.tolist() for tensor in kept["labelled"]] == [list(range(3000)), list(range(10_000))]
    assert (kept["case"], kept["none"]) == ("0", [])
    assert CachedCases([{"case": "0"}], Compose([Load()]), 1, tmp_path / "m").n_bytes == 8 * 13_000 + 4 * 64


def test_a_full_disk_is_one_message(transform: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(UsageError, match=r"has no room for .*No space left on device.* smaller --n_cached \(now 4\)"):
        cached(transform, tmp_path / "m", 4, max_bytes=0)
