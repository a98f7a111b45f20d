"""Outlines as text: no object is lost, and a decoded polygon fills the pixels that were drawn."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import segassay.report
from decoded_outlines import filled, polygons
from segassay.report.gallery.outlines import decode_numbers, encode_numbers, outline_text, traced

GALLERY_JS = Path(segassay.report.__file__).parent / "templates" / "gallery.js"


@settings(max_examples=40, deadline=None)
@given(arrays(np.int32, (7, 6), elements=st.integers(0, 2)))
def test_polygons_fill_exactly_the_pixels_of_each_object(labels):
    for number in (1, 2):
        own = np.where(labels == number, number, 0)
        np.testing.assert_array_equal(filled(outline_text(own, scale=2, tolerance=0), (7, 6), 2), own > 0)
    both = len(polygons(outline_text(labels, scale=2, tolerance=0), 2))
    each = [len(polygons(outline_text(np.where(labels == number, number, 0), scale=2), 2)) for number in (1, 2)]
    assert both == sum(each)  # touching objects keep their own outlines


def test_a_simplified_outline_stays_within_the_tolerance():
    rows, columns = np.indices((80, 90))
    angle = np.arctan2(rows - 40, columns - 45)
    blob = (np.hypot(rows - 40, columns - 45) < 28 + 4 * np.sin(7 * angle)).astype(int)
    full = shapely.LinearRing(traced(blob).points[:, ::-1])
    for tolerance in (0.35, 0.8, 2.0):
        (short,) = polygons(outline_text(blob, scale=2, tolerance=tolerance), 2)
        assert shapely.hausdorff_distance(full, shapely.LinearRing(short)) <= max(tolerance, 0.25) + 0.36  # rounding
        assert len(short) < 0.6 * len(full.coords)


@pytest.mark.parametrize("scale", [2.0, 1.0, 0.1])
def test_the_smallest_objects_have_an_outline(scale):
    labels = np.zeros((40, 50), dtype=int)
    labels[::10, ::10] = np.arange(1, 21).reshape(4, 5)
    text = outline_text(labels, scale=scale)
    assert len(polygons(text, scale)) == 20
    for polygon, (row, column) in zip(polygons(text, scale), np.argwhere(labels), strict=True):
        assert np.abs(polygon - (column, row)).max() <= 0.5 + 0.5 / scale


def test_no_objects_have_no_outline():
    assert outline_text(np.zeros((5, 5), dtype=int), scale=2) == ""
    assert outline_text(np.zeros((0, 5), dtype=int), scale=2) == ""


def test_holes_have_an_outline_too():
    ring = np.ones((9, 9), dtype=int)
    ring[3:6, 3:6] = 0
    assert len(polygons(outline_text(ring, scale=2), 2)) == 2


@given(st.lists(st.integers(-(2**40), 2**40)))
def test_numbers_come_back(numbers):
    assert decode_numbers(encode_numbers(numbers)) == numbers
    assert set(encode_numbers(numbers)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_page_decodes_the_same_points():
    labels = np.zeros((300, 400), dtype=int)
    labels[5:90, 300:390], labels[200:203, 2:9], labels[299, 399] = 1, 2, 3
    text = outline_text(labels, scale=2)
    (function,) = re.findall(r"\n  (function polygons\(text\) \{.*?\n  \})\n", GALLERY_JS.read_text(), flags=re.DOTALL)
    program = f"{function}; console.log(JSON.stringify(polygons({json.dumps(text)})))"
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True, timeout=60)
    expected = [((polygon + 0.5) * 2).round().astype(int).tolist() for polygon in polygons(text, 2)]
    assert json.loads(done.stdout) == expected
