"""Names of channels: where they come from, what they may be, and which a network sees or intensities are read from."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from channel_datasets import DAPI, NAMES, draw_channels
from ome_zarr import write_ome_zarr
from segassay.data.cases import channel_reader, read_case_image, read_seen_image
from segassay.data.dataset import data_hash, index_dataset, read_dataset
from segassay.data.named_channels import contrast_channel, pick_channels
from segassay.errors import DataError
from segassay.io.images import read_channel_names, read_image, write_image
from segassay.io.picture import Picture


def draw(folder: Path, **settings: Any) -> Path:
    return draw_channels(folder / "lab", n=2, **settings)


def problems_of(folder: Path) -> list[str]:
    return [f"{problem.what}; {problem.action}" for problem in index_dataset(folder)[1] if problem.level == "error"]


def test_names_of_files_count_and_those_of_dataset_yaml_before_them(tmp_path: Path) -> None:
    assert read_dataset(draw(tmp_path / "files")).channels == NAMES
    said = read_dataset(draw(tmp_path / "said", channels=["nuclei", "c-Fos 2"]))
    assert (said.channels, said.names_in_files) == (("nuclei", "c-Fos 2"), ())
    none = read_dataset(draw(tmp_path / "none", names=None))
    assert (none.channels, none.intensities, none.segmented) == ((), {"mean_intensity": 0}, ())
    assert none.measurements == ("count", "density", "mean_intensity")


def test_all_named_channels_are_measured_unless_some_are_named(tmp_path: Path) -> None:
    folder = draw(tmp_path)
    assert read_dataset(folder).intensities == {"mean_intensity_DAPI": 0, "mean_intensity_cFOS": 1}
    assert read_dataset(folder).measurements[2:] == ("mean_intensity_DAPI", "mean_intensity_cFOS")
    for said, expected in (
        ("cFOS", {"mean_intensity_cFOS": 1}),
        ("[cFOS, DAPI]", {"mean_intensity_cFOS": 1, "mean_intensity_DAPI": 0}),
        ("1", {"mean_intensity": 1}),  # a number is a channel without a name, as before there were names
    ):
        (folder / "dataset.yaml").write_text(f"intensity_channel: {said}\nmeasurements: [mean_intensity, count]\n")
        dataset = read_dataset(folder)
        assert dataset.intensities == expected
        assert dataset.measurements == (*expected, "count")


def test_a_name_may_be_a_number(tmp_path: Path) -> None:
    dataset = read_dataset(draw(tmp_path, channels=["405", "488"], segment_channels="488", intensity_channel="405"))
    assert (dataset.intensities, dataset.segmented, dataset.seen_channels) == (
        {"mean_intensity_405": 0},
        (1,),
        ("488",),
    )


def test_one_channel_stays_without_a_name_in_the_columns(tmp_path: Path) -> None:
    folder = draw(tmp_path, channels=["DAPI"], segment_channels=["DAPI"], intensity_channel="DAPI")
    dataset = read_dataset(folder)
    assert (dataset.channels, dataset.intensities) == (("DAPI",), {"mean_intensity": 0})


def test_a_network_sees_its_channels_in_their_order(tmp_path: Path) -> None:
    dataset = read_dataset(draw(tmp_path, segment_channels=["cFOS", "DAPI"]))
    whole, seen = read_case_image(dataset, "c1"), read_seen_image(dataset, "c1")
    np.testing.assert_array_equal(seen.array, whole.array[::-1])
    assert contrast_channel(dataset.settings, dataset.channels) == 1
    (tmp_path / "lab" / "dataset.yaml").write_text("segment_channels: DAPI\n")
    dataset = read_dataset(tmp_path / "lab")
    assert read_seen_image(dataset, "c1").array.shape == (1, 32, 40)
    read = channel_reader(dataset)(str(dataset.images["c1"]))
    np.testing.assert_array_equal(read.array, whole.array[:1])
    assert contrast_channel(dataset.settings, dataset.channels) == 0


def test_files_in_another_order_are_put_into_that_of_the_first(tmp_path: Path) -> None:
    dataset = read_dataset(draw(tmp_path, turned=[1]))
    assert read_image(dataset.images["c1"]).channel_names == NAMES[::-1]
    picture = read_case_image(dataset, "c1")
    assert picture.channel_names == NAMES
    assert picture.array[0].max() == DAPI + 2
    assert data_hash(dataset) != data_hash(read_dataset(draw(tmp_path / "other")))


@pytest.mark.parametrize(
    ("how", "message"),
    [({"unnamed": [1]}, "has channels without names"), ({"names": ("DAPI", "GFP")}, "has the channels DAPI, GFP")],
)
def test_files_that_name_other_channels_are_refused(tmp_path: Path, how: dict[str, Any], message: str) -> None:
    folder = draw(tmp_path)
    other = draw(tmp_path / "other", **how)
    shutil.copy(other / "images" / "c1.ome.tif", folder / "images" / "c1.ome.tif")
    with pytest.raises(DataError, match=f"{message}; expected DAPI, cFOS, as the first image: .* in dataset.yaml"):
        read_case_image(read_dataset(folder), "c1")
    (folder / "dataset.yaml").write_text("channels: [DAPI, cFOS]\n")  # then the order counts, whatever files say
    assert len(read_case_image(read_dataset(folder), "c1").array) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"segment_channels": "DAPPI"},
            "names 'DAPPI', which is no channel; did you mean 'DAPI'? Known",
        ),
        ({"segment_channels": ["GFP"]}, "names 'GFP', which is no channel; give one of DAPI, cFOS"),
        ({"segment_channels": "1"}, "segment_channels names '1', which is no channel"),
        ({"intensity_channel": "dapi"}, "intensity_channel names 'dapi', which is no channel"),
        ({"intensity_channel": ["cFOS", "cFOS"]}, "intensity_channel names 'cFOS' twice; keep one"),
        ({"intensity_channel": "=1+1"}, "intensity_channel names '=1+1', which is no channel"),
        ({"intensity_channel": "-1"}, "intensity_channel names '-1', which is no channel"),
        ({"measurements": ["mean_intensity_GFP"]}, "measurements names 'mean_intensity_GFP'"),
    ],
)
def test_names_that_no_channel_has_are_refused_once(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    folder = draw(tmp_path, **settings)
    (line,) = problems_of(folder)
    assert message in line
    dataset, _ = index_dataset(folder)
    assert dataset is not None
    assert (dataset.channels, dataset.segmented) == (NAMES, ())  # so that the rest can be checked


@pytest.mark.parametrize("key", ["segment_channels", "intensity_channel"])
def test_channels_without_names_cannot_be_named(tmp_path: Path, key: str) -> None:
    (line,) = problems_of(draw(tmp_path, names=None, **{key: "DAPI"}))
    assert line.startswith(f"{key} is 'DAPI', but the channels of the images have no names; name the channels")


def test_an_endpoint_cannot_have_the_name_of_a_channel(tmp_path: Path) -> None:
    folder = draw(tmp_path, endpoints="endpoints.csv")
    (folder / "endpoints.csv").write_text("case,endpoint,value\nc0,mean_intensity_cfos,3\nc1,mean_intensity_gfp,3\n")
    (line,) = problems_of(folder)
    assert "'mean_intensity_cfos' has the name of the measurement of a channel" in line


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("EGFP #1; 488/520", "Ä µ"), ("EGFP _1_ 488_520", "Ä µ")),
        (("=1+1", "line\nfeed"), ("_1+1", "line_feed")),
        (("DAPI", "dapi"), ()),
        (("DAPI", ""), ()),
        (("a/b", "a_b"), ()),
    ],
)
def test_names_of_files_become_parts_of_columns(
    tmp_path: Path, names: tuple[str, str], expected: tuple[str, ...]
) -> None:
    assert read_dataset(draw(tmp_path, names=names)).channels == expected


def test_colours_and_damaged_metadata_have_no_names(tmp_path: Path) -> None:
    path = tmp_path / "rgb.ome.tif"
    tifffile.imwrite(path, np.zeros((8, 8, 3), np.uint8), photometric="rgb", metadata={"Channel": {"Name": "RGB"}})
    assert (read_channel_names(path), read_image(path).channel_names) == ((), ())
    folder = draw(tmp_path)
    (folder / "images" / "c0.ome.tif").write_bytes(b"II*\0")
    assert read_dataset(folder).channels == ()  # who reads the image says what is wrong with it


def test_omero_names_the_channels_of_a_zarr(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.ome.zarr", np.zeros((2, 8, 8), np.uint8), "cyx")
    assert read_channel_names(path) == ()
    known = json.loads((path / ".zattrs").read_text())
    channels = [{"label": "DAPI", "color": "0000FF"}, {"label": "cFOS"}]
    (path / ".zattrs").write_text(json.dumps(known | {"omero": {"channels": channels}}))
    assert read_channel_names(path) == read_image(path).channel_names == NAMES
    for strange in ({"channels": [1, 2]}, {"channels": None}, 7, {"channels": channels[:1]}):
        (path / ".zattrs").write_text(json.dumps(known | {"omero": strange}))
        assert read_channel_names(path) == ()


@pytest.mark.parametrize("ending", [".ome.tif", ".tif", ".nii.gz"])
def test_an_image_of_two_channels_is_read_as_it_was_written(tmp_path: Path, ending: str) -> None:
    array = np.arange(2 * 5 * 7, dtype=np.uint16).reshape(2, 5, 7)
    write_image(tmp_path / f"a{ending}", Picture(array, (0.5, 0.25), channel_names=NAMES))
    read = read_image(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(read.array, array)
    assert (read.array.dtype, read.spacing_um) == (array.dtype, pytest.approx((0.5, 0.25)))
    assert read.channel_names == (NAMES if ending == ".ome.tif" else ())


def test_a_model_picks_its_channels_by_name() -> None:
    path = Path("a.tif")
    assert pick_channels(path, 3, ("GFP", "cFOS", "DAPI"), ("DAPI",), NAMES) == [2]
    assert pick_channels(path, 2, (), ("cFOS",), NAMES) == [1]  # those of the training, in their order
    assert pick_channels(path, 2, (), NAMES[::-1], NAMES) == [1, 0]  # also if the model sees all, in another order
    assert pick_channels(path, 1, (), ("cFOS",), NAMES) == [0]  # the one that it sees
    assert pick_channels(path, 1, ("GFP",), ("DAPI",), ("DAPI",)) == [0]  # one of one
    with pytest.raises(DataError, match="has the channels GFP, cFOS, but the model sees DAPI: DAPI is missing"):
        pick_channels(path, 2, ("GFP", "cFOS"), ("DAPI",), NAMES)
    with pytest.raises(DataError, match="has 3 channels without names, but the model sees DAPI; save OME-TIFF"):
        pick_channels(path, 3, (), ("DAPI",), NAMES)
    with pytest.raises(DataError, match="has 3 channels, but the names are DAPI, cFOS"):
        pick_channels(path, 3, NAMES, ("DAPI",), NAMES)
