"""Where the bundle is: next to the sources in a checkout, inside the package once installed."""

from pathlib import Path

import pytest

from segassay_monai.bundle import paths


def test_in_a_checkout_the_bundle_is_next_to_the_sources() -> None:
    checkout = Path(__file__).parents[2]
    assert paths.bundle_root() == checkout / "bundle"
    assert paths.models_dir() == checkout / "bundle" / "models"
    for name in ("train.yaml", "evaluate.yaml", "inference.yaml", "multi_gpu_train.yaml"):
        assert paths.config_path(name).is_file()


def test_once_installed_it_is_in_the_package_and_models_are_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "_CHECKOUT", tmp_path / "gone")
    monkeypatch.chdir(tmp_path)
    assert paths.bundle_root() == Path(paths.__file__).parent
    assert paths.config_path("train.yaml") == Path(paths.__file__).parent / "configs" / "train.yaml"
    assert paths.models_dir() == tmp_path / "models"


def test_a_folder_named_bundle_without_configurations_is_not_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "_CHECKOUT", tmp_path)
    assert paths.bundle_root() == Path(paths.__file__).parent
    (tmp_path / "configs").mkdir()
    assert paths.bundle_root() == tmp_path
