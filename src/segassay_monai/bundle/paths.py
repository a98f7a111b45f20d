"""Location of the bundle: next to the sources in a checkout, inside the package once installed."""

from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[3] / "bundle"
_INSTALLED = Path(__file__).resolve().parent


def bundle_root() -> Path:
    """Folder of the bundle, with `configs/` and `docs/`."""
    return _CHECKOUT if (_CHECKOUT / "configs").is_dir() else _INSTALLED


def config_path(name: str) -> Path:
    """A configuration of the bundle, such as `train.yaml`."""
    return bundle_root() / "configs" / name


def models_dir() -> Path:
    """Default folder of models: `bundle/models` in a checkout, else `models` in the current folder."""
    return (_CHECKOUT if bundle_root() == _CHECKOUT else Path.cwd()) / "models"
