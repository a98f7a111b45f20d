"""Pictures of the gallery: what the maps show, which objects only one rater drew, which plane of a volume."""

import base64
from itertools import pairwise
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from skimage.draw import polygon

from decoded_outlines import filled, polygons
from drawing import draw
from segassay.data.annotations import read_annotations
from segassay.data.dataset import read_dataset
from segassay.io.held import HeldImage
from segassay.io.images import Picture
from segassay.report.gallery import encoding, pictures
from segassay.report.gallery.encoding import image_url, numbers_url, palette, reduced, small_image
from segassay.report.gallery.pictures import PictureJob, picture_of
from segassay.report.gallery.single import single_objects
from segassay.tables.jobs import Annotator, Job, make_jobs

WHOLE = (slice(None), slice(None))


def content(url: str) -> bytes:
    return base64.b64decode(url.split(",")[1])


def held(array: Any) -> Any:
    return HeldImage("held", Picture(np.asarray(array)[None], None, None))


def pictured(masks: dict[str, Any], kinds: dict[str, str] | None = None, **job: Any) -> dict[str, Any]:
    annotators = tuple(Annotator(name, (kinds or {}).get(name, "human"), held(mask)) for name, mask in masks.items())
    return picture_of(PictureJob(Job("a", annotators, **job), tuple(masks)))


def colours_of(url: str) -> np.ndarray:
    return imagecodecs.png_decode(content(url))


@pytest.mark.parametrize("n", [1, 3, 15, 200])
def test_a_map_of_numbers_has_the_colour_of_each(n):
    numbers = np.random.default_rng(n).integers(0, n + 1, (7, 13))
    colours = np.array([(0, 0, 0, 0), *((*colour, 255) for colour in palette("cividis", n))])
    np.testing.assert_array_equal(colours_of(numbers_url(numbers, palette("cividis", n))), colours[numbers])


def test_a_number_without_a_colour_is_refused():
    with pytest.raises(ValueError, match="at most 255"):
        numbers_url(np.array([[2]]), [(1, 2, 3)])


def test_a_single_marked_pixel_survives_every_reduction():
    marked = np.zeros((997, 1500), dtype=np.uint16)
    marked[996, 1499] = 3
    small = reduced(marked, 64, "max")
    assert small.shape == (43, 64)
    assert small[-1, -1] == 3
    assert np.count_nonzero(small) == 1


@pytest.mark.parametrize("shape", [(7, 11), (11, 7), (5, 64), (64, 33), (9, 9)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, bool])
def test_blocks_of_unequal_sizes_are_reduced_each_on_its_own(shape: tuple[int, int], dtype: type):
    image = (np.random.default_rng(3).random(shape) * 200 - 50 * (dtype in (np.int32, np.float32))).astype(dtype)
    side = 5
    n = [max(1, round(length * side / max(shape))) for length in shape]
    edges = [[place * length // of for place in range(of + 1)] for length, of in zip(shape, n, strict=True)]
    blocks = [[image[top:end, left:right] for left, right in pairwise(edges[1])] for top, end in pairwise(edges[0])]
    largest = reduced(image, side, "max")
    assert largest.dtype == image.dtype
    np.testing.assert_array_equal(largest, [[block.max() for block in row] for row in blocks])
    means = [[block.astype(float).mean() for block in row] for row in blocks]
    np.testing.assert_allclose(reduced(image, side), means, rtol=1e-5, atol=1e-4)


def test_a_reduced_image_has_the_mean_of_each_block():
    image = np.random.default_rng(0).integers(0, 1000, (60, 80)).astype(np.uint16)
    np.testing.assert_allclose(reduced(image, 20), image.reshape(15, 4, 20, 4).mean(axis=(1, 3)), rtol=1e-6)
    np.testing.assert_array_equal(reduced(image, 80), image)


def test_a_large_image_is_read_in_strips_and_looks_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    image = np.random.default_rng(0).integers(0, 60000, (700, 1100)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(128, 128), compression="zlib")
    whole = small_image((tmp_path / "a.tif",), WHOLE)
    monkeypatch.setattr(encoding, "_LARGE", 1000)
    monkeypatch.setattr(encoding, "read_image", None)  # which reads all of it
    np.testing.assert_allclose(small_image((tmp_path / "a.tif",), WHOLE), whole, rtol=1e-5)


def test_noise_is_compressed_until_it_is_small():
    noise = np.random.default_rng(0).normal(size=(1, 512, 512))
    smooth = np.indices((512, 512)).sum(axis=0)[None].astype(float)
    assert len(content(image_url(smooth))) < 10_000
    assert len(content(image_url(noise))) < 45_000
    assert imagecodecs.webp_decode(content(image_url(noise))).shape[:2] == (512, 512)


ANNA, BEN, CLEO = (
    draw("##...... ##...... ....##.. ....##.. ........ #......."),
    draw("##...... ##...... ....#... ........ ........ ........"),
    draw("##...... ##...... .....#.. .....#.. ........ ......##"),
)


def test_the_map_of_raters_counts_marks_and_nothing_else():
    seen = pictured({"anna": ANNA, "ben": BEN, "cleo": CLEO, "net": ~ANNA}, {"net": "model"})
    votes = ANNA.astype(int) + BEN + CLEO
    colours = np.array([(0, 0, 0, 0), *((*colour, 255) for colour in palette("cividis", 3))])
    np.testing.assert_array_equal(colours_of(seen["votes"]), colours[votes])
    assert seen["n_raters"] == 3
    assert list(seen["outlines"]) == ["anna", "ben", "cleo", "net"]
    assert (seen["image"], seen["uncertainty"], seen["plane"], seen["left_out"]) == (None, None, "", {})


def test_objects_of_one_rater_are_those_that_nobody_else_drew_in_whole_or_part():
    """Ben has a corner of Anna's second object, Cleo its right half: all three saw it."""
    seen = pictured({"anna": ANNA, "ben": BEN, "cleo": CLEO})
    assert seen["single"] == [["cleo", 2, 12, 10, 4, 2, 0, 0, 1], ["anna", 1, 0, 10, 2, 2, 0, 0, 1]]
    assert seen["n_single"] == {"anna": 1, "ben": 0, "cleo": 1}


def test_half_of_the_smaller_object_is_not_more_than_half():
    one, two = draw("##.."), draw(".##.")
    assert len(single_objects({"a": one.astype(int), "b": two.astype(int)}, ["a", "b"])) == 2


def test_two_raters_of_one_person_do_not_confirm_each_other():
    labels = {"anna_1": ANNA.astype(int), "anna_2": ANNA.astype(int), "ben": 0 * ANNA}
    assert {one.rater for one in single_objects(labels, ["anna", "anna", "ben"])} == {"anna_1", "anna_2"}
    assert single_objects(labels, ["anna", "anna", "anna"]) == []


def test_objects_that_do_not_count_have_no_outline_but_their_marks_are_seen():
    ignored = np.zeros(ANNA.shape, dtype=bool)
    ignored[:2] = True
    seen = pictured({"anna": ANNA, "ben": BEN}, min_size=2, ignore=held(ignored))
    np.testing.assert_array_equal(
        filled(seen["outlines"]["anna"], ANNA.shape, 2), draw("........ ........ ....##.. ....##.. ........ ........")
    )
    assert seen["outlines"]["ben"] == ""
    marks = colours_of(seen["votes"])[..., 3] > 0
    np.testing.assert_array_equal(marks, (ANNA | BEN) & ~ignored)


def test_of_a_volume_the_most_disputed_plane_is_shown_and_named():
    anna, ben = np.zeros((2, 4, 20, 24), dtype=bool)
    anna[0, 2:9, 2:9] = ben[0, 2:9, 2:9] = True  # most marked, but both agree
    anna[2, 10:14, 10:14] = True
    ben[3, 1, 1] = True
    seen = pictured({"anna": anna, "ben": ben})
    assert seen["plane"] == "plane 3 of 4 across axis 1"
    assert seen["shape"] == [20, 24]
    assert seen["size"] == [48, 40]
    np.testing.assert_array_equal(filled(seen["outlines"]["anna"], (20, 24), 2), anna[2])
    assert seen["single"] == [["anna", 16, 20, 20, 8, 8, 3, 3, 1], ["ben", 1, 2, 2, 2, 2, 4, 4, 0]]


def test_a_volume_without_dispute_shows_where_most_is_marked():
    anna = np.zeros((20, 24, 5), dtype=bool)
    anna[3:8, 3:8, 4] = True
    assert pictured({"anna": anna, "ben": anna})["plane"] == "plane 5 of 5 across axis 3"
    assert (
        pictured({"anna": anna[..., :2] & False, "ben": anna[..., :2] & False})["plane"] == "plane 2 of 2 across axis 3"
    )


def placed(*spacing: float) -> np.ndarray:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -90, -70, 30
    return affine


CT = placed(0.7, 0.7, 2.5)
"""First voxel at the left, the back and the bottom."""


def nodules() -> dict[str, np.ndarray]:
    """Two nodules, of which anna drew the larger one and ben both; they dispute slice 2 most."""
    anna, ben = np.zeros((2, 20, 24, 6), dtype=bool)
    anna[2:9, 3:9, 1] = ben[2:9, 3:9, 1] = True
    anna[2:5, 3:9, 2] = True
    ben[2:9, 3:9, 2] = True
    ben[15:18, 20:23, 4] = True
    return {"anna": anna, "ben": ben}


def of_ct(affine: np.ndarray, spacing: tuple[float, ...] | None = None) -> dict[str, Any]:
    def held_in_ct(array: np.ndarray) -> Any:
        return HeldImage("held", Picture(array[None], None, affine))

    image = np.zeros((20, 24, 6))
    image[19] = 200  # the patient's right
    image[:, :, 5] = 100
    picture = Picture(image[None], spacing or tuple(1000 * np.abs(np.diag(affine)[:3]).round(6)), affine)
    annotators = tuple(Annotator(name, "human", held_in_ct(mask)) for name, mask in nodules().items())
    return picture_of(PictureJob(Job("a", annotators, image=(HeldImage("ct", picture),)), ("anna", "ben")))


def test_a_volume_is_shown_by_its_disputed_slice_its_largest_slices_and_a_projection():
    seen = of_ct(CT)
    assert [(one["plane"], one["why"]) for one in (seen, *seen["views"])] == [
        ("axial slice 3 of 6", "where raters disagree most"),
        ("axial slice 2 of 6", "where object 1 by size is largest"),
        ("axial slice 5 of 6", "where object 2 by size is largest"),
        ("largest values of all 6 axial slices", "projection"),
    ]
    assert all(one["way_up"] == "right of the patient at the left, front at the top" for one in (seen, *seen["views"]))
    of_ben = nodules()["ben"][::-1, ::-1]
    for one, mask in zip(
        (seen, *seen["views"]), [*(of_ben[..., z].T for z in (2, 1, 4)), of_ben.any(2).T], strict=True
    ):
        assert (one["shape"], one["size"], one["um_per_unit"]) == ([24, 20], [40, 48], 350)
        np.testing.assert_array_equal(filled(one["outlines"]["ben"], (24, 20), 2), mask)
    marked = colours_of(seen["views"][-1]["votes"])[..., 3] > 0
    np.testing.assert_array_equal(marked, (of_ben | nodules()["anna"][::-1, ::-1]).any(2).T)
    assert seen["single"] == [["ben", 9, 4, 2, 6, 6, 5, 5, 0]], "in the picture: 20 - 18 from the left, 24 - 23 down"


def test_the_right_of_the_patient_is_at_the_left_of_the_picture():
    shown = imagecodecs.webp_decode(content(of_ct(CT)["image"]))[..., 0].astype(int)
    assert shown.shape == (24, 20)
    assert shown[:, 0].min() > shown[:, 3:].max() + 50
    mirrored = of_ct(CT @ np.diag([-1.0, 1, 1, 1]))
    shown = imagecodecs.webp_decode(content(mirrored["image"]))[..., 0].astype(int)
    assert shown[:, -1].min() > shown[:, :-3].max() + 50


def test_a_picture_has_the_proportions_of_the_voxels():
    """Sagittal slices of 3 mm, whose rows are 2 mm and columns 0.5 mm apart."""
    seen = of_ct(placed(3, 0.5, 2))
    assert seen["plane"].startswith("sagittal slice")
    assert (seen["shape"], seen["size"]) == ([6, 24], [48, 48]), "12 mm by 12 mm"
    assert seen["um_per_unit"] == 250
    rows, columns = np.nonzero(nodules()["ben"][int(seen["plane"].split()[2]) - 1][::-1, ::-1].T)
    points = np.concatenate(polygons(seen["outlines"]["ben"], 1))  # column and row of the middle of a pixel
    np.testing.assert_array_equal(points.max(axis=0) + 0.5, [2 * (columns.max() + 1), 8 * (rows.max() + 1)])


def test_the_uncertainty_has_sixteen_levels():
    values = np.linspace(0, 1, 16, dtype=np.float32).reshape(2, 8)
    task = PictureJob(
        Job("a", (Annotator("anna", "human", held(np.ones((2, 8), dtype=bool))),)), ("anna",), held(values)
    )
    colours = np.array([(0, 0, 0, 0), *((*colour, 255) for colour in palette("magma", 15))])
    np.testing.assert_array_equal(colours_of(picture_of(task)["uncertainty"]), colours[np.arange(16).reshape(2, 8)])


def test_of_many_objects_the_largest_are_outlined_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch):
    labels = np.zeros((30, 40), dtype=int)
    labels[::3, ::4] = np.arange(1, 101).reshape(10, 10)
    labels[4, 5:8] = labels[7, 5:7] = 101  # in two parts
    monkeypatch.setattr(pictures, "MAX_OBJECTS", 1)
    seen = pictured({"anna": labels, "ben": labels == 101})
    assert seen["left_out"] == {"anna": [1, 101], "ben": [1, 2]}
    np.testing.assert_array_equal(filled(seen["outlines"]["anna"], labels.shape, 2), labels == 101)


def test_objects_that_a_reduction_hides_are_counted_as_left_out(monkeypatch: pytest.MonkeyPatch):
    labels = np.zeros((64, 64), dtype=int)
    labels[0, 0], labels[0, 1], labels[40:60, 40:60] = 1, 2, 3  # the first two are one pixel of 16 × 16
    monkeypatch.setattr(pictures, "_TRACED_SIDE", 16)
    assert pictured({"anna": labels, "ben": labels})["left_out"] == {"anna": [2, 3], "ben": [2, 3]}


def test_annotators_whose_outlines_do_not_fit_are_named(monkeypatch: pytest.MonkeyPatch):
    masks = {"anna": ANNA, "ben": BEN, "cleo": CLEO}
    whole = pictured(masks)["outlines"]
    monkeypatch.setattr(pictures, "MAX_OUTLINES", len(whole["anna"]) + len(whole["ben"]))
    seen = pictured(masks)
    assert seen["left_out"] == {"cleo": [0, 3]}
    assert list(seen["outlines"]) == ["anna", "ben"]


def test_more_raters_than_colours_share_them():
    """260 raters: the brightest colour is that of all."""
    one = draw("##..")
    seen = pictured({f"r{number}": one for number in range(260)})
    assert seen["n_raters"] == 260
    np.testing.assert_array_equal(colours_of(seen["votes"])[0, :3, 3], [255, 255, 0])


def test_outlines_of_real_masks_fill_the_masks(data_dir: Path):
    dataset = read_dataset(data_dir / "segebarth2020" / "lab-mue")
    annotations = read_annotations(dataset)
    job = make_jobs(dataset, annotations[annotations["case"] == "1049"])[0][0]
    seen = picture_of(PictureJob(job, tuple(one.name for one in job.annotators)))
    assert len(seen["outlines"]) == 5
    for annotator in job.annotators[:2]:
        mask = imagecodecs.png_decode(annotator.path.read_bytes())
        mask = (mask if mask.ndim == 2 else mask.max(axis=2)) > 0
        part = mask[256:512, 256:512]
        fill = _raster(seen["outlines"][annotator.name], mask.shape)[256:512, 256:512]
        assert np.count_nonzero(fill & part) > 0.93 * np.count_nonzero(fill | part)


def _raster(text: str, shape: tuple[int, int]) -> np.ndarray:
    image = np.zeros(shape, dtype=bool)
    for points in polygons(text, 2):
        rows, columns = polygon(points[:, 1], points[:, 0], shape)
        image[rows, columns] ^= True
    return image
