"""A model as one ONNX file: the same probabilities in ONNX Runtime."""

import re

import numpy as np
import pytest
import torch

from segassay.errors import UsageError
from segassay_monai.sharing import onnx as exports
from segassay_monai.sharing.onnx import Difference, compare, export_onnx
from segassay_monai.sharing.verify import verify
from segassay_monai.sharing.weights import read_whole_image_net
from shared_members import DATA_HASH, SECRETS


def test_onnx_runtime_gives_the_same_masks_at_three_sizes(ensemble, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segassay[onnx]")
    pytest.importorskip("onnx", reason="onnx is not installed: pip install segassay[onnx]")
    settings, checkpoints = ensemble
    found = export_onnx(checkpoints[0].parents[1], tmp_path / "net.onnx", both_channels=True)
    assert len(set(found.sizes)) == 3
    assert found.largest <= 1e-5
    assert found.n_pixels == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    image = np.random.default_rng(1).gamma(2, 300, (2, settings.in_channels, *[19] * settings.spatial_dims))
    prob = session.run(None, {"image": image.astype(np.float32)})[0]
    expected = read_whole_image_net(checkpoints)(torch.from_numpy(image))
    np.testing.assert_allclose(prob[:, 1:], expected.detach().numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(prob.sum(axis=1), 1, rtol=0, atol=1e-6)
    for name in ("net.onnx", "net.certificate.json"):
        content = (tmp_path / name).read_bytes()
        assert not re.search(rb"site-packages|/home/|/work|\.py\b", content)
        unless = [] if name.endswith(".json") else [DATA_HASH]
        assert not [word for word in [*SECRETS, *unless, str(tmp_path)] if word.encode() in content]
    assert {path.name for path in tmp_path.iterdir()} == {"net.onnx", "net.certificate.json"}
    _verify(tmp_path / "net.onnx")


def _verify(path):
    """The certificate agrees with the file beside it, and no longer if a byte of it changes, or it is gone."""
    for place in (path, path.with_name("net.certificate.json")):
        assert {finding.claim: finding.agrees for finding in verify(place)}["files"] is True
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert [finding.claim for finding in verify(path) if finding.agrees is False] == ["files"]
    path.unlink()
    assert "missing: net.onnx" in {finding.claim: finding.detail for finding in verify(path)}["files"]


def test_a_difference_is_measured(ensemble):
    _, checkpoints = ensemble
    net = read_whole_image_net(checkpoints)
    images = exports._images(net)

    def shifted(image):
        return net(torch.from_numpy(image)).detach().numpy() + np.float32(0.25)

    found = compare(net, shifted, images)
    assert found.largest == pytest.approx(0.25, abs=1e-6)
    assert found.n_pixels > 0


def test_a_file_that_predicts_otherwise_is_not_kept(ensemble, tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "save_onnx", lambda net, file, example: (tmp_path / "net.onnx.partial").write_text(""))
    monkeypatch.setattr(exports, "compare_with_onnx", lambda net, path: Difference(2e-5, 3, ((8, 8),)))
    with pytest.raises(UsageError, match=r"differ at 8 × 8 pixels: largest difference of a probability 2.0e-05, 3"):
        export_onnx(ensemble[1][0].parents[1], tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_an_existing_file_and_another_ending_are_refused(ensemble, tmp_path):
    (tmp_path / "net.onnx").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        export_onnx(ensemble[1][0].parents[1], tmp_path / "net.onnx")
    with pytest.raises(UsageError, match=r"ends in \.onnx"):
        export_onnx(ensemble[1][0].parents[1], tmp_path / "net.pt")
    assert (tmp_path / "net.onnx").read_text() == "mine"
    (tmp_path / "net.onnx").rename(tmp_path / "net.certificate.json")
    with pytest.raises(UsageError, match=r"certificate\.json exists already"):
        export_onnx(ensemble[1][0].parents[1], tmp_path / "net.onnx")
