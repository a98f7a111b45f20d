"""What an exported bundle carries unchanged: modules of prediction that need torch, monai, numpy and each other."""

import ast
import importlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from segassay.masks import region_values
from segassay_monai.ensemble import ensemble_net
from segassay_monai.ensemble.network import NetworkSettings

FOLDER = Path(ensemble_net.__file__).parent
EXPORTED = {
    name: FOLDER / f"{name}.py" for name in ("classes", "ensemble_net", "errors", "images", "inferer", "levels")
}
EXPORTED |= {name: FOLDER / f"{name}.py" for name in ("mean_net", "network")}
EXPORTED["region_values"] = Path(region_values.__file__)  # which has a stand-in beside the others


def imported(path: Path) -> set[str]:
    """Top packages that a module imports, and `.name` for those beside it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = str(node.module)
            found.add(f".{module}" if node.level else module.partition(".")[0])
    return found


@pytest.mark.parametrize("name", EXPORTED)
def test_it_imports_only_what_every_export_has(name):
    allowed = {"torch", "monai", "numpy"} | {f".{other}" for other in EXPORTED} | set(sys.stdlib_module_names)
    assert imported(EXPORTED[name]) <= allowed


def test_copies_of_them_predict_where_the_package_is_missing(tmp_path, monkeypatch):
    scripts = tmp_path / "exported_scripts"
    scripts.mkdir()
    (scripts / "__init__.py").touch()
    for path in EXPORTED.values():
        shutil.copy(path, scripts)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("segassay", "segassay_monai")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("segassay", "segassay_monai"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.syspath_prepend(tmp_path)
    network, images, inferer, net = (
        importlib.import_module(f"exported_scripts.{name}") for name in ("network", "images", "inferer", "ensemble_net")
    )
    settings = NetworkSettings(2, 1, [4, 8], [[2, 2]])
    model = network.residual_unet(**settings.state_dict())
    torch.save({"model": model.state_dict(), "network": settings.state_dict()}, tmp_path / "model.pt")
    assert network.read_network_settings([tmp_path / "model.pt"]).state_dict() == settings.state_dict()
    image = images.as_float(np.arange(12 * 14).reshape(1, 12, 14))
    ensemble = net.EnsembleNet(model, [tmp_path / "model.pt"], inferer.WholeImageInferer([2, 2]))
    prob = ensemble(images.NormalisePercentiled("image")({"image": image})["image"][None])
    assert prob.shape == (1, 1, 12, 14)
    assert 0 <= prob.min() < prob.max() <= 1
