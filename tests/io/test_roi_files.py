"""Outlines of ImageJ and QuPath as masks: which pixels each kind of ROI fills, and hostile files."""

import json
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import roifile
import tifffile
from PIL import Image
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from outline_scenes import DRAWN, noisy_labels
from segassay.errors import DataError
from segassay.io import geojson_files, roi_files
from segassay.io.geojson import write_geojson
from segassay.io.grids import Grid
from segassay.io.images import holds_outlines, read_grid, read_mask
from segassay.io.outlines import Outline, fill_outlines
from segassay.io.rois import write_rois

ROWS, COLUMNS = 20, 30
SQUARE = [[5, 4], [9, 4], [9, 8], [5, 8]]
TRIANGLE = [[10, 2], [20, 2], [10, 12]]


def _square(left: float, top: float, size: float) -> list[list[float]]:
    return [[left, top], [left + size, top], [left + size, top + size], [left, top + size]]


def _inside(test: object) -> np.ndarray:
    """Pixels whose centres are inside, by a test of x and y."""
    y, x = np.mgrid[:ROWS, :COLUMNS] + 0.5
    return test(x, y)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.fromarray((np.arange(ROWS * COLUMNS) % 251).reshape(ROWS, COLUMNS).astype(np.uint8)).save(tmp_path / "im.png")
    return tmp_path / "im.png"


def _roi(kind: ROI_TYPE, box: tuple[int, int, int, int] = (0, 0, 0, 0), **more: object) -> ImagejRoi:
    top, left, bottom, right = box
    return ImagejRoi(roitype=kind, top=top, left=left, bottom=bottom, right=right, **more)


def _zip(path: Path, rois: list[ImagejRoi], names: list[str] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number, roi in enumerate(rois):
            archive.writestr((names or [f"{n:04}.roi" for n in range(len(rois))])[number], roi.tobytes())
    return path


def _read(path: Path, image: Path) -> np.ndarray:
    return read_mask(path, read_grid(image))


@pytest.mark.parametrize("kind", [ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED])
def test_a_polygon_fills_the_pixels_whose_centres_are_inside(tmp_path: Path, image: Path, kind: ROI_TYPE) -> None:
    roi = ImagejRoi.frompoints(TRIANGLE)
    roi.roitype = kind
    roi.tofile(tmp_path / "a.roi")
    expected = _inside(lambda x, y: (x > 10) & (y > 2) & (x - 10 + y - 2 <= 10))  # on a right edge is inside
    mask = _read(tmp_path / "a.roi", image)
    np.testing.assert_array_equal(mask == 1, expected)


def test_coordinates_between_pixels_count(tmp_path: Path, image: Path) -> None:
    ImagejRoi.frompoints(np.array(_square(3.4, 5.6, 4.2), np.float32)).tofile(tmp_path / "a.roi")
    expected = _inside(lambda x, y: (x > 3.4) & (x < 7.6) & (y > 5.6) & (y < 9.8))
    np.testing.assert_array_equal(_read(tmp_path / "a.roi", image) == 1, expected)


def test_a_rectangle_and_an_oval(tmp_path: Path, image: Path) -> None:
    box = (2, 3, 12, 25)
    path = _zip(tmp_path / "a.zip", [_roi(ROI_TYPE.RECT, box), _roi(ROI_TYPE.OVAL, box)])
    oval = _inside(lambda x, y: ((x - 14) / 11) ** 2 + ((y - 7) / 5) ** 2 <= 1)
    rectangle = _inside(lambda x, y: (x > 3) & (x < 25) & (y > 2) & (y < 12))
    np.testing.assert_array_equal(_read(path, image), np.where(oval, 2, rectangle.astype(int)))


def test_a_rectangle_with_round_corners_lies_between_the_rectangle_and_its_oval(tmp_path: Path, image: Path) -> None:
    _roi(ROI_TYPE.RECT, (2, 3, 12, 25), rounded_rect_arc_size=6).tofile(tmp_path / "a.roi")
    mask = _read(tmp_path / "a.roi", image) > 0
    assert not mask[2, 3]
    assert mask[2, 6:22].all()
    assert mask[5:9, 3:25].all()
    assert mask.sum() == 220 - 4  # of the corners, only the outermost centres are 3 pixels away


def test_a_composite_has_holes_and_parts_and_curves(tmp_path: Path, image: Path) -> None:
    outer, hole, other = _square(2, 2, 12), _square(5, 5, 4), _square(18, 3, 3)
    path = [value for ring in (outer, hole, other) for i, p in enumerate(ring) for value in (float(i > 0), *p)] + [4.0]
    curve = [0.0, 18, 10, 2.0, 24, 10, 24, 16, 1.0, 18, 16, 4.0]
    for numbers, expected in (
        (path, {(6, 6): 0, (3, 3): 1, (4, 19): 1, (4, 16): 0}),
        (curve, {(15, 19): 1, (10, 23): 0, (12, 21): 1}),
    ):
        array = np.array(numbers, np.float32)
        roi = _roi(ROI_TYPE.RECT, (2, 2, 16, 24), shape_roi_size=len(array), multi_coordinates=array)
        roi.tofile(tmp_path / "a.roi")
        mask = _read(tmp_path / "a.roi", image)
        assert {place: mask[place] for place in expected} == expected


def test_overlapping_rois_are_objects_and_the_smaller_one_keeps_the_pixels(tmp_path: Path, image: Path) -> None:
    squares = [_square(5, 5, 2), _square(2, 2, 10), _square(5, 5, 2), _square(11, 11, 4)]
    mask = _read(_zip(tmp_path / "a.zip", [ImagejRoi.frompoints(square) for square in squares]), image)
    assert mask.dtype == np.int32
    assert np.bincount(mask.ravel())[1:].tolist() == [0, 95, 4, 16]  # equal ones: the later; the corner is the 4th's


def test_what_reaches_beyond_the_image_is_cut_and_what_lies_outside_is_an_error(tmp_path: Path, image: Path) -> None:
    _zip(tmp_path / "a.zip", [ImagejRoi.frompoints(_square(25, 15, 10))])
    assert np.count_nonzero(_read(tmp_path / "a.zip", image)) == 25
    _zip(tmp_path / "a.zip", [ImagejRoi.frompoints(SQUARE), ImagejRoi.frompoints(_square(40, 3, 4))])
    with pytest.raises(DataError, match=r"the ROI '0001.roi' lies outside its image .*30 × 20 pixels"):
        _read(tmp_path / "a.zip", image)


@pytest.mark.parametrize(
    "kind", [ROI_TYPE.LINE, ROI_TYPE.POLYLINE, ROI_TYPE.FREELINE, ROI_TYPE.ANGLE, ROI_TYPE.POINT, ROI_TYPE.NOROI]
)
def test_what_has_no_area_is_refused_by_name(tmp_path: Path, image: Path, kind: ROI_TYPE) -> None:
    roi = ImagejRoi.frompoints(SQUARE)
    roi.roitype = kind
    _zip(tmp_path / "a.zip", [ImagejRoi.frompoints(SQUARE), roi], ["ok.roi", "bad.roi"])
    with pytest.raises(DataError, match=rf"a\.zip 'bad\.roi' is a {kind.name.lower()}, which has no area"):
        _read(tmp_path / "a.zip", image)


def test_a_text_is_refused(tmp_path: Path, image: Path) -> None:
    data = bytearray(_roi(ROI_TYPE.RECT, (1, 1, 5, 9), version=227).tobytes())
    data[48:50] = int(ROI_SUBTYPE.TEXT).to_bytes(2, "big")
    (tmp_path / "a.roi").write_bytes(bytes(data) + bytes(64))
    with pytest.raises(DataError, match="is a text, which has no area"):
        _read(tmp_path / "a.roi", image)


def test_planes_of_a_volume(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "im.tif", np.zeros((3, ROWS, COLUMNS), np.uint8), photometric="minisblack")
    rois = [ImagejRoi.frompoints(SQUARE), ImagejRoi.frompoints(SQUARE)]
    rois[0].position = 2
    rois[1].z_position = 3
    mask = _read(_zip(tmp_path / "a.zip", rois), tmp_path / "im.tif")
    assert mask.dtype == bool  # outlines of neighbouring planes are one object
    assert mask.sum(axis=(1, 2)).tolist() == [0, 16, 16]
    for roi, message in (
        (ImagejRoi.frompoints(SQUARE), "names no plane of the volume"),
        (ImagejRoi.frompoints(SQUARE, position=8), "lies on plane 9, but the image has 3"),
    ):
        with pytest.raises(DataError, match=message):
            _read(_zip(tmp_path / "a.zip", [roi]), tmp_path / "im.tif")


@pytest.mark.parametrize("pixels", ["blank", "image"])
def test_rois_in_the_overlay_of_a_tiff(tmp_path: Path, image: Path, pixels: str) -> None:
    picture = np.asarray(Image.open(image))
    overlay = [ImagejRoi.frompoints(SQUARE).tobytes(), ImagejRoi.frompoints(_square(15, 10, 3)).tobytes()]
    array = np.zeros_like(picture) if pixels == "blank" else picture
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"Overlays": overlay})
    assert np.bincount(_read(tmp_path / "a.tif", image).ravel())[1:].tolist() == [16, 9]


def test_a_mask_with_an_overlay_of_its_own_stays_a_mask(tmp_path: Path, image: Path) -> None:
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    mask[2:4, 3:9] = 255
    overlay = [ImagejRoi.frompoints(SQUARE).tobytes()]
    tifffile.imwrite(tmp_path / "a.tif", mask, imagej=True, metadata={"Overlays": overlay})
    np.testing.assert_array_equal(_read(tmp_path / "a.tif", image), mask > 0)


def test_names_in_a_zip_lead_nowhere(tmp_path: Path, image: Path) -> None:
    """Nothing is written, so a path out of the folder is only a name."""
    (tmp_path / "in").mkdir()
    path = _zip(tmp_path / "in" / "a.zip", [ImagejRoi.frompoints(SQUARE)] * 2, ["../../evil.roi", "/tmp/evil2.roi"])
    before = sorted(tmp_path.rglob("*"))
    assert np.count_nonzero(_read(path, image)) == 16
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bomb_is_not_unpacked(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.roi", bytes(2**24))
    monkeypatch.setattr(roi_files, "_MAX_ENTRY_BYTES", 2**20)
    with pytest.raises(DataError, match=r"'bomb\.roi' unpacks to more than 1048576 bytes"):
        _read(tmp_path / "a.zip", image)
    _zip(tmp_path / "many.zip", [ImagejRoi.frompoints(SQUARE)] * 3)
    monkeypatch.setattr(roi_files, "_MAX_ENTRIES", 2)
    with pytest.raises(DataError, match="holds 3 ROIs; expected at most 2"):
        _read(tmp_path / "many.zip", image)
    monkeypatch.setattr(roi_files, "_MAX_ENTRIES", 3)
    monkeypatch.setattr(roi_files, "_MAX_BYTES", 300)
    with pytest.raises(DataError, match="unpacks to more than"):
        _read(tmp_path / "many.zip", image)


def test_broken_rois_are_named(tmp_path: Path, image: Path) -> None:
    whole = ImagejRoi.frompoints(SQUARE).tobytes()
    for broken in (b"", b"Iout", whole[:70], b"Xout" + whole[4:], whole[:16] + b"\xff\xff" + whole[18:]):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("fine.roi", whole)
            archive.writestr("broken.roi", broken)
        with pytest.raises(DataError, match=r"a\.zip 'broken\.roi' is a broken ROI"):
            _read(tmp_path / "a.zip", image)


@pytest.mark.parametrize("seed", range(60))
def test_a_flipped_byte_is_a_mask_or_one_message(tmp_path: Path, image: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = np.array([0, 2, 2, 1, 9, 2, 3, 9, 4, 7, 8, 2, 9, 4], np.float32)
    rois = [
        ImagejRoi.frompoints(TRIANGLE),
        ImagejRoi.frompoints(np.array(SQUARE, np.float32) + 0.5),
        _roi(ROI_TYPE.RECT, (2, 2, 9, 9), shape_roi_size=len(array), multi_coordinates=array),
        _roi(ROI_TYPE.OVAL, (2, 2, 9, 12)),
    ]
    data = bytearray(rois[seed % 4].tobytes())
    for place in rng.integers(4, len(data), 2):
        data[place] = rng.integers(256)
    (tmp_path / "a.roi").write_bytes(data)
    with suppress(DataError):
        assert _read(tmp_path / "a.roi", image).shape == (ROWS, COLUMNS)


def test_a_zip_of_something_else_and_half_a_zip(tmp_path: Path, image: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("001.png", image.read_bytes())
        archive.writestr("__MACOSX/._001.png", b"")
    with pytest.raises(DataError, match=r"holds '001\.png', which is no ROI"):
        _read(tmp_path / "a.zip", image)
    whole = _zip(tmp_path / "b.zip", [ImagejRoi.frompoints(SQUARE)]).read_bytes()
    (tmp_path / "b.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="is no readable zip"):
        _read(tmp_path / "b.zip", image)
    with zipfile.ZipFile(tmp_path / "c.zip", "w"):
        pass
    assert not _read(tmp_path / "c.zip", image).any()  # an image without an object


def test_outlines_need_the_size_of_their_image(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", [ImagejRoi.frompoints(SQUARE)])
    assert holds_outlines(path)
    with pytest.raises(DataError, match="no size without their image"):
        read_mask(path)


def _feature(kind: str, coordinates: object, object_type: str = "annotation", **geometry: object) -> dict[str, object]:
    properties = {"objectType": object_type}
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates, **geometry},
        "properties": properties,
    }


def _geojson(path: Path, features: object) -> Path:
    path.write_text(json.dumps(features))
    return path


def _ring(points: list[list[float]]) -> list[list[float]]:
    return [*points, points[0]]


def test_objects_of_qupath(tmp_path: Path, image: Path) -> None:
    holed = _feature("Polygon", [_ring(_square(2, 2, 10)), _ring(_square(4, 4, 2))])
    parts = _feature("MultiPolygon", [[_ring(_square(15, 2, 3))], [_ring(_square(20, 2, 3))]])
    path = _geojson(tmp_path / "a.geojson", {"type": "FeatureCollection", "features": [holed, parts]})
    mask = _read(path, image)
    assert np.bincount(mask.ravel())[1:].tolist() == [96, 18]
    assert mask[5, 5] == 0
    assert (_read(_geojson(path, [holed, parts]), image) == mask).all()


@pytest.mark.parametrize("name", ["a.geojson", "b c.GEOJSON"])
def test_objects_of_qupath_in_a_zip(tmp_path: Path, image: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, json.dumps([_feature("Polygon", [_ring(_square(2, 2, 10))])]))
    assert np.count_nonzero(_read(path, image)) == 100
    monkeypatch.setattr(geojson_files, "_MAX_BYTES", 100)
    with pytest.raises(DataError, match="larger than 1 GiB"):
        _read(path, image)


def test_a_cell_of_qupath_is_its_boundary_not_its_nucleus(tmp_path: Path, image: Path) -> None:
    cell = _feature("Polygon", [_ring(_square(2, 2, 10))], "cell")
    nucleus = {"type": "Polygon", "coordinates": [_ring(_square(4, 4, 2))]}
    path = _geojson(tmp_path / "a.geojson", [cell | {"nucleusGeometry": nucleus}])
    assert np.count_nonzero(_read(path, image)) == 100


def test_annotations_around_detections_are_no_objects(tmp_path: Path, image: Path) -> None:
    region = _feature("Polygon", [_ring(_square(0, 0, 20))])
    cell = _feature("Polygon", [_ring(_square(3, 3, 3))], "cell")
    mask = _read(_geojson(tmp_path / "a.geojson", [region, cell]), image)
    assert np.bincount(mask.ravel())[1:].tolist() == [9]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as GeoJSON"),
        ("[" * 100_000, "cannot be read as GeoJSON"),
        ('{"type": "Topology"}', "feature 1 has no geometry"),
        ('"text"', "holds no features"),
        (json.dumps([_feature("Point", [1, 2])]), "feature 1 is a Point, which has no area"),
        (json.dumps([_feature("Polygon", [[["a", 1]]])]), "feature 1 has broken coordinates"),
        (json.dumps([_feature("Polygon", 3)]), "feature 1 has broken coordinates"),
        (
            '[{"geometry": {"type": "Polygon", "coordinates": [[[NaN, 1], [2, 3], [4, 5]]]}}]',
            "cannot be right; draw it again",
        ),
        (
            '[{"geometry": {"type": "Polygon", "coordinates": [[[1e99, 1], [2, 3], [4, 5]]]}}]',
            "cannot be right; draw it again",
        ),
    ],
)
def test_a_broken_geojson_is_one_message(tmp_path: Path, image: Path, content: str, message: str) -> None:
    (tmp_path / "a.geojson").write_text(content)
    with pytest.raises(DataError, match=message):
        _read(tmp_path / "a.geojson", image)


def test_a_plane_is_a_number(tmp_path: Path) -> None:
    grid = Grid("image.png", (3, ROWS, COLUMNS))
    for z in (True, "1", None):
        path = _geojson(tmp_path / "a.geojson", [_feature("Polygon", [_ring(SQUARE)], plane={"z": z})])
        with pytest.raises(DataError, match="names no plane of the volume"):
            read_mask(path, grid)
    path = _geojson(tmp_path / "a.geojson", [_feature("Polygon", [_ring(SQUARE)], plane={"z": 1})])
    assert read_mask(path, grid).any(axis=(1, 2)).tolist() == [False, True, False]


def test_a_geojson_beyond_the_limit_is_not_read(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geojson_files, "_MAX_BYTES", 10)
    with pytest.raises(DataError, match="is larger than"):
        _read(_geojson(tmp_path / "a.geojson", [_feature("Polygon", [_ring(SQUARE)])]), image)


@pytest.mark.parametrize("labels", [*DRAWN.values(), *(noisy_labels(seed) for seed in range(8))])
@pytest.mark.parametrize("suffix", [".zip", ".geojson"])
def test_what_is_written_for_fiji_and_qupath_is_read_back(tmp_path: Path, labels: np.ndarray, suffix: str) -> None:
    """No pixel differs; objects are numbered in the order of the file."""
    path = tmp_path / f"a{suffix}"
    (write_rois if suffix == ".zip" else write_geojson)(path, labels)
    back = read_mask(path, Grid("image.png", labels.shape))
    pairs = {*zip(labels.ravel().tolist(), back.ravel().tolist(), strict=True)}
    assert len(pairs) == len(np.unique(labels)) == len(np.unique(back))
    np.testing.assert_array_equal(back > 0, labels > 0)


def test_memory_does_not_grow_with_the_objects() -> None:
    size = 300
    outlines = [Outline(str(number), (np.array(_square(0, 0, size)),)) for number in range(100)]
    tracemalloc.start()
    labels = fill_outlines("a.roi", outlines, (size, size), "a.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (labels == 100).all()
    assert peak < 25 * size**2  # all of them at once are 100 bytes a pixel


def test_each_pixel_in_several_outlines_belongs_to_the_smallest_and_of_equal_ones_to_the_last() -> None:
    rng = np.random.default_rng(0)
    corners, sizes = rng.integers(0, 20, (40, 2)), rng.integers(1, 9, 40)
    outlines = [Outline("a", (np.array(_square(x, y, size)),)) for (x, y), size in zip(corners, sizes, strict=True)]
    expected = np.zeros((30, 30), dtype=np.int32)
    for index in sorted(range(40), key=lambda index: (-sizes[index], index)):
        x, y = corners[index]
        expected[y : y + sizes[index], x : x + sizes[index]] = index + 1
    np.testing.assert_array_equal(fill_outlines("a.roi", outlines, (30, 30), "a.png"), expected)


def test_roifile_writes_what_these_tests_mean() -> None:
    assert ROI_OPTIONS.SUB_PIXEL_RESOLUTION in ImagejRoi.frompoints(np.array(SQUARE, np.float32) + 0.5).options
    assert roifile.ImagejRoi.frompoints(SQUARE).n_coordinates == 4
