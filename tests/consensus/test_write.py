"""The command `consensus`: which files it writes, what the table says, and what it refuses."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from matplotlib.colors import to_hex
from PIL import Image

from drawing import draw
from folders import contents
from segassay import cli
from segassay.assay import evaluate
from segassay.consensus import write
from segassay.consensus.describe import describe_consensus
from segassay.consensus.objects import object_consensus
from segassay.consensus.pixels import count_decisions, fuse_decisions, staple
from segassay.consensus.write import METHODS, write_consensus
from segassay.data.dataset import read_dataset
from segassay.errors import DataError, UsageError
from segassay.figures import overlays
from segassay.io.images import Picture, read_image, read_mask, write_labels, write_map, write_mask
from segassay.masks.overlaps import pixel_agreement

ANNA = draw("........... .###...###. .###...###. .###...###. ...........")
BEN = draw("........... .####..###. .####..###. .###...###. ...........")
CLEO = draw("........... .###....... .###....... .###....... ...........")


def make_dataset(
    folder: Path, masks: dict[str, dict[str, np.ndarray]], suffix: str = ".png", **settings: object
) -> Path:
    """A dataset of drawn masks: case -> rater -> mask."""
    (folder / "images").mkdir(parents=True)
    for case, by_rater in masks.items():
        write_mask(folder / "images" / f"{case}{suffix}", ANNA)
        for rater, mask in by_rater.items():
            (folder / "labels" / rater).mkdir(parents=True, exist_ok=True)
            write_mask(folder / "labels" / rater / f"{case}.png", mask)
    if settings:
        (folder / "dataset.yaml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three cases: by three raters, by two, by one."""
    cases = {
        "0144": {"anna": ANNA, "ben": BEN, "cleo": CLEO},
        "0092": {"anna": ANNA, "ben": BEN},
        "7": {"anna": ANNA},
    }
    return make_dataset(tmp_path / "data", cases)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_writes_mask_probability_and_figure_of_each_case(three, tmp_path, method):
    write_consensus(three, tmp_path / "out", method=method)
    expected = {f"{kind}/{case}.png" for kind in ("masks", "figures") for case in ("0144", "0092", "7")}
    expected |= {f"prob/{case}.tif" for case in ("0144", "0092", "7")} | {"raters.csv"}
    assert set(contents(tmp_path / "out")) == expected
    assert not list(tmp_path.glob("*.partial"))
    stack = np.stack([ANNA, BEN, CLEO])
    known = object_consensus(stack) if method == "object" else fuse_decisions(count_decisions(stack), method)
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / "0144.png"))
    np.testing.assert_array_equal(mask, np.where(known.mask, 255, 0))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "prob" / "0144.tif"), known.prob)
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "masks" / "7.png"), ANNA)


def test_the_table_has_a_row_per_case_and_rater_absent_ones_included(three, tmp_path):
    returned = write_consensus(three, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "raters.csv", dtype={"case": str})
    assert list(table.columns) == list(write.COLUMNS)
    pd.testing.assert_frame_equal(table, returned, check_dtype=False)
    rows = table.set_index(["case", "rater"])
    assert rows.groupby("case")["annotated"].sum().to_dict() == {"0144": 3, "0092": 2, "7": 1}
    assert rows.groupby("case")["n_raters"].first().to_dict() == {"0144": 3, "0092": 2, "7": 1}
    known = staple(np.stack([ANNA, BEN, CLEO]))
    of_case = rows.loc["0144"].loc[["anna", "ben", "cleo"]]
    np.testing.assert_allclose(of_case["sensitivity"], known.sensitivity, rtol=1e-9)
    np.testing.assert_allclose(of_case["specificity"], known.specificity, rtol=1e-9)
    assert of_case["n_objects"].tolist() == [2, 2, 1]
    assert (of_case["n_objects_consensus"] == 2).all()
    assert (of_case["n_iterations"] == known.n_iterations).all()
    assert rows.loc[("0092", "cleo")].drop(["annotated", "n_raters"])[["sensitivity", "n_objects"]].isna().all()


def test_sensitivity_and_specificity_of_other_methods_are_against_the_mask(three, tmp_path):
    table = write_consensus(three, tmp_path / "out", method="majority").set_index(["case", "rater"])
    n_pixels, n_mask = ANNA.size, int(ANNA.sum())
    assert table.loc[("0144", "cleo"), "sensitivity"] == 0.5
    assert table.loc[("0144", "ben"), "specificity"] == (n_pixels - n_mask - 2) / (n_pixels - n_mask)
    assert table.loc["0144", "n_raters_needed"].tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("method", "needed"), [("union", 1), ("intersection", 3), ("majority", 2), ("soft", 2), ("object", 2)]
)
def test_how_many_raters_were_demanded_in_effect(three, tmp_path, method, needed):
    table = write_consensus(three, tmp_path / "out", method=method)
    assert table.set_index("case").loc["0144", "n_raters_needed"].tolist() == [needed] * 3
    told = describe_consensus(table, method)
    assert told[0] == f"consensus of 3 raters by {method}: 3 images"
    assert told[1].startswith("raters needed to mark " + ("an object: " if method == "object" else "a pixel: "))
    assert "1 image annotated by one rater, whose mask is the consensus: 7" in told


def test_a_case_that_nobody_annotated_is_told_and_has_no_mask(three, tmp_path):
    write_mask(three / "images" / "alone.png", ANNA)
    table = write_consensus(three, tmp_path / "out")
    assert "1 image annotated by no rater, so without a consensus: alone" in describe_consensus(table, "staple")
    assert not [name for name in contents(tmp_path / "out") if "alone" in name]
    assert table.loc[table["case"] == "alone", "annotated"].tolist() == [False] * 3


@pytest.mark.parametrize("method", METHODS)
def test_all_empty_and_all_full(tmp_path, method):
    nothing, everything = np.zeros_like(ANNA), np.ones_like(ANNA)
    masks = {case: dict.fromkeys(("anna", "ben"), mask) for case, mask in (("0", nothing), ("1", everything))}
    masks["2"] = {"anna": ANNA, "ben": ANNA}
    table = write_consensus(make_dataset(tmp_path / "data", masks), tmp_path / "out", method=method)
    assert not read_mask(tmp_path / "out" / "masks" / "0.png").any()
    assert read_mask(tmp_path / "out" / "masks" / "1.png").all()
    rows = table.set_index("case")
    assert rows.loc["0", "sensitivity"].isna().all()
    assert (rows.loc["0", "specificity"] == 1).all()
    assert rows.loc["1", "specificity"].isna().all()
    assert "1 image with an empty consensus: 0" in describe_consensus(table, method)


def test_a_nifti_keeps_affine_and_spacing(tmp_path):
    volume = np.zeros((6, 9, 11), dtype=np.int16)
    volume[2:4, 3:7, 4:9] = 7
    affine = np.array([[0, -0.5, 0, 3], [0.4, 0, 0, -2], [0, 0, 2, 9], [0, 0, 0, 1.0]])
    like = Picture(volume[None], affine=affine, spacing_um=(400.0, 500.0, 2000.0))
    for folder in ("images", "labels/anna", "labels/ben"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    write_map(tmp_path / "data" / "images" / "brain.nii", volume, like)
    for rater in ("anna", "ben"):
        write_labels(tmp_path / "data" / "labels" / rater / "brain.nii.gz", (volume > 0).astype(np.uint8), like)
    write_consensus(tmp_path / "data", tmp_path / "out")
    image = read_image(tmp_path / "data" / "images" / "brain.nii")
    for kind in ("masks", "prob"):
        written = read_image(tmp_path / "out" / kind / "brain.nii.gz")
        np.testing.assert_allclose(written.affine, image.affine, atol=1e-6)
        assert written.spacing_um == image.spacing_um
        np.testing.assert_array_equal(written.array[0] > 0.5, volume > 0)


def test_a_tiff_of_any_name_gives_a_tiff_mask(tmp_path):
    data = make_dataset(tmp_path / "data", {"a": {"anna": ANNA}}, suffix=".tiff")
    write_consensus(data, tmp_path / "out")
    assert {"masks/a.tif", "prob/a.tif"} < set(contents(tmp_path / "out"))


def test_touching_objects_of_label_images_count_for_the_consensus_of_objects(tmp_path):
    data = make_dataset(tmp_path / "data", {"a": {"anna": ANNA, "ben": ANNA}})
    labels = np.repeat([[0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0]], 5, axis=0)
    for rater in ("anna", "ben"):
        write_labels(data / "labels" / rater / "a.png", labels)
    joined = write_consensus(data, tmp_path / "pixels", method="majority")
    apart = write_consensus(data, tmp_path / "objects", method="object")
    assert (joined["n_objects"].tolist(), joined["n_objects_consensus"].tolist()) == ([2, 2], [1, 1])
    assert apart["n_objects_consensus"].tolist() == apart["n_supported"].tolist() == [2, 2]


def test_the_same_masks_give_the_same_bytes(three, tmp_path):
    write_consensus(three, tmp_path / "one")
    write_consensus(three, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert b"Software" not in (tmp_path / "one" / "figures" / "7.png").read_bytes()


def test_objects_are_counted_from_the_minimum_size_on_but_fused_whole(tmp_path):
    data = make_dataset(tmp_path / "data", {"a": {"anna": ANNA, "ben": ANNA}}, min_object_size=10)
    table = write_consensus(data, tmp_path / "out")
    assert table["n_objects"].tolist() == [0, 0]
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "masks" / "a.png"), ANNA)


def test_figures_show_where_most_is_marked_and_where_raters_disagree_most():
    marked = np.zeros((20, 16, 5), dtype=bool)
    marked[:, :3, 1] = True
    marked[:2, :, 4] = True
    assert overlays.most_marked_plane(marked) == (slice(None), slice(None), 1)
    assert overlays.most_marked_plane(marked[0]) == (slice(None), slice(None))
    anna, ben = np.zeros((2, 600, 500), dtype=bool)
    anna[400:420, 100:130] = True
    ben[100:200, 300:400] = anna[100:200, 300:400] = True  # larger, and agreed on
    figure = overlays.consensus_overview(anna[None] * 9, {"anna": anna, "ben": ben}, ben, title="a")
    assert len(figure.axes) == 4  # with the bar of colours
    box = figure.axes[0].patches[0]
    assert (box.get_width(), box.get_height()) == (160, 192)
    assert box.get_x() <= 99.5 < 129.5 <= box.get_x() + 160
    assert box.get_y() <= 399.5 < 419.5 <= box.get_y() + 192


def test_the_consensus_has_the_colour_of_its_legend_in_every_panel():
    anna, ben = np.zeros((2, 600, 500), dtype=bool)
    anna[400:420, 100:130] = ben[100:200, 300:400] = True
    figure = overlays.consensus_overview(anna[None] * 9, {"anna": anna, "ben": ben}, ben, title="a")
    drawn = [{to_hex(colour) for line in axes.collections for colour in line.get_edgecolor()} for axes in figure.axes]
    assert drawn[0] == drawn[2] == {overlays.CONSENSUS_COLOUR}
    assert drawn[1] == {overlays.CONSENSUS_COLOUR, overlays.OUTLINES[1]}  # of ben; anna is outside of the box


def test_an_existing_folder_is_refused_and_replaced_only_on_request(three, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("")
    with pytest.raises(UsageError, match="exists already"):
        write_consensus(three, tmp_path / "out")
    write_consensus(three, tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "mine.txt").exists()


@pytest.mark.parametrize(
    "out", ["data", ".", "data/images", "data/images/new", "data/labels", "data/labels/anna", "data/labels/new"]
)
def test_nothing_that_is_read_is_replaced_or_added_to(three, tmp_path, monkeypatch, out):
    monkeypatch.chdir("/")
    before = contents(three)
    with pytest.raises(UsageError, match="--out"):
        write_consensus(three, tmp_path / out, overwrite=True)
    assert contents(three) == before


def test_a_place_of_its_own_in_the_dataset_serves_as_reference(three):
    write_consensus(three, three / "consensus")
    (three / "dataset.yaml").write_text("reference: consensus/masks\n")
    dataset = read_dataset(three)
    assert (list(dataset.reference), dataset.raters) == (["7", "0092", "0144"], ["anna", "ben", "cleo"])


def test_an_unknown_method_is_a_wrong_call(three, tmp_path):
    with pytest.raises(UsageError, match=r"method \(--method\) mean: expected one of staple, majority, .*object"):
        write_consensus(three, tmp_path / "out", method="mean")


@pytest.mark.parametrize("method", ["staple", "object"])
def test_a_broken_mask_leaves_nothing_behind(three, tmp_path, method):
    write_mask(three / "labels" / "cleo" / "0144.png", ANNA[:, 1:])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=r"0144\.png"):
        write_consensus(three, tmp_path / "out", method=method)
    assert sorted(tmp_path.iterdir()) == before


def test_the_command_tells_what_it_did(three, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["segassay", "consensus", str(three), "--method", "object", "--out", str(tmp_path / "o")]
    )
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code in (0, None)
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == "consensus of 3 raters by object: 3 images"
    assert f"written: {tmp_path / 'o'}" in shown.out
    assert "fused masks of 3 of 3 images" in shown.err


@pytest.fixture(scope="module")
def lab(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of a dim lab with four raters, one of whose masks is missing."""
    source = data_dir / "segebarth2020" / "lab-inns1"
    folder = tmp_path_factory.mktemp("labs") / "lab-inns1"
    names = sorted(path.name for path in (source / "images").iterdir())[:2]
    for name in names:
        for part in ("images", *(f"labels/{path.name}" for path in (source / "labels").iterdir())):
            (folder / part).mkdir(parents=True, exist_ok=True)
            mask = name if part == "images" else name.replace(".png", "_cFOS.png")
            shutil.copy(source / part / mask, folder / part / mask)
    settings = {
        "raters": "labels/expert_*",
        "reference": "labels/est_GT",
        "mask_suffix": "_cFOS",
        "min_object_size": 16,
    }
    (folder / "dataset.yaml").write_text(yaml.safe_dump(settings))
    return folder


def test_staple_of_a_lab_is_the_published_consensus(lab, tmp_path):
    table = write_consensus(lab, tmp_path / "out")
    dataset = read_dataset(lab)
    for case in dataset.cases:
        written = read_mask(tmp_path / "out" / "masks" / f"{case}.png")
        np.testing.assert_array_equal(written, read_mask(dataset.reference[case]))
        prob = read_image(tmp_path / "out" / "prob" / f"{case}.tif").array[0]
        np.testing.assert_array_equal(prob > 0.5, written)
    assert (table["n_raters_needed"] == 2).all()
    assert table["converged"].all()
    assert describe_consensus(table, "staple")[1] == "raters needed to mark a pixel: 2 in 2 images"


def test_masks_of_a_consensus_can_be_evaluated_like_any_other(lab, tmp_path):
    write_consensus(lab, tmp_path / "c", method="object")
    found = evaluate(lab, masks={"objects": tmp_path / "c" / "masks"})
    counts = found.tables.counts.set_index(["annotator", "case"])["n_objects"]
    table = pd.read_csv(tmp_path / "c" / "raters.csv", dtype={"case": str}).set_index("case")["n_objects_consensus"]
    assert counts["objects"].to_dict() == table.groupby(level=0).first().to_dict()
    for case in counts["objects"].index:
        masks = [read_mask(tmp_path / "c" / "masks" / f"{case}.png"), read_mask(read_dataset(lab).reference[case])]
        assert 0.7 < pixel_agreement(*masks)[0] < 0.95
