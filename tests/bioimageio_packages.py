"""What tests ask of a package for bioimage.io: its network, and the library's own test of it."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
import yaml

HAS_CORE = bool(importlib.util.find_spec("bioimageio") and importlib.util.find_spec("bioimageio.core"))

with_core = pytest.mark.skipif(not HAS_CORE, reason="bioimageio.core is not installed, so it was not asked")


def assert_accepted(package: Path) -> None:
    """Run the test of bioimage.io with all weights; only in tests marked `with_core`."""
    core = importlib.import_module("bioimageio.core")
    for weights in ("pytorch_state_dict", "torchscript", "onnx"):
        assert core.test_description(package / "rdf.yaml", weight_format=weights).status == "passed"


def network(package: Path) -> torch.nn.Module:
    """The network that the package describes, with its weights."""
    described = yaml.safe_load((package / "rdf.yaml").read_text(encoding="utf-8"))
    architecture = described["weights"]["pytorch_state_dict"]["architecture"]
    spec = importlib.util.spec_from_file_location("of_a_package", package / architecture["source"])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["of_a_package"] = module
    spec.loader.exec_module(module)
    net: torch.nn.Module = getattr(module, architecture["callable"])(**architecture["kwargs"])
    net.load_state_dict(torch.load(package / "weights.pt", weights_only=True))
    return net.eval()
