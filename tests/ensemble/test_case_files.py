"""Files of one case: what two kinds have in common is compressed once, and each file has its own bytes."""

from pathlib import Path

import numpy as np
import pytest

from segassay.io.picture import Picture
from segassay_monai.ensemble import case_files
from segassay_monai.ensemble.case_files import write_case

SPATIAL = (3, 5, 7)
MAP = np.random.default_rng(0).random(SPATIAL, dtype=np.float32)


def written(folder: Path, name: str, **maps: np.ndarray) -> dict[str, bytes]:
    picture = Picture(np.zeros((1, *SPATIAL), np.uint8), (2.0, 0.3, 0.3))
    return {
        kind: (folder / path).read_bytes()
        for kind, path in write_case(folder, "1", folder / name, picture, maps).items()
    }


@pytest.mark.parametrize("name", ["1.tif", "1.ome.tif", "1.nii.gz"])
def test_doubt_of_a_single_member_is_its_uncertainty_and_compressed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    alone = written(tmp_path, name, doubt=MAP)["doubt"]
    compressed: list[Path] = []
    write = case_files.write_map
    monkeypatch.setattr(case_files, "write_map", lambda path, *words: compressed.append(path) or write(path, *words))
    found = written(tmp_path, name, uncertainty=MAP, doubt=MAP.copy())
    assert [path.parent.name for path in compressed] == ["uncertainty"]
    assert found == {"uncertainty": alone, "doubt": alone}
    doubt, uncertainty = (next((tmp_path / kind).iterdir()) for kind in ("doubt", "uncertainty"))
    assert not doubt.samefile(uncertainty), "whoever changes one does not change the other"


@pytest.mark.parametrize("name", ["1.tif", "1.nii.gz"])
def test_doubt_that_differs_in_one_pixel_has_a_file_of_its_own(tmp_path: Path, name: str) -> None:
    doubt = MAP.copy()
    doubt[-1, -1, -1] = np.nextafter(doubt[-1, -1, -1], np.float32(0))
    alone = written(tmp_path, name, doubt=doubt)["doubt"]
    found = written(tmp_path, name, uncertainty=MAP, doubt=doubt)
    assert found["doubt"] == alone != found["uncertainty"]
