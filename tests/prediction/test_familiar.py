"""Images unlike those of the training: every damage is found, and few images of the same kind are marked."""

import hashlib
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.neighbors import NearestNeighbors

from networks import SETTINGS, unet
from segassay.data.dataset import Dataset, read_dataset
from segassay.errors import DataError
from segassay.io.images import write_image
from segassay.io.picture import Picture
from segassay.simulation.dataset import simulate, simulate_case
from segassay.simulation.settings import Simulation
from segassay_monai.ensemble.familiar import FAMILIAR, Description, describe_training, read_description
from segassay_monai.ensemble.image_features import _windows, deepest_level, intensity_features, network_features
from segassay_monai.ensemble.images import NormalisePercentiled
from segassay_monai.ensemble.members import Member
from segassay_monai.ensemble.network import residual_unet
from segassay_monai.prediction.familiar import Familiar, distances, make_space, read_familiar
from segassay_monai.prediction.run import predict

SIMULATION = Simulation(n_cases=45, shape=(96, 96), n_nuclei=10, spacing_um=0.5)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read_dataset(simulate(tmp_path_factory.mktemp("familiar") / "data", SIMULATION))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    """A small member, whose 35 images of the training and 10 held-out ones are described."""
    path = tmp_path_factory.mktemp("member") / "model.pt"
    save(path, dataset)
    assert describe_training(path, dataset) == path.with_name(FAMILIAR)
    return path


def save(path: Path, dataset: Dataset, n_training: int = 35) -> None:
    cases = dataset.cases
    member = Member(
        dataset=dataset.name,
        data_hash="",
        strategy="staple",
        trained_on="staple",
        fold=0,
        n_folds=4,
        seed=0,
        train=tuple(cases[: n_training - 2]),
        val=tuple(cases[n_training - 2 : n_training]),
        held_out=tuple(cases[n_training:]),
        seen_images=(),
        seen_subjects=(),
        initialised_from="",
    )
    content = {"model": unet(0).state_dict(), "member": member.state_dict(), "network": SETTINGS.state_dict()}
    torch.save(content, path)


@pytest.fixture(scope="module")
def familiar(checkpoint: Path) -> Familiar:
    found = read_familiar([checkpoint])
    assert found is not None
    return found


def new_image(index: int) -> np.ndarray:
    """An image of the same kind that the dataset does not hold."""
    return simulate_case(SIMULATION, 1000 + index)[0][None]


SPACING = (0.5, 0.5)

DAMAGE = {
    "inverted": lambda image: 255 - image,
    "four times as bright": lambda image: image.astype(np.uint16) * 4,
    "a quarter as bright": lambda image: image // 4,
    "blurred": lambda image: gaussian_filter(image, (0, 2, 2)),
    "noise": lambda image: RNG.integers(0, 256, image.shape, dtype=np.uint8),
    "black": np.zeros_like,
    "16 bits": lambda image: image.astype(np.uint16) * 257,
    "brightness as of noise": lambda image: RNG.normal(image.mean(), image.std(), image.shape),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_damaged_image_is_found(familiar: Familiar, damage: str) -> None:
    for index in range(4):
        found = familiar.compare(DAMAGE[damage](new_image(index)), SPACING)
        assert found["is_unlike"], found


def test_few_images_of_the_same_kind_are_marked(familiar: Familiar) -> None:
    marked = [familiar.compare(new_image(index), SPACING)["is_unlike"] for index in range(60)]
    assert sum(marked) <= 8, "about 5 % are expected"


def test_another_pixel_size_is_unlike_and_an_unknown_one_is_not(familiar: Familiar) -> None:
    image = new_image(3)
    assert not familiar.compare(image, None)["is_unlike"]
    assert familiar.compare(image, None)["unlike_training"] == familiar.compare(image, SPACING)["unlike_training"]
    assert familiar.compare(image, (5.0, 5.0))["is_unlike"]


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        ((0.5, 0.5), None),
        ((0.62, 0.62), None),
        ((0.41, 0.41), None),
        ((1.0, 1.0), 2.0),
        ((0.25, 0.25), 0.5),
        (None, None),
    ],
)
def test_pixels_far_from_those_of_the_training_have_a_ratio(
    familiar: Familiar, spacing: tuple[float, float] | None, expected: float | None
) -> None:
    assert familiar.pixel_ratios(spacing) == (None if expected is None else pytest.approx([expected] * 2, rel=1e-4))
    assert replace(familiar, pixel_sizes=np.zeros(0)).pixel_ratios((9.0, 9.0)) is None


def test_each_axis_is_compared_and_not_the_area_alone(familiar: Familiar) -> None:
    """Pixels of 1 × 0.25 µm have the area of those of the training, 0.5 × 0.5 µm."""
    assert familiar.pixel_ratios((1.0, 0.25)) == pytest.approx((2.0, 0.5))
    assert familiar.pixel_ratios((0.6, 0.42)) is None, "each within a quarter"
    assert replace(familiar, spacings=None).pixel_ratios((1.0, 0.25)) is None, "a model that knows areas alone"
    assert replace(familiar, spacings=None).pixel_ratios((1.0, 1.0)) == pytest.approx((2.0, 2.0))


def test_one_training_image_like_it_is_enough(familiar: Familiar) -> None:
    """Of a training on two magnifications both are known; what lies far from both is not."""
    sides = np.log2([0.5, 0.5, 0.5, 4.0])  # in µm
    mixed = replace(familiar, pixel_sizes=2 * sides, spacings=np.stack([sides, sides], axis=1))
    assert mixed.pixel_ratios((4.0, 4.0)) is None
    assert mixed.pixel_ratios((2.0, 2.0)) == pytest.approx((4.0, 4.0))
    assert mixed.pixel_ratios((0.5, 4.0)) == pytest.approx((1.0, 8.0)), "its area is that of no training image"


def test_predictions_say_which_images_have_other_pixels(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    for name, spacing in (("same", 0.5), ("coarse", 1.0), ("fine", 0.25)):
        picture = Picture(new_image(0), spacing_um=(spacing, spacing))
        write_image(tmp_path / "images" / f"{name}.tif", picture)
    done = predict(checkpoint, tmp_path / "images", out=tmp_path / "whole", save=["mask"])
    (note,) = [note for note in done.notes if "nothing is resampled" in note]
    assert note.startswith("2 of 3 images have pixels 0.5 to 2 times as wide as those of the training (coarse, fine)")
    write_image(tmp_path / "images" / "uneven.tif", Picture(new_image(0), spacing_um=(1.0, 0.25)))
    uneven = predict(checkpoint, tmp_path / "images", out=tmp_path / "uneven", save=["mask"])
    notes = [note for note in uneven.notes if "nothing is resampled" in note]
    assert notes[0] == note.replace("2 of 3", "2 of 4")
    assert notes[1].startswith("1 of 4 images has pixels 2 times and 0.5 times as long along the axes of the file as ")
    (tmp_path / "images" / "uneven.tif").unlink()
    monkeypatch.setattr("segassay_monai.prediction.large.LARGEST", 10)
    by_windows = predict(checkpoint, tmp_path / "images", out=tmp_path / "windows", save=["mask"])
    assert note in by_windows.notes


def test_file_names_no_case_and_leaves_the_weights(checkpoint: Path, dataset: Dataset) -> None:
    text = checkpoint.with_name(FAMILIAR).read_text()
    assert not [word for word in [*dataset.cases, dataset.name, "/", "\\"] if word in text]
    before = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    describe_training(checkpoint, dataset)
    assert checkpoint.with_name(FAMILIAR).read_text() == text, "the same images give the same bytes"
    assert hashlib.sha256(checkpoint.read_bytes()).hexdigest() == before
    assert len(json.loads(text)["network"]) == 45


def test_another_dataset_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    other = read_dataset(simulate(tmp_path / "other", Simulation(n_cases=2, shape=(32, 32), n_nuclei=2)))
    with pytest.raises(DataError, match="is not the dataset"):
        describe_training(checkpoint, other)


def test_a_member_without_numbers_compares_nothing_and_says_so(
    checkpoint: Path, tmp_path: Path, dataset: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path / "model.pt", dataset)
    with caplog.at_level(logging.INFO, "segassay"):
        assert read_familiar([tmp_path / "model.pt"]) is None
    assert caplog.messages == [
        "the model does not say what its training images were like, so new ones are not compared with them"
    ]
    assert read_familiar([tmp_path / "model.pt", checkpoint]) is not None, "one member that has them is enough"


def test_a_rough_limit_is_said(tmp_path: Path, dataset: Dataset, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path / "model.pt", dataset, n_training=35)
    describe_training(tmp_path / "model.pt", dataset)
    content = json.loads((tmp_path / FAMILIAR).read_text())
    content |= {key: content[key][:12] for key in ("intensity", "network")} | {"n_training": 10}
    content["spacing_um"] = content["spacing_um"][:10]
    (tmp_path / FAMILIAR).write_text(json.dumps(content))
    with caplog.at_level(logging.INFO, "segassay"):
        assert read_familiar([tmp_path / "model.pt"]) is not None
    assert "limit is rough, because it comes from only 12 images" in caplog.text
    caplog.clear()
    content |= {key: content[key][:4] for key in ("intensity", "network", "spacing_um")} | {"n_training": 4}
    (tmp_path / FAMILIAR).write_text(json.dumps(content))
    with caplog.at_level(logging.INFO, "segassay"):
        assert read_familiar([tmp_path / "model.pt"]) is None
    assert "fewer than 5 images" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"version": 1}',
        '{"version": 1, "n_training": 2, "intensity": [[1]], "network": [[1]]}',
        '{"version": 1, "n_training": 1, "intensity": [[1], [2, 3]], "network": [[1], [2]]}',
        '{"version": 1, "n_training": 1, "intensity": [["x"]], "network": [[1]]}',
        '{"version": 1, "n_training": 1, "intensity": [[1]], "network": [[NaN]]}',
        '{"version": 9, "n_training": 1, "intensity": [[1]], "network": [[1]]}',
        '{"version": 1, "n_training": 1, "intensity": [[1]], "network": [[1]], "axes": "RRS"}',
        '{"version": 1, "n_training": 1, "intensity": [[1]], "network": [[1]], "axes": ["L", "P", "S"]}',
        '{"version": 1, "n_training": 1, "intensity": [[1]], "network": [[1]], "axes": {"L": 1, "P": 1, "S": 1}}',
        '{"version": 1, "n_training": 1, "intensity": [[1]], "network": [[1]], "spacing_um": []}',
    ],
)
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / FAMILIAR).write_text(text)
    with pytest.raises(DataError, match=r"familiar\.json does not describe the images of a training"):
        read_description(tmp_path / "model.pt")


def test_sizes_of_pixels_have_the_axes_of_the_network(checkpoint: Path, tmp_path: Path) -> None:
    source = checkpoint.parent
    shutil.copytree(source, tmp_path / "model")
    content = json.loads((source / FAMILIAR).read_text())
    (tmp_path / "model" / FAMILIAR).write_text(json.dumps(content | {"spacing_um": [[1]] * content["n_training"]}))
    with pytest.raises(DataError, match="the size of a pixel along 1 axes, not 2 as its network has; remove it"):
        read_familiar([tmp_path / "model" / "model.pt"])


def test_distance_is_that_of_scikit_learn() -> None:
    """Of features that need no scaling: mean distance to three neighbours."""
    rng = np.random.default_rng(1)
    rows, new = rng.normal(size=(200, 5)), rng.normal(size=(7, 5))
    space = make_space(Description(rows, np.zeros((200, 1)), 200))
    assert space is not None
    block = space.blocks[0]
    standard, queries = ((table - block.centre) / block.scale for table in (rows, new))
    found = NearestNeighbors(n_neighbors=3).fit(standard).kneighbors(queries)[0].mean(axis=1) / np.sqrt(5)
    np.testing.assert_allclose(distances(space, new, np.zeros((7, 1))), found / block.limit)
    own = NearestNeighbors(n_neighbors=4).fit(standard).kneighbors(standard)[0][:, 1:].mean(axis=1) / np.sqrt(5)
    assert block.limit == pytest.approx(np.sort(own)[195]), "the 196th of 200 distances is the quantile .975 of 201"


def test_features_are_of_the_image_as_the_network_takes_it() -> None:
    """A whole image gives what a hook finds when the normalised image is predicted."""
    image, net = new_image(0), unet(0)
    level: list[torch.Tensor] = []
    hook = deepest_level(net).register_forward_hook(lambda module, given, output: level.append(output))
    net(NormalisePercentiled("image")({"image": torch.from_numpy(image.astype(np.float32))})["image"][None])
    hook.remove()
    found = network_features(image, net, SETTINGS.strides)
    np.testing.assert_allclose(found[:8], level[0][0].detach().flatten(1).mean(1), rtol=1e-5)
    assert level[0].shape[1] == 8, "the deepest level, not another"


@pytest.mark.parametrize(
    ("shape", "divisors"), [((96, 96), [2, 2]), ((5000, 3000), [8, 8]), ((40, 700, 900), [2, 8, 8])]
)
def test_windows_are_few_and_inside(shape: tuple[int, ...], divisors: list[int]) -> None:
    windows = list(_windows(shape, divisors))
    assert 1 <= len(windows) <= 16
    assert all(0 <= part.start < part.stop for window in windows for part in window)
    assert all(part.stop <= length for window in windows for part, length in zip(window, shape, strict=True))


def test_volumes_and_channels_have_features() -> None:
    volume = np.random.default_rng(0).integers(0, 255, (2, 6, 24, 24), dtype=np.uint8)
    net = residual_unet(3, 2, [4, 8], [[1, 2, 2]])
    assert network_features(volume, net, [[1, 2, 2]]).shape == (16,)
    assert intensity_features(volume, (1, 0.5, 0.5)).shape == (21,)


@pytest.mark.parametrize(
    "image", [np.zeros((1, 1, 1)), np.zeros((1, 2, 3), np.uint8), np.full((1, 64, 64), 65535, np.uint16)]
)
def test_constant_and_tiny_images_have_finite_features(image: np.ndarray) -> None:
    assert np.isfinite(intensity_features(image, (1, 1))).all()
    assert np.isfinite(network_features(image, unet(0), SETTINGS.strides)).all()


def test_training_images_that_are_all_the_same() -> None:
    same = Description(np.ones((8, 3)), np.ones((8, 2)), 6)
    space = make_space(same)
    assert space is not None
    assert distances(space, np.ones((1, 3)), np.ones((1, 2)))[0] <= 1
    assert distances(space, np.full((1, 3), 1.1), np.ones((1, 2)))[0] > 1
