"""One case as a training loads it, and the steps that it goes through as the configuration has them."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from monai.bundle import ConfigParser
from monai.transforms import Compose, Transform
from PIL import Image

from drawing import draw
from segassay.consensus.pixels import staple
from segassay.data.cases import read_case_mask
from segassay.data.dataset import read_dataset
from segassay.io.images import read_image
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.bundle.paths import config_path
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.training.tiles import LoadCased, RandTiled, n_channels
from segassay_monai.training.weight_map import weight_map


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("data") / "sim", Simulation(shape=(48, 64), n_cases=8, n_nuclei=12))


@pytest.fixture
def drawn_dataset(tmp_path: Path) -> Path:
    """One case, two raters, an ignored area and a region."""
    pictures = {
        "labels/anna/0144.png": "###... ###... ......",
        "labels/ben/0144.png": "###... ###... ....##",
        "ignored/0144.png": "#..... #..... #.....",
        "regions/0144.png": "###### ###### ###...",
    }
    (tmp_path / "images").mkdir()
    Image.fromarray(np.arange(18, dtype=np.uint8).reshape(3, 6)).save(tmp_path / "images/0144.png")
    for name, picture in pictures.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(picture).astype(np.uint8) * 255).save(tmp_path / name)
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({"ignore": "ignored", "region_masks": "regions"}))
    return tmp_path


def test_the_label_is_the_staple_of_the_raters(simulated, tmp_path):
    dataset = read_dataset(simulated)
    for case in dataset.cases:
        loaded = LoadCased(dataset, "staple", 1, cache_dir=tmp_path)({"case": case})
        masks = np.stack([read_case_mask(dataset, rater, case) > 0 for rater in dataset.raters])
        np.testing.assert_array_equal(loaded["label"][0], staple(masks).mask)
        assert loaded["label"].any()
        assert loaded["valid"].all()
        np.testing.assert_array_equal(loaded["image"], read_image(dataset.images[case]).array)
        assert loaded["image"].shape == (1, 48, 64)


def test_the_label_is_the_mask_of_the_one_rater(simulated, tmp_path):
    dataset = read_dataset(simulated)
    case = dataset.cases[0]
    loaded = LoadCased(dataset, "strict", 1, cache_dir=tmp_path)({"case": case})
    np.testing.assert_array_equal(loaded["label"][0], read_case_mask(dataset, "strict", case) > 0)
    assert not list(tmp_path.iterdir()), "a rater alone needs no cached consensus"


def test_of_a_random_rater_every_mask_is_loaded(drawn_dataset, tmp_path):
    both = [draw("###... ###... ......"), draw("##..## ##.... .##.##")]
    Image.fromarray(both[1].astype(np.uint8) * 255).save(drawn_dataset / "labels/ben/0144.png")
    loaded = LoadCased(read_dataset(drawn_dataset), "random_rater", 1)({"case": "0144"})
    counted = draw(".##### .##### .##...")
    np.testing.assert_array_equal(loaded["label"], np.stack(both) & counted)
    np.testing.assert_array_equal(loaded["labelled"], np.flatnonzero((both[0] | both[1]) & counted))
    assert loaded["label"].dtype == torch.uint8


def test_a_soft_label_is_the_share_of_raters(drawn_dataset):
    (drawn_dataset / "labels/cleo").mkdir()
    Image.fromarray(draw("...... .##### ....##").astype(np.uint8) * 255).save(drawn_dataset / "labels/cleo/0144.png")
    loaded = LoadCased(read_dataset(drawn_dataset), "soft", 1, weight_map=50)({"case": "0144"})
    share = np.array([[0, 2, 2, 0, 0, 0], [0, 3, 3, 1, 1, 1], [0] * 6]) / 3
    np.testing.assert_allclose(loaded["label"][0], share, rtol=1e-6)
    assert loaded["label"].dtype == torch.float32
    np.testing.assert_array_equal(loaded["labelled"], np.flatnonzero(share))
    np.testing.assert_array_equal(loaded["weight"][0], weight_map(share > 0.5, 50))


def test_weights_are_those_of_the_label_in_use_and_only_where_asked_for(simulated):
    dataset = read_dataset(simulated)
    case = {"case": dataset.cases[0]}
    assert "weight" not in LoadCased(dataset, "strict", 1)(case)
    loaded = LoadCased(dataset, "random_rater", 1, weight_map=20.0)(case)
    assert loaded["weight"].shape == loaded["label"].shape == (len(dataset.raters), 48, 64)
    for label, weight in zip(loaded["label"].numpy(), loaded["weight"].numpy(), strict=True):
        np.testing.assert_array_equal(weight, weight_map(label > 0, 20.0))
    assert loaded["weight"].dtype == torch.float32


def test_weights_are_cut_linearly(simulated):
    dataset = read_dataset(simulated)
    loaded = LoadCased(dataset, "strict", 1, weight_map=20.0)({"case": dataset.cases[0]})
    tile = RandTiled(["image", "label", "valid", "weight"], [16, 16])
    tile.set_random_state(seed=0)
    for _ in range(3):
        cut = tile(loaded)["weight"].numpy()
        assert not np.isin(cut, loaded["weight"]).all()
        assert loaded["weight"].min() <= cut.min() <= cut.max() <= loaded["weight"].max()


def test_distances_of_the_weights_are_in_pixels_of_the_finest_axis(drawn_dataset):
    settings = yaml.safe_load((drawn_dataset / "dataset.yaml").read_text())
    (drawn_dataset / "dataset.yaml").write_text(yaml.safe_dump(settings | {"spacing_um": [0.5, 1.5]}))
    loaded = LoadCased(read_dataset(drawn_dataset), "ben", 1, weight_map=50)({"case": "0144"})
    np.testing.assert_array_equal(loaded["weight"][0], weight_map(loaded["label"][0].numpy() > 0, 50, [1, 3]))


def test_ignored_areas_and_what_lies_outside_the_region_count_nowhere(drawn_dataset, tmp_path):
    loaded = LoadCased(read_dataset(drawn_dataset), "ben", 1, cache_dir=tmp_path / "cache")({"case": "0144"})
    np.testing.assert_array_equal(loaded["label"][0], draw(".##... .##... ......"))
    np.testing.assert_array_equal(loaded["valid"][0], draw(".##### .##### .##..."))


def test_the_consensus_is_made_before_areas_are_left_out(drawn_dataset, tmp_path):
    dataset = read_dataset(drawn_dataset)
    whole = staple(np.stack([read_case_mask(dataset, rater, "0144") > 0 for rater in ("anna", "ben")])).mask
    loaded = LoadCased(dataset, "staple", 1, cache_dir=tmp_path / "cache")({"case": "0144"})
    np.testing.assert_array_equal(loaded["label"][0], whole & draw(".##### .##### .##..."))


def test_a_case_that_one_rater_lacks_is_fused_from_the_others(drawn_dataset, tmp_path):
    (drawn_dataset / "labels/ben/0144.png").rename(drawn_dataset / "labels/ben/0145.png")
    Image.fromarray(np.zeros((3, 6), np.uint8)).save(drawn_dataset / "images/0145.png")
    loaded = LoadCased(read_dataset(drawn_dataset), "staple", 1, cache_dir=tmp_path / "cache")({"case": "0144"})
    np.testing.assert_array_equal(loaded["label"][0], draw(".##... .##... ......"))


def test_other_channels_than_in_the_first_image_are_an_error(drawn_dataset, tmp_path):
    dataset = read_dataset(drawn_dataset)
    assert n_channels(dataset) == 1
    Image.fromarray(np.arange(54, dtype=np.uint8).reshape(3, 6, 3)).save(drawn_dataset / "images/0144.png")
    with pytest.raises(PredictionError, match=r"0144\.png: expected 1 channel\(s\) and 2 axes, got 3 and 2"):
        LoadCased(dataset, "ben", 1, cache_dir=tmp_path / "cache")({"case": "0144"})


def test_an_image_where_a_volume_is_expected_is_an_error(drawn_dataset):
    with pytest.raises(PredictionError, match=r"0144\.png: expected 1 channel\(s\) and 3 axes, got 1 and 2"):
        LoadCased(read_dataset(drawn_dataset), "ben", 1, spatial_dims=3)({"case": "0144"})


def steps(dataset: Path, **settings: object) -> Compose:
    """Everything that a case goes through in training."""
    parser = ConfigParser()
    parser.read_config(str(config_path("train.yaml")))
    parser.update({"dataset_dir": str(dataset), "tile_size": 32, "channels": [4, 8]} | settings)
    parser.parse()
    return parser.get_parsed_content("train::preprocessing").flatten()


def step(transforms: Compose, name: str) -> Transform:
    (found,) = [transform for transform in transforms.transforms if type(transform).__name__ == name]
    found.set_random_state(seed=0)
    return found


NOISE_STEPS = {"gamma": "RandAdjustContrastd", "blur": "RandGaussianSmoothd", "noise": "RandGaussianNoised"}


@pytest.mark.parametrize(("setting", "name"), NOISE_STEPS.items())
def test_a_step_is_off_at_0_and_else_changes_half_of_the_tiles(simulated, setting, name):
    tile = {"image": torch.from_numpy(noise(1, 32, 32))}
    off = step(steps(simulated, **{setting: 0.0}), name)
    assert all(torch.equal(off(tile)["image"], tile["image"]) for _ in range(20))
    on = step(steps(simulated, **{setting: 0.5}), name)
    changed = [on(tile)["image"] for _ in range(100)]
    assert 30 < sum(not torch.equal(image, tile["image"]) for image in changed) < 70
    assert all(image.shape == (1, 32, 32) and image.isfinite().all() for image in changed)


def test_gamma_blur_and_noise_go_up_to_what_was_asked_for(simulated):
    image = torch.from_numpy(noise(1, 64, 64)).clamp(0.0, 1.0)
    image[0, 0, :2] = torch.tensor([0.0, 1.0])
    gamma = step(steps(simulated, gamma=0.5), "RandAdjustContrastd")
    exponents = [
        np.log(gamma({"image": image})["image"][0, 3, 3].item()) / np.log(image[0, 3, 3].item()) for _ in range(100)
    ]
    assert 1 / 1.5 - 0.01 < min(exponents) < 0.75
    assert 1.4 < max(exponents) < 1.51
    added = step(steps(simulated, noise=0.2), "RandGaussianNoised")
    sd = [(added({"image": image})["image"] - image).std().item() for _ in range(100)]
    assert 0.17 < max(sd) < 0.21
    peak = torch.zeros(1, 33, 33)
    peak[0, 16, 16] = 1
    blurred = step(steps(simulated, blur=2.0), "RandGaussianSmoothd")
    images = [blurred({"image": peak})["image"][0].numpy() for _ in range(100)]
    widths = [np.sqrt((image.sum(axis=1) * (np.arange(33) - 16.0) ** 2).sum() / image.sum()) for image in images]
    assert 1.7 < max(widths) < 2.1


@pytest.mark.parametrize(
    ("settings", "n_channels"),
    [({}, 2), ({"weight_map": 50.0}, 3), ({"rater": "random_rater", "weight_map": 50}, 3), ({"rater": "soft"}, 2)],
    ids=str,
)
def test_the_target_is_label_area_and_weights_if_asked_for(simulated, settings, n_channels):
    transforms = steps(simulated, elastic=2.0, **settings)
    transforms.set_random_state(seed=0)
    drawn = [transforms({"case": read_dataset(simulated).cases[0]}) for _ in range(5)]
    assert all(tile["image"].shape == (1, 32, 32) for tile in drawn)
    label = torch.stack([tile["label"] for tile in drawn])
    assert label.shape == (5, n_channels, 32, 32)
    assert label[:, 0].max() == 1
    assert set(label[:, 1].unique().tolist()) == {0, 1}
    if n_channels == 3:
        assert label[:, 2].max() > 0.9
