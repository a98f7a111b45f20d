"""Models, images and predictions in an object store: the files of a folder, and another machine goes on."""

import shutil
from pathlib import Path

import platformdirs
import pytest
import yaml

from object_store import MemoryStore
from segassay.io.images import Picture, read_image, write_image
from segassay_monai.prediction import run as module
from segassay_monai.prediction.run import predict


@pytest.fixture
def store(dataset: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """A store with two images that no member has seen, and the members."""
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    found = MemoryStore(monkeypatch)
    (tmp_path / "images").mkdir()
    for number, path in enumerate(sorted((dataset / "images").iterdir())[:2]):
        write_image(tmp_path / "images" / f"new_{number}.png", Picture(read_image(path).array[:, ::-1]))
    found.put_folder(tmp_path / "images", "bucket/images")
    found.put_folder(models, "bucket/members")
    return found


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def sent(store: MemoryStore) -> dict[str, bytes]:
    return {name: of for name, of in store.content("bucket/out").items() if name != "uploaded.json"}


def test_predictions_are_those_of_folders_and_another_machine_goes_on(store, models, tmp_path, monkeypatch):
    predict(models, tmp_path / "images", out=tmp_path / "out")
    words = {"images": "memory://bucket/images", "out": "memory://bucket/out"}
    predict("memory://bucket/members", **words)
    expected, found = content(tmp_path / "out"), sent(store)
    settings = [yaml.safe_load(of.pop("settings.yaml")) for of in (expected, found)]
    assert found == expected
    assert settings[1] == settings[0] | {"images": "memory://bucket/images"}

    shutil.rmtree(tmp_path / "cache")
    predict_one, calls = module._predict_one, []

    def counted(*arguments: object) -> object:
        calls.append(arguments[3])
        return predict_one(*arguments)

    monkeypatch.setattr(module, "_predict_one", counted)
    store.put("bucket/images/new_2.png", (tmp_path / "images" / "new_0.png").read_bytes())
    store.written.clear()
    done = predict("memory://bucket/members", **words)
    assert calls == ["new_2"]
    assert list(done.cases["case"]) == ["new_0", "new_1", "new_2"]
    assert "/bucket/out/masks/new_2.png" in store.written
    assert "/bucket/out/masks/new_1.png" not in store.written
