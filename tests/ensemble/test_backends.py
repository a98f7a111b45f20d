"""Members run by ONNX Runtime and OpenVINO, held against torch."""

import sys

import pytest
import torch

from networks import INFERER, image, unet
from segassay.errors import UsageError
from segassay_monai.ensemble.backends import load_backend
from segassay_monai.ensemble.ensemble_net import EnsembleNet


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("flips", [False, True])
def test_prediction_and_uncertainty_are_those_of_torch(checkpoints, name, flips):
    for package in ("onnx", name):
        pytest.importorskip(package, reason=f"{package} is not installed")
    ours = EnsembleNet(unet(9), checkpoints, INFERER, flips)
    theirs = EnsembleNet(unet(9), checkpoints, INFERER, flips, backend=load_backend(name, checkpoints))
    for size in ((37, 61), (16, 16)):
        pixels = image(1, 1, *size)
        with torch.no_grad():
            ours(pixels), theirs(pixels)
        for part in ("prob", "doubt", "disagreement"):
            torch.testing.assert_close(getattr(theirs.last, part), getattr(ours.last, part), rtol=0, atol=1e-5)
        assert (theirs.last.packed_masks == ours.last.packed_masks).all()
        assert ours.last.disagreement.max() > 0.01


def test_each_function_predicts_in_place_of_its_member(checkpoints):
    constant = [lambda x, logit=logit: torch.full_like(x[:, :1], logit) for logit in (-4.0, 0.0, 4.0)]
    ensemble = EnsembleNet(unet(9), checkpoints, INFERER, backend=constant)
    prob = ensemble(image(1, 1, 8, 8))
    torch.testing.assert_close(prob, torch.full_like(prob, 0.5))
    assert [bool(ensemble.last.member_mask(member).any()) for member in range(3)] == [False, False, True]


def test_torch_is_no_backend_and_an_unknown_one_is_refused(checkpoints):
    assert load_backend("torch", checkpoints) is None
    with pytest.raises(UsageError, match="--backend tensorrt: expected one of torch, onnxruntime, openvino"):
        load_backend("tensorrt", checkpoints)


@pytest.mark.parametrize("package", ["onnxruntime", "openvino", "onnx"])
def test_a_missing_package_is_named_with_how_to_install_it(checkpoints, package, monkeypatch):
    if package != "onnx":
        pytest.importorskip("onnx", reason="onnx is not installed")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=f"needs {package}; install it with: pip install"):
        load_backend("openvino" if package == "openvino" else "onnxruntime", checkpoints)
