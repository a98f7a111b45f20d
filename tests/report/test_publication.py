"""Every figure of an evaluation in the style of a paper and of a talk: nothing is cut off, the same bytes each time."""

from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from PIL import Image

from command import run
from drawing import fits
from segassay import Evaluation
from segassay.assay.read import read_results
from segassay.figures.style import encode_figure, in_style
from segassay.report import publication
from segassay.report.plots import all_charts

ADDED = {
    "clustered_agreement",
    "bland_altman_count",
    "variation_per_effect",
    "calibration",
    "uncertainty",
    "risk_coverage",
}
"""Figures that neither an evaluation nor its report draws."""


@pytest.fixture(scope="module")
def found(written: SimpleNamespace) -> Evaluation:
    return read_results(written.folder)


def test_what_is_cut_off_is_found():
    figure = Figure(figsize=(2, 2))
    figure.text(0.9, 0.5, "much too long for this")
    assert not fits(figure)


@pytest.mark.parametrize("style", ["paper", "talk"])
def test_nothing_is_cut_off(found, written, style):
    with in_style(style):
        charts = {name: draw() for name, draw in all_charts(found).items()}
    assert charts.keys() > ADDED
    assert ADDED.isdisjoint(path.stem for path in (written.folder / "figures").iterdir())
    assert [name for name, figure in charts.items() if not fits(figure)] == []


def test_the_figures_are_drawn_in_the_formats_asked_for(written, tmp_path, monkeypatch):
    """Those that only this command draws and two others; that every figure can be drawn is tested above."""
    chosen = ADDED | {"agreement", "habits"}

    def few(found):
        return {name: draw for name, draw in all_charts(found).items() if name in chosen}

    monkeypatch.setattr(publication, "all_charts", few)
    out = tmp_path / "out"
    assert run(monkeypatch, "report", written.folder, "--out", out, "--style", "talk", "--format", "svg,png,pdf") == 0
    names = {path.name for path in (out / "figures").iterdir()}
    assert {f"{name}.{kind}" for name in chosen for kind in ("svg", "png", "pdf")} == names
    svg = (out / "figures" / "agreement.svg").read_text(encoding="utf-8")
    words = ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert {"anna", "staple/s0-3"} <= set(words)
    with Image.open(out / "figures" / "agreement.png") as picture:
        assert round(picture.info["dpi"][0]) == 300
    assert (out / "figures" / "agreement.pdf").read_bytes().startswith(b"%PDF")
    assert (out / "report.html").read_bytes() == (written.folder / "report.html").read_bytes()


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_the_same_figure_gives_the_same_bytes(found, kind):
    draw = all_charts(found)["calibration"]
    assert encode_figure(draw(), kind, dpi=50) == encode_figure(draw(), kind, dpi=50)
