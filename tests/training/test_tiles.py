"""Cases and tiles for training; every tile is held against a crop, a turn or a flip that numpy makes."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from segassay.errors import UsageError
from segassay_monai.training.tiles import RandRaterd, RandTiled, finest_planes, tile_shape

KEYS = ("image", "label", "valid")


def make_case(image: np.ndarray, label: np.ndarray | None = None, valid: np.ndarray | None = None) -> dict:
    """A case with one channel from `(*spatial)` arrays; by default nothing is labelled and all counts."""
    label = np.zeros(image.shape) if label is None else label
    valid = np.ones(image.shape) if valid is None else valid
    return {
        "case": "0001",
        "image": torch.from_numpy(np.ascontiguousarray(image, np.float32))[None],
        "label": torch.from_numpy(np.ascontiguousarray(label, np.uint8))[None],
        "valid": torch.from_numpy(np.ascontiguousarray(valid, np.uint8))[None],
        "labelled": torch.from_numpy(np.flatnonzero(label)),
    }


class PlacedTile(RandTiled):
    """A tile whose place and turn are given instead of drawn."""

    def __init__(self, tile_size: Sequence[int], centre: Sequence[float], matrix: np.ndarray) -> None:
        super().__init__(KEYS, tile_size)
        self.centre, self.matrix = np.array(centre, dtype=float), matrix

    def _draw_centre(self, labelled: torch.Tensor, valid: torch.Tensor) -> np.ndarray:
        return self.centre

    def _draw_matrix(self) -> np.ndarray:
        return self.matrix


def turn(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def disc(shape: Sequence[int], centre: Sequence[float], radius: float) -> np.ndarray:
    offsets = np.indices(shape) - np.reshape(centre, (-1, *[1] * len(shape)))
    return (offsets**2).sum(axis=0) <= radius**2


@pytest.mark.parametrize("size", [(8, 12), (7, 9), (8, 9), (5, 6), (1, 1)])
def test_without_turn_and_flip_the_tile_is_a_crop_to_the_last_bit(size):
    image, label = noise(32, 64), noise(32, 64, seed=1) < 0.3
    start = [14 - size[0] // 2, 40 - size[1] // 2]
    crop = tuple(slice(first, first + length) for first, length in zip(start, size, strict=True))
    tile = PlacedTile(size, (14, 40), np.eye(2))(make_case(image, label))
    np.testing.assert_array_equal(tile["image"][0], image[crop])
    np.testing.assert_array_equal(tile["label"][0], label[crop])
    assert tile["valid"].all()
    assert [tile[key].dtype for key in KEYS] == [torch.float32, torch.uint8, torch.uint8]


@pytest.mark.parametrize("shape", [(37, 53), (1024, 1344), (101, 999)])
def test_on_any_image_size_the_crop_differs_by_no_more_than_rounding(shape):
    image, label = noise(*shape), noise(*shape, seed=1) < 0.3
    rows, columns = shape[0] // 2, shape[1] // 2
    tile = PlacedTile((16, 17), (rows, columns), np.eye(2))(make_case(image, label))
    crop = (slice(rows - 8, rows + 8), slice(columns - 8, columns + 9))
    np.testing.assert_allclose(tile["image"][0], image[crop], atol=3e-4)
    np.testing.assert_array_equal(tile["label"][0], label[crop])


@pytest.mark.parametrize("size", [16, 15])
@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
@pytest.mark.parametrize("flip", [(1, 1), (-1, 1), (1, -1)], ids=["as is", "rows", "columns"])
def test_right_angles_and_flips_are_those_of_numpy(size, quarter_turns, flip):
    image, label = noise(64, 128), noise(64, 128, seed=1) < 0.3
    crop = tuple(slice(middle - size // 2, middle - size // 2 + size) for middle in (30, 70))
    tile = PlacedTile((size, size), (30, 70), turn(90 * quarter_turns) @ np.diag(flip))(make_case(image, label))
    for key, whole in (("image", image), ("label", label)):
        turned = np.rot90(whole[crop], k=-quarter_turns)  # the tile is turned, so what it shows turns back
        flipped = np.flip(turned, [axis for axis in (0, 1) if flip[axis] == -1])
        np.testing.assert_allclose(tile[key][0], flipped, atol=1e-4)


@pytest.mark.parametrize("degrees", [0, 17, 45, 90, 133.3, 180, 270, 301])
def test_label_and_image_stay_aligned_at_any_angle(degrees):
    label = disc((96, 128), (40, 60), 14) | disc((96, 128), (60, 80), 6)
    tile = PlacedTile((48, 50), (45, 66), turn(degrees) @ np.diag([1, -1]))(make_case(label.astype(float), label))
    as_label, as_image = tile["label"][0].numpy(), tile["image"][0].numpy()
    assert 300 < as_label.sum() < 900
    differ = (as_image > 0.5) != as_label
    assert differ.sum() < 0.02 * as_label.sum()
    assert np.abs(as_image - as_label)[differ].max(initial=0) < 0.75  # only where the edge itself runs


def test_the_middle_of_the_tile_stays_at_its_place_at_any_angle():
    image = disc((64, 64), (20, 40), 2)
    for degrees in range(0, 360, 30):
        tile = PlacedTile((15, 15), (20, 40), turn(degrees))(make_case(image, image))
        rows, columns = np.nonzero(tile["label"][0].numpy())
        np.testing.assert_allclose([rows.mean(), columns.mean()], [7, 7], atol=0.75)


def test_volumes_are_cut_turned_in_the_last_plane_and_flipped_along_each_axis():
    image = noise(8, 16, 32)
    quarter = np.eye(3)
    quarter[1:, 1:] = turn(90)
    for matrix, expect in (
        (np.eye(3), lambda crop: crop),
        (quarter, lambda crop: np.rot90(crop, k=-1, axes=(1, 2))),
        (np.diag([-1.0, 1, 1]), lambda crop: crop[::-1]),
    ):
        tile = PlacedTile((3, 6, 6), (4, 8, 20), matrix)(make_case(image, image > 0.5))
        crop = image[3:6, 5:11, 17:23]
        np.testing.assert_allclose(tile["image"][0], expect(crop), atol=1e-5)
        np.testing.assert_array_equal(tile["label"][0], expect(crop) > 0.5)


def test_channels_are_cut_alike_and_other_entries_stay():
    case = make_case(noise(16, 16)) | {"image": torch.from_numpy(noise(3, 16, 16))}
    tile = PlacedTile((4, 4), (8, 8), np.eye(2))(case)
    np.testing.assert_array_equal(tile["image"], case["image"][:, 6:10, 6:10])
    assert tile["case"] == "0001"
    assert "labelled" not in tile, "its size differs from case to case, so that no batch can be made of it"
    assert case["label"].shape == (1, 16, 16), "the case itself was changed"


def test_a_small_image_is_reflected_and_what_is_not_image_does_not_count():
    image = np.arange(1.0, 13).reshape(3, 4)
    tile = PlacedTile((9, 12), (1, 2), np.eye(2))(make_case(image, image > 6))
    padded = np.pad(image, ((3, 3), (4, 4)), mode="symmetric")
    np.testing.assert_allclose(tile["image"][0], padded, atol=1e-5)
    np.testing.assert_array_equal(tile["label"][0], padded > 6)
    np.testing.assert_array_equal(tile["valid"][0], np.pad(np.ones((3, 4)), ((3, 3), (4, 4))))


def test_a_single_pixel_fills_a_tile():
    tile = PlacedTile((6, 6), (0, 0), np.eye(2))(make_case(np.full((1, 1), 7.0), np.ones((1, 1))))
    assert (tile["image"] == 7).all()
    assert tile["valid"].sum() == 1


def test_ignored_pixels_turn_with_the_tile():
    valid = np.ones((64, 64), bool)
    valid[:, 32:] = False
    for quarter_turns, expected in enumerate([np.s_[:, :8], np.s_[:8, :], np.s_[:, 8:], np.s_[8:, :]]):
        tile = PlacedTile((16, 16), (32, 32), turn(90 * quarter_turns))(make_case(noise(64, 64), valid=valid))
        counted = np.zeros((16, 16), bool)
        counted[expected] = True
        np.testing.assert_array_equal(tile["valid"][0], counted)


def test_the_image_is_not_transposed():
    image = np.zeros((16, 64))
    image[2, :] = 1
    tile = PlacedTile((16, 32), (8, 32), np.eye(2))(make_case(image))
    np.testing.assert_array_equal(np.flatnonzero(tile["image"][0].numpy().all(axis=1)), [2])


def tiles(case: dict, n: int = 200, seed: int = 0, **settings: float) -> list[dict]:
    draw_tile = RandTiled(KEYS, **({"tile_size": [9] * (case["label"].ndim - 1)} | settings))
    draw_tile.set_random_state(seed=seed)
    return [draw_tile(case) for _ in range(n)]


def middle(tile: dict, key: str) -> float:
    return tile[key][(0, *[size // 2 for size in tile[key].shape[1:]])].item()


ONE_OBJECT = np.zeros((64, 80), bool)
ONE_OBJECT[50:52, 10:12] = True  # 4 of 5120 pixels


def test_foreground_is_hit_as_often_as_asked():
    case = make_case(noise(64, 80), ONE_OBJECT)
    for foreground, low, high in ((1.0, 200, 200), (0.5, 75, 125), (0.0, 0, 8)):
        hits = [tile["label"].any().item() for tile in tiles(case, foreground=foreground)]
        assert low <= sum(hits) <= high, foreground


def test_without_jitter_the_centre_is_foreground_at_any_angle():
    assert all(
        middle(tile, "label") for tile in tiles(make_case(noise(64, 80), ONE_OBJECT), foreground=1.0, jitter=0.0)
    )


def test_jitter_moves_the_object_about_but_never_out_of_the_tile():
    at_middle = [
        middle(tile, "label")
        for tile in tiles(make_case(noise(64, 80), ONE_OBJECT), foreground=1.0, tile_size=[16, 16])
    ]
    assert sum(at_middle) < 60


def test_centres_never_lie_in_ignored_areas():
    valid = np.zeros((64, 80), bool)
    valid[3, 5] = valid[40:42, 60] = True
    for foreground in (0.0, 0.5):
        drawn = tiles(make_case(noise(64, 80), valid=valid), foreground=foreground, jitter=0.0)
        assert all(middle(tile, "valid") for tile in drawn)


def test_background_tiles_come_from_everywhere_that_counts():
    image = np.arange(64.0).reshape(8, 8)
    valid = image < 32
    drawn = tiles(make_case(image, valid=valid), n=600, foreground=0.0, rotate=0.0, flip=0.0, tile_size=[1, 1])
    assert {round(middle(tile, "image")) for tile in drawn} == set(range(32))


@pytest.mark.parametrize("valid", [0, 1], ids=["all ignored", "nothing labelled"])
def test_an_empty_case_gives_tiles(valid):
    case = make_case(noise(20, 30), valid=np.full((20, 30), valid))
    for tile in tiles(case, n=20):
        assert not tile["label"].any()
        assert tile["valid"].any().item() == bool(valid)
        assert tile["image"].shape == (1, 9, 9)


def test_the_same_seed_gives_the_same_tiles_and_another_seed_others():
    case = make_case(noise(64, 80), ONE_OBJECT)
    first, same, other = (torch.stack([tile["image"] for tile in tiles(case, n=5, seed=seed)]) for seed in (3, 3, 4))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert len({tuple(tile.flatten().tolist()) for tile in first}) == 5


def test_every_angle_and_flip_occurs():
    marks = np.zeros((33, 33))
    marks[16, 20] = 1.0
    case = make_case(marks, disc((33, 33), (16, 16), 0))
    drawn = tiles(case, n=300, foreground=1.0, jitter=0.0, tile_size=[15, 15])
    where = np.array([np.unravel_index(int(tile["image"][0].argmax()), (15, 15)) for tile in drawn]) - 7
    angles = np.degrees(np.arctan2(where[:, 0], where[:, 1]))
    assert np.histogram(angles, bins=8, range=(-180, 180))[0].min() > 10
    upright = tiles(case, n=100, foreground=1.0, jitter=0.0, tile_size=[15, 15], rotate=0.0)
    columns = [int(tile["image"][0].argmax()) % 15 for tile in upright]
    assert set(columns) == {3, 11}
    assert 25 < columns.count(3) < 75


def turned(matrix: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """The matrix in distances instead of pixels."""
    return matrix * np.reshape(spacing, (-1, 1)) / np.array(spacing)


def matrices(spacing: Sequence[float] | None, n_axes: int, n: int = 50) -> list[np.ndarray]:
    draw_tile = RandTiled(KEYS, [8] * n_axes, spacing=spacing, flip=0.5)
    draw_tile.set_random_state(seed=0)
    return [draw_tile._draw_matrix() for _ in range(n)]


@pytest.mark.parametrize("spacing", [None, (0.6, 0.6), (2.0, 2.0)])
def test_square_pixels_turn_as_they_did_without_distances(spacing):
    np.testing.assert_array_equal(matrices(spacing, 2), matrices(None, 2))


@pytest.mark.parametrize(
    ("spacing", "fixed"), [((5, 1, 1), 0), ((0.3, 0.3, 1.0), 2), ((1, 4, 2), 1), (None, 0)], ids=str
)
def test_volumes_turn_in_the_plane_of_the_two_finest_axes(spacing, fixed):
    for matrix in matrices(spacing, 3):
        unit = np.eye(3)[fixed]
        np.testing.assert_array_equal(np.abs(matrix[fixed]), unit)
        np.testing.assert_array_equal(np.abs(matrix[:, fixed]), unit)
        physical = turned(matrix, (1, 1, 1) if spacing is None else spacing)
        np.testing.assert_allclose(physical @ physical.T, np.eye(3), atol=1e-12)  # lengths and right angles stay
    assert np.linalg.matrix_rank(np.ptp(matrices(spacing, 3), axis=0)) > 1


def test_volumes_that_are_sampled_alike_turn_in_every_plane():
    still = [int(np.flatnonzero(np.abs(np.diag(m)) == 1)[0]) for m in matrices((0.5, 0.5, 0.5), 3, n=60)]
    assert set(still) == {0, 1, 2}
    assert finest_planes([1, 1]) == finest_planes([3, 1]) == [(0, 1)]


def test_a_cylinder_stays_a_cylinder_at_any_angle_in_thick_slices_and_in_oblong_pixels():
    """Radius 12 and height 20 in distances; pixels are 1 × 2 in the plane, slices 4 apart along the last axis."""
    spacing, shape = np.array([1.0, 2.0, 4.0]), (61, 41, 15)
    offsets = (np.indices(shape) - np.reshape([30, 20, 7], (3, 1, 1, 1))) * spacing.reshape(3, 1, 1, 1)
    cylinder = (offsets[0] ** 2 + offsets[1] ** 2 <= 12**2) & (np.abs(offsets[2]) <= 10)
    case = make_case(cylinder, cylinder)
    draw_tile = RandTiled(KEYS, shape, foreground=0.0, spacing=spacing)
    draw_tile._draw_centre = lambda labelled, valid: np.array([30.0, 20.0, 7.0])
    draw_tile.set_random_state(seed=0)
    for _ in range(20):
        differs = draw_tile(case)["label"][0].numpy().astype(bool) != cylinder
        assert differs.sum() < 0.15 * cylinder.sum()  # pixels of the outline
        assert not differs[np.sqrt(offsets[0] ** 2 + offsets[1] ** 2) < 10].any()
    wrong = RandTiled(KEYS, shape, foreground=0.0)  # as if pixels were cubes
    wrong._draw_centre = draw_tile._draw_centre
    wrong.set_random_state(seed=0)
    assert (
        max((wrong(case)["label"][0].numpy().astype(bool) != cylinder).sum() for _ in range(20)) > 0.3 * cylinder.sum()
    )


def test_a_tile_has_one_size_or_one_for_each_axis():
    assert tile_shape(32, [8, 8]) == [32, 32]
    assert tile_shape((4, 64, 64), [1, 8, 8]) == [4, 64, 64]
    for wrong in (30, [32], [32, 20], [32, 0], [32, 32.0], [32, "32"]):
        with pytest.raises(UsageError, match=r"--tile_size .*: expected a multiple of 8 × 8 along the 2 axes"):
            tile_shape(wrong, [8, 8])


def bends(elastic: float, size: Sequence[int], n: int, **settings: object) -> np.ndarray:
    draw_tile = RandTiled(KEYS, size, elastic=elastic, **settings)
    draw_tile.set_random_state(seed=0)
    return np.stack([draw_tile._draw_bend().numpy() for _ in range(n)])


def folds(bend: np.ndarray) -> bool:
    """Whether the determinant of the Jacobian of `(n, *spatial)` is negative somewhere."""
    slopes = np.stack([np.stack(np.gradient(along)) for along in bend])
    jacobian = np.moveaxis(slopes, (0, 1), (-2, -1)) + np.eye(len(bend))
    return bool(np.linalg.det(jacobian).min() <= 0)


def test_every_pixel_moves_by_the_standard_deviation_asked_for():
    moved = bends(3.0, [40, 70], n=1500)
    assert moved.shape == (1500, 2, 40, 70)
    np.testing.assert_allclose(moved.std(axis=0), 3, rtol=0.1)
    np.testing.assert_allclose(moved.mean(axis=0), 0, atol=0.35)
    assert abs(np.corrcoef(moved[:, 0, 20, 30], moved[:, 1, 20, 30])[0, 1]) < 0.1


def test_in_thick_slices_fewer_pixels_are_the_same_way():
    moved = bends(3.0, [12, 48, 48], n=300, spacing=[4, 1, 1])
    np.testing.assert_allclose(moved.std(axis=(0, 2, 3, 4)), [0.75, 3, 3], rtol=0.1)


def test_the_deformation_is_smooth_and_folds_nothing():
    moved = bends(4.0, [128, 128], n=100)
    second_differences = np.diff(moved, n=2, axis=-1)
    assert np.abs(second_differences).max() < 0.1
    assert not any(folds(bend) for bend in moved)
    assert sum(folds(bend) for bend in 3 * moved) > 50, "the test does not see foldings"


def test_a_bent_tile_shows_what_lies_at_the_bent_places():
    image = np.add.outer(np.arange(128.0), 1000 * np.arange(128.0))  # its value says where a pixel was
    draw_tile = RandTiled(KEYS, [32, 32], elastic=3.0, rotate=0.0, flip=0.0)
    draw_tile.set_random_state(seed=1)
    draw_tile._draw_centre = lambda labelled, valid: np.array([64.0, 64.0])
    bend = draw_tile._draw_bend().numpy()
    draw_tile._draw_bend = lambda: torch.from_numpy(bend)
    tile = draw_tile(make_case(image, image > 63000))
    rows, columns = np.indices((32, 32)) + 48 + bend
    np.testing.assert_allclose(tile["image"][0], rows + 1000 * columns, rtol=1e-4)
    np.testing.assert_array_equal(tile["label"][0], np.round(columns) * 1000 + np.round(rows) > 63000)


def test_without_deformation_nothing_is_drawn_for_it():
    case = make_case(noise(64, 80), ONE_OBJECT)
    first, bent = tiles(case, n=2), tiles(case, n=2, elastic=2.0)
    np.testing.assert_array_equal(first[0]["image"], tiles(case, n=2, elastic=0.0)[0]["image"])
    assert not torch.equal(first[0]["image"], bent[0]["image"])


def test_each_rater_is_drawn_about_as_often_with_their_own_weights():
    label = torch.arange(3).reshape(3, 1, 1).expand(3, 4, 5)
    draw_rater = RandRaterd(["label", "weight"])
    draw_rater.set_random_state(seed=0)
    drawn = [draw_rater({"label": label, "weight": 10 * label, "valid": "as is"}) for _ in range(300)]
    assert all(tile["label"].shape == (1, 4, 5) and tile["valid"] == "as is" for tile in drawn)
    assert all(torch.equal(tile["weight"], 10 * tile["label"]) for tile in drawn)
    assert np.bincount([int(tile["label"][0, 0, 0]) for tile in drawn], minlength=3).min() > 75


def test_a_single_label_stays():
    label = torch.rand(1, 3, 3)
    assert torch.equal(RandRaterd("label")({"label": label})["label"], label)
