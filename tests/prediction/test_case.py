"""Models that see some channels: of the training, and picked by name in images to predict."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from channel_datasets import NAMES, draw_channels
from drawn_members import write_members
from segassay.data.dataset import read_dataset
from segassay.errors import DataError, UsageError
from segassay.io.images import read_image, write_image
from segassay_monai.ensemble.members import held_out_cases, member_from_state, read_as_seen, read_members
from segassay_monai.ensemble.network import read_checkpoint, read_network_settings
from segassay_monai.prediction.models import find_model
from segassay_monai.prediction.run import predict
from segassay_monai.sharing.zoo.export import export_zoo
from segassay_monai.training.folds import plan_member
from segassay_monai.training.inputs import open_n_channels
from segassay_monai.training.tiles import LoadCased

CHANNELS = [f"mean_intensity_{name}" for name in NAMES]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_channels(tmp_path_factory.mktemp("channels") / "lab", n=4, segment_channels="DAPI")


@pytest.fixture(scope="module")
def models(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_members(tmp_path_factory.mktemp("members"), lab, seeds=(4, 5))


def test_a_training_reads_the_channels_that_its_network_sees(lab: Path) -> None:
    dataset = read_dataset(lab)
    assert open_n_channels(dataset) == 1
    loaded = LoadCased(dataset, "anna", n_channels=1)({"case": "c1"})
    np.testing.assert_array_equal(loaded["image"][0], read_image(dataset.images["c1"]).array[0])


def test_a_checkpoint_says_which_channels_its_network_sees(models: Path) -> None:
    paths = sorted(models.rglob("model.pt"))
    assert read_network_settings(paths).in_channels == 1
    member = read_members(paths)[0]
    assert (member.channels, member.image_channels) == (("DAPI",), NAMES)
    assert member_from_state(read_checkpoint(paths[0])["member"]) == member
    assert (find_model(models).channels, find_model(models).image_channels) == (("DAPI",), NAMES)


def test_one_channel_leaves_the_checkpoint_as_it_was(tmp_path: Path) -> None:
    lab = draw_channels(tmp_path / "lab", n=4, names=None, intensity_channel=0)
    member = plan_member(read_dataset(lab), trained_on="staple", fold=0, n_folds=2, seed=0, val_fraction=0.5)
    assert not {"channels", "image_channels"} & set(member.state_dict())
    assert member_from_state(member.state_dict()) == member


def test_members_that_see_other_channels_are_no_ensemble(models: Path, lab: Path, tmp_path: Path) -> None:
    other = draw_channels(tmp_path / "lab", n=4, segment_channels="cFOS")
    further = write_members(tmp_path / "other", other, seeds=(6,))
    paths = [*sorted(models.rglob("model.pt")), *further.rglob("model.pt")]
    with pytest.raises(DataError, match=r"sees cFOS, but .* sees DAPI; members of an ensemble see the same channels"):
        read_members(paths)
    with pytest.raises(DataError, match=r"but staple/s6 sees cFOS; write `segment_channels: \[cFOS\]`"):
        held_out_cases(read_dataset(lab), read_members(paths[-1:]))


@pytest.mark.parametrize("by_windows", [False, True])
def test_channels_are_picked_by_name_and_all_are_measured(
    lab: Path, models: Path, tmp_path: Path, by_windows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same picture with its channels in the other order, a third one, only the one, or none with a name."""
    if by_windows:
        monkeypatch.setattr("segassay_monai.prediction.large.LARGEST", 10)
    first = read_image(lab / "images" / "c1.ome.tif")
    third = np.full_like(first.array[:1], 9)
    (tmp_path / "images").mkdir()
    for name, places, names in (
        ("as_trained", [0, 1], NAMES),
        ("turned", [2, 1, 0], ("GFP", "cFOS", "DAPI")),
        ("unnamed", [0, 1], ()),
        ("single", [0], ()),
    ):
        array = (
            np.concatenate([first.array, third])[places]
            if name != "turned"
            else np.stack([third[0], *first.array[::-1]])
        )
        write_image(tmp_path / "images" / f"{name}.ome.tif", replace(first, array=array, channel_names=names))
    done = predict(models, tmp_path / "images", out=tmp_path / "out", save=["all"])
    assert done.failed.empty
    cases = done.cases.set_index("case")
    masks = {name: read_image(next((tmp_path / "out" / "masks").glob(f"{name}.*"))).array for name in cases.index}
    assert 0 < masks["as_trained"].mean() < 255
    for name in cases.index:
        np.testing.assert_array_equal(masks[name], masks["as_trained"])
        assert cases.loc[name, "n_objects"] == cases.loc["as_trained", "n_objects"]
    for channel in CHANNELS:
        assert cases.loc[["turned", "unnamed"], channel].tolist() == [cases.loc["as_trained", channel]] * 2
    assert cases.loc["turned", "mean_intensity_GFP"] == 9
    assert (
        "1 of 4 images has no names of channels (single): its mean_intensity is measured in its first channel"
        in done.notes
    )
    assert cases.loc["single", "mean_intensity"] == cases.loc["as_trained", CHANNELS[0]]
    own = done.objects.set_index("case").loc[["as_trained"]]
    assert own[CHANNELS[1]].mean() == pytest.approx(cases.loc["as_trained", CHANNELS[1]])
    seen = done.annotations.set_index("case")["held_out"]
    assert "as_trained" not in seen.index or seen["as_trained"] is not True


def test_channels_without_names_are_those_of_the_training_in_its_order(tmp_path: Path) -> None:
    """The network sees them in another order; the folder of its images does not say which they are."""
    lab = draw_channels(tmp_path / "lab", n=4, names=None, channels=list(NAMES), segment_channels=list(NAMES[::-1]))
    models = write_members(tmp_path / "members", lab, seeds=(4,))
    done = [
        predict(models, images, out=tmp_path / name, save=["prob"])
        for name, images in (("own", lab), ("unnamed", lab / "images"))
    ]
    own, unnamed = (read_image(each.out / "prob" / "c1.ome.tif").array for each in done)
    np.testing.assert_array_equal(own, unnamed)


@pytest.mark.parametrize("by_windows", [False, True])
def test_an_intensity_channel_that_no_image_has_is_said(
    tmp_path: Path, by_windows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_windows:
        monkeypatch.setattr("segassay_monai.prediction.large.LARGEST", 10)
    lab = draw_channels(tmp_path / "lab", n=4, names=None, intensity_channel=2)
    done = predict(write_members(tmp_path / "members", lab, seeds=(4,)), lab, out=tmp_path / "out")
    assert set(done.failed["what"]) == {"has 2 channels, but intensity_channel in dataset.yaml is 2"}
    assert len(done.failed) == 4


def test_results_of_other_names_of_channels_are_not_mixed(tmp_path: Path) -> None:
    lab = draw_channels(tmp_path / "lab", n=4, names=None, channels=list(NAMES), segment_channels="DAPI")
    models = write_members(tmp_path / "members", lab, seeds=(4,))
    for _ in range(2):
        assert predict(models, lab, out=tmp_path / "out").failed.empty
    said = (lab / "dataset.yaml").read_text(encoding="utf-8")
    for own, other in (("DAPI\n- cFOS", "cFOS\n- DAPI"), ("control_group", "spacing_um: [2, 2]\ncontrol_group")):
        (lab / "dataset.yaml").write_text(said.replace(own, other), encoding="utf-8")
        with pytest.raises(UsageError, match=r"made with other settings .*(channels|spacing_um) .*, now "):
            predict(models, lab, out=tmp_path / "out")


def test_a_channel_that_is_missing_fails_that_image_alone(lab: Path, models: Path, tmp_path: Path) -> None:
    first = read_image(lab / "images" / "c1.ome.tif")
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "a.ome.tif", first)
    write_image(tmp_path / "images" / "b.ome.tif", replace(first, channel_names=("GFP", "cFOS")))
    done = predict(models, tmp_path / "images", out=tmp_path / "out")
    assert list(done.cases["case"]) == ["a"]
    (row,) = done.failed.to_dict("records")
    assert row["what"] == "has the channels GFP, cFOS, but the model sees DAPI: DAPI is missing"
    with pytest.raises(DataError, match="DAPI is missing"):
        read_as_seen(read_members(sorted(models.rglob("model.pt"))), str(tmp_path / "images" / "b.ome.tif"))


@pytest.mark.parametrize(
    ("seen", "n_channels", "expected"),
    [
        (["DAPI"], 2, "sees DAPI of DAPI, cFOS"),
        (["cFOS", "DAPI"], 2, "sees cFOS, DAPI of DAPI, cFOS"),
        (["DAPI"], 3, "sees DAPI of DAPI, cFOS"),
        (["DAPI", "cFOS"], 2, None),
        (["DAPI"], 1, None),
    ],
)
def test_a_dataset_without_names_is_scored_only_if_its_channels_are_those_that_members_see(
    tmp_path: Path, seen: list[str], n_channels: int, expected: str | None
) -> None:
    """As many channels as the members see are these; which of more channels they are, nobody knows."""
    lab = draw_channels(tmp_path / "lab", n=4, segment_channels=seen)
    member = plan_member(read_dataset(lab), trained_on="staple", fold=0, n_folds=2, seed=0, val_fraction=0.5)
    other = draw_channels(tmp_path / "other", n=4, names=None)
    for path in (other / "images").iterdir():
        picture = read_image(path)
        array = np.concatenate([picture.array + np.uint8(1), picture.array])[:n_channels]
        write_image(path, replace(picture, array=array))
    dataset = read_dataset(other)
    if expected is None:
        assert held_out_cases(dataset, [member]) == dataset.cases
        return
    with pytest.raises(DataError, match=f"has {n_channels} channels without names, but staple/s0 {expected}; name"):
        held_out_cases(dataset, [member])


def test_channels_that_dataset_yaml_names_are_those_of_the_image(tmp_path: Path) -> None:
    """A model without names: two names for an image with three channels say nothing; `segment_channels` counts."""
    lab = draw_channels(tmp_path / "lab", n=4, names=None)
    for path in (lab / "images").iterdir():
        picture = read_image(path)
        write_image(path, replace(picture, array=picture.array[:1]))
    models = write_members(tmp_path / "members", lab, seeds=(4,))
    two = draw_channels(tmp_path / "two", n=4, names=None, channels=list(NAMES), segment_channels="cFOS")
    done = predict(models, two, out=tmp_path / "seen", save=["prob"])
    assert done.failed.empty
    (tmp_path / "single").mkdir()
    second = read_image(two / "images" / "c1.ome.tif")
    write_image(tmp_path / "single" / "c1.ome.tif", replace(second, array=second.array[1:], channel_names=()))
    alone = predict(models, tmp_path / "single", out=tmp_path / "alone", save=["prob"])
    probs = [read_image(each.out / "prob" / "c1.ome.tif").array for each in (done, alone)]
    np.testing.assert_array_equal(*probs)
    three = draw_channels(tmp_path / "three", n=4, names=None, channels=[*NAMES, "GFP"], segment_channels="cFOS")
    done = predict(models, three, out=tmp_path / "out")
    assert set(done.failed["what"]) == {"has 2 channels, but the names are DAPI, cFOS, GFP"}
    assert len(done.failed) == 4


def test_subjects_and_effects_have_each_channel(lab: Path, models: Path, tmp_path: Path) -> None:
    done = predict(models, lab, out=tmp_path / "out")
    assert done.subjects is not None
    assert done.effects is not None
    columns = [*CHANNELS, *(f"{name}_normalised" for name in CHANNELS)]
    assert set(columns) <= set(done.subjects)
    assert "mean_intensity" not in done.subjects
    assert set(done.effects["measure"]) == {"count", "density", *CHANNELS}
    again = pd.read_csv(tmp_path / "out" / "cases.csv")
    assert again[CHANNELS].notna().all(axis=None)
    assert "mean_intensity_cFOS" in set(pd.read_csv(tmp_path / "out" / "effects.csv")["measure"])


def test_the_network_gets_the_pixels_of_its_channel(
    lab: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise in the other channel changes no mask; in its own it does."""
    first = read_image(lab / "images" / "c1.ome.tif")
    noise = np.random.default_rng(0).integers(0, 255, first.array.shape[1:], dtype=np.uint8)
    (tmp_path / "images").mkdir()
    for name, array in (("plain", first.array), ("other", [first.array[0], noise]), ("own", [noise, first.array[1]])):
        write_image(tmp_path / "images" / f"{name}.ome.tif", replace(first, array=np.stack(list(array))))
    predict(models, tmp_path / "images", out=tmp_path / "out")
    masks = {path.stem: read_image(path).array for path in (tmp_path / "out" / "masks").iterdir()}
    masks = {name.removesuffix(".ome"): mask for name, mask in masks.items()}
    np.testing.assert_array_equal(masks["plain"], masks["other"])
    assert (masks["plain"] != masks["own"]).any()


def test_an_exported_bundle_picks_its_channels_by_name(lab: Path, models: Path, tmp_path: Path) -> None:
    bundle = export_zoo(models, tmp_path / "cells_segmentation")
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert metadata["network_data_format"]["inputs"]["image"]["channel_def"] == {"0": "DAPI"}
    found = find_model(bundle)
    assert (found.members, found.channels) == ((), ("DAPI",))
    columns = ["case", "n_objects", *CHANNELS]
    own = predict(models, lab / "images", out=tmp_path / "own").cases[columns]
    pd.testing.assert_frame_equal(own, predict(bundle, lab / "images", out=tmp_path / "again").cases[columns])
