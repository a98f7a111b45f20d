"""ROIs are filled as ImageJ itself fills them, pixel by pixel.

Runs where the environment variable `SEGASSAY_IJ_JAR` names ImageJ's ij.jar and JPype is installed. Debian's package
libij-java has it in /usr/share/java.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import roifile

from segassay.io.outlines import fill_outlines
from segassay.io.roi_files import outlines_of_rois

JAR = os.environ.get("SEGASSAY_IJ_JAR", "")
if not JAR:
    pytest.skip("SEGASSAY_IJ_JAR names no ij.jar, so ImageJ was not asked", allow_module_level=True)
jpype = pytest.importorskip("jpype", reason="JPype is not installed, so that Java cannot be called")

SHAPE = (60, 80)


@pytest.fixture(scope="module")
def ij() -> Any:
    if not jpype.isJVMStarted():
        jpype.startJVM("-Djava.awt.headless=true", "-Xmx512m", classpath=[JAR])
    return jpype.JPackage("ij")


def _boxes(kind: roifile.ROI_TYPE, **more: int) -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    for _ in range(50):
        height, width = rng.integers(1, 40, 2)
        top, left = rng.integers(0, SHAPE[0] - height), rng.integers(0, SHAPE[1] - width)
        box = {"top": int(top), "left": int(left), "bottom": int(top + height), "right": int(left + width)}
        yield roifile.ImagejRoi(roitype=kind, **box, **more).tobytes()


def _polygons(kind: roifile.ROI_TYPE, dtype: str) -> Iterator[bytes]:
    rng = np.random.default_rng(1)
    for n_points in rng.integers(3, 9, 50):
        roi = roifile.ImagejRoi.frompoints(rng.uniform(0, 60, (n_points, 2)).astype(dtype))
        roi.roitype = kind
        yield roi.tobytes()


def _composites(ij: Any) -> Iterator[bytes]:
    rng = np.random.default_rng(2)
    for _ in range(30):
        shapes = [
            ij.gui.ShapeRoi(make(*[int(value) for value in rng.integers(2, 30, 4)]))
            for make in (ij.gui.OvalRoi, ij.gui.Roi, ij.gui.OvalRoi)
        ]
        yield bytes(ij.io.RoiEncoder.saveAsByteArray(shapes[0].xor(shapes[1]).or_(shapes[2])))


def _ellipses(ij: Any) -> Iterator[bytes]:
    rng = np.random.default_rng(3)
    for _ in range(30):
        ends = [float(value) for value in rng.uniform(10, 50, 4)]
        yield bytes(ij.io.RoiEncoder.saveAsByteArray(ij.gui.EllipseRoi(*ends, 0.5)))


def test_no_pixel_differs(ij: Any) -> None:
    kinds = roifile.ROI_TYPE
    rois = [
        *_boxes(kinds.RECT),
        *_boxes(kinds.OVAL),
        *_boxes(kinds.RECT, rounded_rect_arc_size=10),
        *_polygons(kinds.POLYGON, "i4"),
        *_polygons(kinds.FREEHAND, "i4"),
        *_polygons(kinds.POLYGON, "f4"),
        *_composites(ij),
        *_ellipses(ij),
    ]
    for data in rois:
        image = ij.process.ByteProcessor(SHAPE[1], SHAPE[0])
        image.setValue(255)
        image.fill(ij.io.RoiDecoder(jpype.JArray(jpype.JByte)(data), "a").getRoi())
        expected = np.array(image.getPixels()).reshape(SHAPE) != 0
        assert expected.any()
        found = fill_outlines("a.roi", outlines_of_rois("a.roi", [("a", data)]), SHAPE, "a.png")
        np.testing.assert_array_equal(found > 0, expected)
