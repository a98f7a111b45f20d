"""A model as a package for bioimage.io: complete, of the format, with our masks, and without anything private."""

import getpass
import hashlib
import re
import shutil
import socket
import zipfile
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import tifffile
import torch
import yaml

from bioimageio_packages import network
from segassay.errors import UsageError
from segassay_monai.sharing.bioimageio.export import export_bioimageio
from segassay_monai.sharing.verify import verify
from segassay_monai.sharing.weights import read_whole_image_net
from shared_members import DATA_HASH, SECRETS

ABOUT = {
    "title": "Nuclei, cFOS / mouse",
    "authors": ["Ada Example"],
    "description": "Counts cFOS-positive nuclei.",
    "objects": "nuclei",
    "references": ["Example (2020), doi:10.1234/abc.5", "Own page, https://example.org/x", "A book without address"],
}


@pytest.fixture(scope="module")
def package(ensemble, tmp_path_factory):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install segassay[onnx]")
    folder = tmp_path_factory.mktemp("package")
    (folder / "about.yaml").write_text(yaml.safe_dump(ABOUT))
    models = ensemble[1][0].parents[1]
    return export_bioimageio(models, folder / "model", about=folder / "about.yaml", both_channels=True)


@pytest.fixture
def description(package):
    return yaml.safe_load((package / "rdf.yaml").read_text(encoding="utf-8"))


def files_in(value):
    """Every entry with a source, anywhere in a description."""
    if isinstance(value, dict):
        if "source" in value:
            yield value
        for part in value.values():
            yield from files_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from files_in(part)


def test_every_file_is_named_with_its_hash_and_no_other_is_there(package, description):
    named = {entry["source"]: entry["sha256"] for entry in files_in(description)}
    assert {path.name for path in package.iterdir()} == {*named, "rdf.yaml"}
    for name, digest in named.items():
        assert hashlib.sha256((package / name).read_bytes()).hexdigest() == digest


def test_the_description_has_what_the_format_wants(ensemble, description):
    settings, _ = ensemble
    assert re.fullmatch(r"0\.5\.\d+", description["format_version"])
    assert re.fullmatch(r"[A-Za-z0-9_+\- ()]{5,128}", description["name"])
    assert len(description["description"]) <= 1024
    assert description["authors"] == [{"name": "Ada Example"}]
    cited = description["cite"]
    assert all(("doi" in entry) != ("url" in entry) for entry in cited)
    assert cited[0]["doi"] == "10.1234/abc.5"
    assert cited[1]["url"] == "https://example.org/x"
    [taken], [given] = description["inputs"], description["outputs"]
    space = "zyx"[3 - settings.spatial_dims :]
    for tensor in (taken, given):
        assert [axis.get("id", axis["type"]) for axis in tensor["axes"]] == ["batch", "channel", *space]
        assert not any("halo" in axis for axis in tensor["axes"])  # core pads by it before it normalises
    assert [axis["size"] for axis in taken["axes"][2:]] == [{"min": 1, "step": 1}] * len(space)
    assert len(taken["axes"][1]["channel_names"]) == settings.in_channels
    assert given["axes"][1]["channel_names"] == ["background", "foreground"]
    assert [axis["size"]["axis_id"] for axis in given["axes"][2:]] == list(space)
    weights = description["weights"]
    assert set(weights) == {"pytorch_state_dict", "torchscript", "onnx"}
    assert [name for name, entry in weights.items() if "parent" not in entry] == ["pytorch_state_dict"]


def test_all_three_weights_give_the_test_output(package):
    given = np.load(package / "test_input.npy")
    expected = np.load(package / "test_output.npy")
    assert 0 < (expected[:, 1] > 0.5).mean() < 1
    for model in (network(package), torch.jit.load(package / "weights_torchscript.pt")):
        with torch.no_grad():
            np.testing.assert_allclose(model(torch.from_numpy(given)).numpy(), expected, rtol=0, atol=1e-6)
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = onnxruntime.InferenceSession(str(package / "weights.onnx"))
    np.testing.assert_allclose(session.run(None, {"image": given})[0], expected, rtol=0, atol=1e-5)


def test_the_architecture_needs_torch_and_monai_alone(package):
    text = (package / "whole_image_net.py").read_text(encoding="utf-8")
    imported = set(re.findall(r"^(?:from|import) ([\w.]+)", text, flags=re.MULTILINE))
    assert {name.partition(".")[0] for name in imported} == {"__future__", "collections", "typing", "torch", "monai"}


def test_the_samples_and_the_cover_show_the_test(package):
    for name in ("input", "output"):
        sample = tifffile.imread(package / f"sample_{name}.tif")
        np.testing.assert_array_equal(np.squeeze(sample), np.squeeze(np.load(package / f"test_{name}.npy")))
    cover = matplotlib.image.imread(package / "cover.png")
    assert cover.shape[:2] == (256, 512)
    assert (package / "cover.png").stat().st_size < 500_000
    assert not np.allclose(cover[:, :256], cover[:, 256:])


def test_the_documentation_says_how_to_validate_and_what_it_does_not_know(package):
    text = (package / "README.md").read_text(encoding="utf-8")
    assert "## Validation" in text
    assert "not compared with masks of raters" in text
    for part in ("Counts cFOS-positive nuclei.", "Ada Example", "A book without address", "do not predict in tiles"):
        assert part in text


def test_nothing_private_is_in_any_byte(package, ensemble):
    here = [str(place) for place in (package.parent, ensemble[1][0].parents[1], Path(torch.__file__).parents[1])]
    names = [name for name in (socket.gethostname(), getpass.getuser()) if len(name) > 5]  # else found by chance
    private = [*SECRETS, *here, str(Path.home()) + "/", ".debug_pkl", *names]
    for path in package.iterdir():
        content = [path.read_bytes()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content += [archive.read(name) for name in archive.namelist()]
        for text in private if path.name == "certificate.json" else [*private, DATA_HASH]:
            assert not any(text.encode() in part for part in content), (path.name, text)


def test_its_certificate_holds_and_names_what_was_exchanged(package, ensemble, tmp_path):
    assert {finding.claim: finding.agrees for finding in verify(package)} == {
        "certificate": True,
        "rules": True,
        "environment": None,
        "files": True,
        "weights": True,
        "rdf.yaml": None,
        "data, numbers": None,
    }
    copy = shutil.copytree(package, tmp_path / "copy")
    weights = torch.load(copy / "weights.pt", weights_only=True)
    next(iter(weights.values())).view(-1)[0] += 1e-6
    torch.save(weights, copy / "weights.pt")
    (copy / "weights.onnx").write_bytes(b"")
    (copy / "run_me.py").write_text("")
    found = {finding.claim: finding for finding in verify(copy) if finding.agrees is False}
    assert found["files"].detail == "changed: weights.onnx, weights.pt; new: run_me.py"
    assert found["weights"].detail == "changed: 0"
    assert set(found) == {"files", "weights"}


def test_bioimageio_spec_accepts_it(package):
    spec = pytest.importorskip("bioimageio.spec", reason="bioimageio.spec is not installed, so it was not asked")
    found = spec.load_model_description(package / "rdf.yaml")
    assert found.validation_summary.status in ("valid-format", "passed")


def test_a_sample_of_ones_own_is_the_test_and_is_cut_to_its_middle(ensemble, tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install segassay[onnx]")
    settings, checkpoints = ensemble
    if settings.spatial_dims == 3:
        pytest.skip("the same code as in 2-D")
    monkeypatch.setattr("segassay_monai.sharing.bioimageio.export.LARGEST", {2: 40})
    image = np.random.default_rng(1).integers(0, 4000, (settings.in_channels, 61, 37)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "own.tif", image, photometric="minisblack", metadata={"axes": "CYX"})
    folder = export_bioimageio(checkpoints[0].parents[1], tmp_path / "model", sample=tmp_path / "own.tif")
    given = np.load(folder / "test_input.npy")
    np.testing.assert_array_equal(given[0], image[:, 10:50])
    expected = read_whole_image_net(checkpoints)(torch.from_numpy(given)).detach().numpy()
    np.testing.assert_array_equal(np.load(folder / "test_output.npy"), expected)


def test_a_failed_export_leaves_nothing_and_an_existing_one_as_it_is(ensemble, tmp_path, monkeypatch):
    models = ensemble[1][0].parents[1]

    def fails(*_):
        raise UsageError("writing ONNX needs onnx")

    monkeypatch.setattr("segassay_monai.sharing.bioimageio.export.save_onnx", fails)
    with pytest.raises(UsageError, match="needs onnx"):
        export_bioimageio(models, tmp_path / "model")
    assert not list(tmp_path.iterdir())
    (tmp_path / "model").mkdir()
    with pytest.raises(UsageError, match="exists already; give another --out"):
        export_bioimageio(models, tmp_path / "model")
    with pytest.raises(UsageError, match="contains files that are exported"):
        export_bioimageio(models, models, overwrite=True)
    assert not models.with_name(models.name + ".partial").exists()
