"""Probabilities that are in files: read as the network gave them, in every kind of file, or not at all."""

import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from networks import INFERER, SETTINGS, image, save, trained, unet
from segassay.io.images import sha256
from segassay.io.picture import Picture
from segassay_monai.ensemble.case_files import write_case
from segassay_monai.ensemble.classes import TOUCHING
from segassay_monai.ensemble.ensemble_net import EnsembleNet, Prediction
from segassay_monai.ensemble.network import residual_unet
from segassay_monai.ensemble.prediction import case_arrays
from segassay_monai.ensemble.stored_maps import StoredMap, image_and_cases, stored_probabilities

VOLUMES = ("1.tif", "1.ome.tif", "1.nii.gz")
THREE = [("zone", [1]), ("tumour", [2]), ("vessel", [3])]


def probabilities(*shape: int) -> torch.Tensor:
    """Numbers of which float16, or whole numbers, would lose digits."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)) / 3


def stored(path: Path, case: str = "1") -> dict[str, StoredMap]:
    return {case: StoredMap(path, sha256(path))}


@pytest.mark.parametrize(
    ("name", "spatial"),
    [("1.png", (5, 7)), *((name, spatial) for name in VOLUMES for spatial in ((5, 7), (3, 5, 7)))],
)
@pytest.mark.parametrize("classes", [[], THREE])
def test_a_map_has_every_bit_of_what_was_predicted(tmp_path: Path, name, classes, spatial) -> None:
    prob = probabilities(1, len(classes) or 1, *spatial)
    order = ["vessel", "zone", "tumour"] if classes else []
    affine = np.diag([-0.2, 0.3, 2.0, 1.0]) if name.endswith("gz") else None
    picture = Picture(np.zeros((1, *spatial), np.uint8), (2.0, 0.3, 0.2)[-len(spatial) :], affine)
    arrays = case_arrays(Prediction(prob, prob[:, :1], np.zeros((1, 1, 1), np.uint8), classes), order)
    written = write_case(tmp_path, "1", tmp_path / name, picture, arrays, ["prob"])
    known = stored_probabilities([stored(tmp_path / written["prob"])], classes, order)
    assert known is not None
    found = known(0, "1", prob.shape[1:])
    assert found is not None
    assert found.dtype == torch.float32
    assert torch.equal(found, prob[0])
    assert known(0, "2", prob.shape[1:]) is None


def test_a_map_of_another_shape_is_named_and_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    picture = Picture(np.zeros((1, 5, 7), np.uint8))
    write_case(tmp_path, "1", tmp_path / "1.png", picture, {"prob": probabilities(5, 7).numpy()})
    known = stored_probabilities([stored(tmp_path / "prob" / "1.tif")])
    assert known is not None
    with caplog.at_level(logging.WARNING, "segassay"):
        assert known(0, "1", torch.Size([1, 7, 5])) is None
    assert "1.tif has shape (1, 5, 7), and the prediction (1, 7, 5); 1 is predicted again" in caplog.text


def test_nothing_is_known_without_maps() -> None:
    assert stored_probabilities(None) is None
    assert stored_probabilities([{}, {}]) is None


@torch.no_grad()
def test_a_member_predicts_only_what_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, pixels = save(tmp_path, [unet(seed) for seed in range(3)]), image(1, 1, 20, 26)
    expected = EnsembleNet(unet(9), paths, INFERER)
    expected(pixels)
    probs = [torch.sigmoid(INFERER(pixels, unet(seed))) for seed in range(3)]
    net = EnsembleNet(unet(9), paths, INFERER, known=lambda n, case, _: probs[n][0] if n != 1 and case == "a" else None)
    asked: list[int] = []
    member = net._member
    monkeypatch.setattr(net, "_member", lambda number: asked.append(number) or member(number))
    for cases, predicted in ((["a"], [1]), (["b"], [0, 1, 2]), ([], [0, 1, 2])):
        asked.clear()
        net(pixels, cases)
        assert asked == predicted
        assert net.last is not None
        assert expected.last is not None
        assert torch.equal(net.last.prob, expected.last.prob)
        assert torch.equal(net.last.doubt, expected.last.doubt)
        np.testing.assert_array_equal(net.last.packed_masks, expected.last.packed_masks)


@torch.no_grad()
def test_members_that_tell_touching_objects_apart_predict_as_no_file_has_their_depth(tmp_path: Path) -> None:
    words = SETTINGS.state_dict() | {"objects": TOUCHING}
    paths, pixels = save(tmp_path, [trained(residual_unet(**words), 0)]), image(1, 1, 20, 26)
    net = EnsembleNet(residual_unet(**words), paths, INFERER, objects=TOUCHING, known=lambda *_: torch.zeros(1, 20, 26))
    assert net(pixels, ["a"]).any()
    assert net.last is not None
    assert net.last.depth is not None


def test_a_batch_names_its_cases() -> None:
    moved = SimpleNamespace(to=lambda **words: words)
    found = image_and_cases({"image": moved, "case": ["7"]}, torch.device("cpu"), False)
    assert found == ({"device": torch.device("cpu"), "non_blocking": False}, None, (["7"],), {})
