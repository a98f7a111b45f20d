"""Scenes: nuclei of the stated number, size, brightness and crowding; groups, regions and animals act as they say."""

from dataclasses import replace

import numpy as np
import pytest

from segassay.simulation.scene import Blob, Scene, build_scene, place_of, stamp
from segassay.simulation.settings import Effect, Region, Simulation, keep_effect

IN_BOTH = pytest.mark.parametrize("shape", [(256, 256), (24, 96, 96)], ids=["2d", "3d"])
ROOMY = Simulation(shape=(512, 512), subject_sd=0, touching_fraction=0, crowding=0)  # everything drawn finds a place


def scenes(settings: Simulation, n_cases: int) -> list[Scene]:
    return [build_scene(settings, index) for index in range(n_cases)]


def numbers(settings: Simulation, n_cases: int, **where: str) -> np.ndarray:
    """Number of nuclei of each case of a group or region."""
    places = [place_of(settings, index) for index in range(n_cases)]
    chosen = [i for i, place in enumerate(places) if all(getattr(place, k) == v for k, v in where.items())]
    return np.array([len(build_scene(settings, index).nuclei) for index in chosen])


def gaps(nuclei: list[Blob]) -> np.ndarray:
    """Distance between the outlines of each nucleus and its nearest neighbour."""
    centres, radii = np.stack([blob.centre for blob in nuclei]), np.array([blob.radius for blob in nuclei])
    distance = np.linalg.norm(centres[:, None] - centres, axis=2) - radii[:, None] - radii
    np.fill_diagonal(distance, np.inf)
    return distance.min(axis=1)


def test_cases_take_turns_through_groups_and_regions_and_animals_keep_theirs():
    found = [(p.group, p.subject, p.region) for p in (place_of(Simulation(), index) for index in range(8))]
    assert found == [
        ("control", "control_01", "region_1"),
        ("treated", "treated_01", "region_1"),
        ("control", "control_01", "region_2"),
        ("treated", "treated_01", "region_2"),
        ("control", "control_02", "region_1"),
        ("treated", "treated_02", "region_1"),
        ("control", "control_02", "region_2"),
        ("treated", "treated_02", "region_2"),
    ]
    subjects = [place_of(Simulation(), index) for index in range(40)]
    assert len({place.subject for place in subjects}) == len({place.subject_index for place in subjects}) == 20


def test_without_regions_there_is_none():
    assert place_of(Simulation(regions={}), 3).region == ""


def test_effect_on_counts_is_recovered():
    settings = replace(ROOMY, regions={}, groups={"control": Effect(), "treated": Effect(count=1.6)})
    control, treated = (numbers(settings, 160, group=group) for group in ("control", "treated"))
    error = np.sqrt(1.6**2 * (1 / control.sum() + 1 / treated.sum()))  # of a ratio of Poisson numbers
    assert abs(treated.sum() / control.sum() - 1.6) < 3 * error
    assert abs(control.mean() - settings.n_nuclei) < 3 * np.sqrt(settings.n_nuclei / control.size)


def test_effect_on_intensity_is_recovered():
    settings = replace(ROOMY, regions={}, groups={"control": Effect(), "treated": Effect(intensity=1.3)})
    contrasts: dict[str, list[float]] = {"control": [], "treated": []}
    for index, scene in enumerate(scenes(settings, 80)):
        contrasts[place_of(settings, index).group] += [np.log(blob.contrast) for blob in scene.nuclei]
    control, treated = (np.array(contrasts[group]) for group in ("control", "treated"))
    error = np.sqrt(control.var() / control.size + treated.var() / treated.size)
    assert abs(treated.mean() - control.mean() - np.log(1.3)) < 3 * error
    assert error < 0.06


@pytest.mark.parametrize("n_groups", [2, 3])
def test_without_effect_groups_differ_by_nothing_but_luck(n_groups: int):
    groups = {f"group_{k}": Effect(count=1 + k, intensity=1 + k) for k in range(n_groups)}
    settings = keep_effect(
        replace(ROOMY, groups=groups, regions={"a": Region(groups={"group_1": Effect(5, 5)})}), "none"
    )
    found = [numbers(settings, 120, group=group) for group in groups]
    pooled = np.concatenate(found)
    for values in found:
        assert abs(values.mean() - settings.n_nuclei) < 3.5 * np.sqrt(settings.n_nuclei / values.size)
    assert abs(pooled.var() / pooled.mean() - 1) < 0.5  # Poisson


def test_regions_have_a_density_and_effects_of_their_own():
    settings = replace(
        ROOMY,
        groups={"control": Effect(), "treated": Effect(count=2)},
        regions={"thin": Region(density=0.5), "inert": Region(groups={"treated": Effect()})},
    )
    mean = {
        (region, group): numbers(settings, 160, region=region, group=group).mean()
        for region in settings.regions
        for group in settings.groups
    }
    expected = {("thin", "control"): 10, ("thin", "treated"): 20, ("inert", "control"): 20, ("inert", "treated"): 20}
    for where, value in expected.items():
        assert abs(mean[where] - value) < 3.5 * np.sqrt(value / 40), where


def test_images_of_one_animal_are_alike():
    settings = replace(ROOMY, n_nuclei=30, images_per_subject=5, subject_sd=0.5, groups={"all": Effect()}, regions={})
    counts = numbers(settings, 50).reshape(10, 5)
    assert counts.mean(axis=1).var() > 2 * counts.var(axis=1).mean() / 5


@IN_BOTH
def test_sizes_and_brightness_vary_within_their_limits(shape: tuple[int, ...]):
    settings = Simulation(shape=shape)
    nuclei = [blob for scene in scenes(settings, 12) for blob in scene.nuclei]
    radii, contrasts = np.array([b.radius for b in nuclei]), np.array([b.contrast for b in nuclei])
    assert settings.radius_px[0] * 0.6 < radii.min()
    assert radii.max() < settings.radius_px[1] * 1.6
    assert radii.std() > 1
    assert np.quantile(contrasts, 0.9) > 5 * np.quantile(contrasts, 0.1)
    assert all(settings.blur_px[0] <= blob.blur_px <= settings.blur_px[1] for blob in nuclei)


@IN_BOTH
def test_touching_fraction_is_the_share_of_nuclei_against_another(shape: tuple[int, ...]):
    apart, touching = (
        np.mean(np.concatenate([gaps(scene.nuclei) for scene in scenes(settings, 20) if len(scene.nuclei) > 1]) < 1)
        for settings in (replace(ROOMY, shape=shape, n_nuclei=8, touching_fraction=share) for share in (0, 0.6))
    )
    assert touching > apart + 0.25


@IN_BOTH
def test_crowded_images_hold_their_nuclei_in_one_spot(shape: tuple[int, ...]):
    def spread(crowding: float) -> float:
        centres = [
            [blob.centre / settings.shape for blob in scene.nuclei]
            for settings in [replace(ROOMY, shape=shape, crowding=crowding, n_nuclei=10)]
            for scene in scenes(settings, 30)
        ]
        return float(np.mean([np.std(points, axis=0).mean() for points in centres if len(points) > 1]))

    assert spread(1) < 0.8 * spread(0)


def test_no_nucleus_hides_another_and_a_full_image_holds_as_many_as_fit():
    (scene,) = scenes(Simulation(shape=(60, 60), n_nuclei=150), 1)
    assert 5 < len(scene.nuclei) < 60
    radii = np.array([blob.radius for blob in scene.nuclei])
    assert (gaps(scene.nuclei) > -0.31 * radii.max()).all()


def test_distractors_are_as_many_as_stated():
    settings = replace(ROOMY, n_out_of_focus=6, n_debris=3, n_nuclei=0)
    found = scenes(settings, 200)
    assert abs(np.mean([len(scene.out_of_focus) for scene in found]) - 6) < 0.6
    assert abs(np.mean([len(scene.debris) for scene in found]) - 3) < 0.4
    assert max(blob.radius for scene in found for blob in scene.debris) < 2.5
    assert min(blob.blur_px for scene in found for blob in scene.out_of_focus) >= 2.5


def test_stamp_measures_distance_in_pixels_of_the_finest_axis():
    settings = Simulation(shape=(9, 20, 20), spacing_um=(2, 1, 1))
    ball = Blob(np.array([8.0, 10, 10]), np.full(3, 4.0), np.eye(3), 1, 1)
    box, offsets, distance = stamp(ball, settings, reach_px=2)
    assert box == (slice(1, 8), slice(4, 17), slice(4, 17))
    assert offsets.shape == (3, *distance.shape)
    z, y, x = np.mgrid[1:8, 4:17, 4:17]
    np.testing.assert_allclose(distance, np.sqrt((2 * z - 8) ** 2 + (y - 10) ** 2 + (x - 10) ** 2) - 4, atol=1e-12)


def test_stamp_outside_of_the_image_is_empty():
    blob = Blob(np.array([-50.0, 10]), np.full(2, 4.0), np.eye(2), 1, 1)
    box, _, distance = stamp(blob, Simulation(shape=(20, 20)), reach_px=2)
    assert distance.size == 0
    assert np.zeros((20, 20))[box].shape == distance.shape
