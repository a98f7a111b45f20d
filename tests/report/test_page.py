"""The report: one file that a biologist can read, that hides nothing and treats every name as text."""

import base64
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape

from scored import scored
from segassay.assay import Evaluation, evaluate
from segassay.checks.check import check_dataset
from segassay.io.images import write_mask
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.scores.measure import AGAINST
from segassay.qualities.validity import records as validity
from segassay.report.page import write_report
from segassay.report.tables import _held_out, distance_tables, effects_table
from segassay.simulation.dataset import RaterHabit, Simulation, simulate

RATERS = tuple(RaterHabit(f"rater_{i}", missing_cases=0.3 if i == 3 else 0) for i in range(4))
ODD_NAME = "<b>m & co</b>"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, Path]:
    """Four raters, the truth, and a model with an odd name that finds nothing in any image."""
    folder = tmp_path_factory.mktemp("report")
    settings = Simulation(shape=(64, 64), n_cases=8, images_per_subject=1, n_nuclei=6, raters=RATERS)
    data = simulate(folder / "data", settings)
    table = (data / "experiment.csv").read_text().splitlines()
    keep = [i for i, name in enumerate(table[0].split(",")) if name in ("case", "group")]  # no subjects
    lines = [",".join(line.split(",")[i] for i in keep) for line in table]
    (data / "experiment.csv").write_text("\n".join(lines) + "\n")
    for path in sorted((data / "images").iterdir()):
        (folder / "empty").mkdir(exist_ok=True)
        write_mask(folder / "empty" / f"{path.name.split('.')[0]}.png", np.zeros((64, 64), bool))
    masks = {"truth": data / "truth", ODD_NAME: folder / "empty"}
    return evaluate(data, folder / "out", masks=masks, track=False), folder / "out" / "report.html"


@pytest.fixture(scope="module")
def page(evaluated: tuple[Evaluation, Path]) -> str:
    return evaluated[1].read_text(encoding="utf-8")


def chapter(page: str, name: str, following: str) -> str:
    """The page from one heading to another."""
    return page[page.index(f'<h2 id="{name}"') : page.index(f'<h2 id="{following}"')]


def test_the_page_needs_no_other_file(page):
    sources = re.findall(r'(?:src|srcset|data|poster)="([^"]{0,40})', page)
    assert len(sources) >= 4
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    links = re.findall(r'href="([^"]*)', page)
    assert all(link.startswith(("#", "https://doi.org/")) for link in links)
    assert "url(" not in page
    assert "<link" not in page


def test_the_figures_in_it_are_those_beside_it(evaluated, page):
    inlined = [base64.b64decode(text) for text in re.findall(r"image/svg\+xml;base64,([^\"]+)", page)]
    beside = [path.read_bytes() for path in evaluated[1].with_name("figures").glob("*.svg")]
    assert sorted(inlined) == sorted(beside)
    for svg in inlined:
        assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_names_are_text_and_never_markup(page):
    assert "<b>m" not in page
    assert "&lt;b&gt;m &amp; co&lt;/b&gt;" in page


def test_the_three_sentences_and_verdicts_stand_in_it(evaluated, page):
    for quality in ("objectivity", "reliability", "validity"):
        judged = evaluated[0].summary[quality]
        assert str(escape(judged["verdict"])) in page
        assert str(escape(judged["rule"])) in page
        assert str(escape(judged["sentence"])) in page


def test_it_says_what_readers_must_know(evaluated, page):
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "conditional on these raters and seeds" in text
    assert "Images are the units of these tests." in text
    assert "rater_3 covers" in text
    assert "This applies to" in text
    assert "it is unknown whether it was trained on the cases it is scored on" in text
    assert evaluated[0].summary["data_hash"] in text


def test_the_caption_of_the_raters_names_the_columns_below_it(page):
    caption, header = re.findall(r"<caption>(F1, foreground found.*?)</caption><thead>(.*?)</thead>", page, re.DOTALL)[
        0
    ]
    assert "only in the figure, against the consensus of all raters" in caption
    for column in ("foreground found", "background left"):
        assert f"{column} (" in caption
        assert f">{column}<" in header


def test_what_is_undefined_is_counted(evaluated, page):
    scores = evaluated[0].scores
    of_model = scores[scores["target"] == ODD_NAME].set_index("measure")
    n = of_model.loc["f1_leave_one_out", "n_cases"]  # not the cases that rater_3 lacks
    assert 0 < n < 8
    assert of_model.loc["mean_iou_leave_one_out", ["n_cases", "n_undefined"]].to_list() == [0, n]
    assert "undefined" in page
    section = re.sub(r"</?a[^>]*>", "", chapter(page, "undefined", "conventions"))
    assert (
        f"m &amp; co&lt;/b&gt;</td><td>mean IoU against the consensus of the other raters</td><td>{n}</td><td>0"
        in section
    )


def test_distances_stand_in_a_table_per_unit_with_what_bounds_them():
    """Between raters in µm, one of six undefined; a model against the reference in pixels, none undefined."""
    counted = {"n_comparisons": 6, "n_comparisons_undefined": 1}
    of_raters = [(objectivity.HD95.form(variant="um"), "raters"), (objectivity.ASSD.form(variant="um"), "raters")]
    between = scored(*of_raters, (objectivity.NSD.form(), "raters"), (objectivity.F1.form(), "raters")).assign(
        value=[2.5, 0.5, 0.75, 0.1], low=[2.0, 0.25, 0.5, 0.1], high=[3.0, 0.75, 1.0, 0.1], **counted
    )
    where = {"comparison": AGAINST, "reference": "gt"}
    of_net = [(validity.HD95.form(**where, variant="px"), "net"), (validity.ASSD.form(**where, variant="px"), "net")]
    of_net = scored(*of_net, (validity.NSD.form(**where), "net"), contains_raters=True).assign(
        value=[4.0, 1.0, 0.25], low=[3.0, 0.5, 0.0], high=[5.0, 1.5, 0.5], n_comparisons=2
    )
    scores = pd.concat([between.assign(bound=[40.0, 30.0, np.nan, np.nan]), of_net], ignore_index=True)
    tables = distance_tables(scores.assign(n_cases=2))
    assert list(tables) == ["µm", "px"]
    assert list(tables["µm"].header) == [
        "annotators",
        "compared with",
        "HD95 (µm)",
        "ASSD (µm)",
        "NSD",
        "images",
        "undefined",
    ]
    between = ["raters", "each other", "2.50 (2.00 to 3.00); at most 40.00", "0.50 (0.25 to 0.75); at most 30.00"]
    assert tables["µm"].rows == [[*between, "0.75 (0.50 to 1.00)", "2", "1 of 6"]]
    of_net = ["net", "gt (contains the raters)", "4.00 (3.00 to 5.00)", "1.00 (0.50 to 1.50)", "0.25 (0.00 to 0.50)"]
    assert tables["px"].rows == [[*of_net, "2", "0 of 2"]]


def test_distances_in_images_of_scanners_are_in_millimetres():
    rows = [(objectivity.HD95.form(variant="um"), "raters"), (objectivity.ASSD.form(variant="um"), "raters")]
    scores = scored(*rows, (objectivity.NSD.form(), "raters")).assign(
        value=[2577.7, 651.2, 0.75], low=[2077.2, 542.0, 0.5], high=[3247.4, 783.2, 1.0], bound=[4e4, 3e4, np.nan]
    )
    scores = scores.assign(n_comparisons=6, n_comparisons_undefined=1, n_cases=2)
    ((unit, table),) = distance_tables(scores, 500.0).items()
    assert (unit, table.header[2]) == ("mm", "HD95 (mm)")
    assert table.rows[0][2:5] == [
        "2.58 (2.08 to 3.25); at most 40.00",
        "0.65 (0.54 to 0.78); at most 30.00",
        "0.75 (0.50 to 1.00)",
    ]
    assert list(distance_tables(scores, 99.0)) == ["µm"]


def test_the_page_says_how_far_outlines_lie_apart(evaluated, page):
    """The model that finds nothing has no outline; its distances are bounded by the diagonal of the image."""
    section = chapter(page, "distances", "habits")
    ((unit, table),) = distance_tables(evaluated[0].scores).items()
    assert f"HD95 ({unit})" in section
    diagonal = evaluated[0].tables.distances["diagonal"].unique().item()
    of_model = [row for row in table.rows if row[0] == ODD_NAME]
    assert of_model
    for row in of_model:
        assert row[2].startswith(f"undefined; at most {diagonal:.2f}")
        assert row[4].startswith("0.00")
        assert f"<td>{row[2]}</td>" in section
    assert any(row[0] != ODD_NAME and "undefined" not in row[2] for row in table.rows)


def test_eta_squared_is_floored_for_display_only(evaluated):
    effects = evaluated[0].effects
    negative = effects[(effects["test"] == "kruskal_wallis") & (effects["eta_squared"] < 0)]
    changed = effects.assign(eta_squared=effects["eta_squared"].where(effects["test"] != "kruskal_wallis", -0.04))
    shown = [row for row in effects_table(changed, "count").rows if row[1] == "all groups"]
    assert {row[5] for row in shown} == {"0.000"}
    assert (changed.loc[changed["test"] == "kruskal_wallis", "eta_squared"] == -0.04).all()
    assert len(negative) == (effects["eta_squared"] < 0).sum()  # Mann-Whitney's is a square


def test_the_same_evaluation_gives_the_same_page(evaluated, tmp_path):
    found, path = evaluated
    figures = {svg.stem: svg.read_bytes() for svg in path.with_name("figures").glob("*.svg")}
    for name in ("one", "two"):
        drawn = dict(sorted(figures.items(), reverse=name == "two"))
        write_report(tmp_path / name, found, drawn, gallery=found.gallery, facts={})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("held_out", "kind", "expected"),
    [
        ([True, True], "model", "all images"),
        ([True, None], "ensemble", "1 images, unknown for 1"),
        ([None, None], "model", "unknown"),
        ([None, None], "human", "–"),
    ],
)
def test_held_out_status(evaluated, held_out, kind, expected):
    masks = evaluated[0].annotations.head(2).assign(held_out=held_out).astype({"held_out": "boolean"})
    assert _held_out(masks, kind) == expected


def test_the_header_says_what_was_evaluated_and_how(evaluated, page):
    found, path = evaluated
    header = page[page.index("<header") : page.index("</header>")]
    assert f"<h1>{found.name}</h1>" in header
    assert f"segassay {found.summary['versions']['segassay']}" in header
    assert found.summary["data_hash"] == check_dataset(path.parents[1] / "data").summary["data_hash"]
    assert found.summary["data_hash"] in header
    assert found.summary["masks_hash"] not in header
    assert "--masks truth=truth --masks" in found.summary["command"]
    assert str(path.parents[1]) not in page  # names of folders, not their places
    assert str(escape(found.summary["command"])) in header


def test_facts_that_are_given_stand_in_the_header(evaluated, tmp_path):
    write_report(tmp_path / "page", evaluated[0], {}, facts={"Date": "2026-01-31", "Run": "<i>7</i>"})
    text = (tmp_path / "page").read_text()
    assert "<dt>Date</dt><dd>2026-01-31</dd>" in text
    assert "<dt>Run</dt><dd>&lt;i&gt;7&lt;/i&gt;</dd>" in text


def test_warnings_and_notes_stand_before_the_verdicts(evaluated, tmp_path):
    policy = evaluated[0].summary["policy"] | {"warnings": [f"mask {n} is <b>" for n in range(9)]}
    found = replace(evaluated[0], summary=evaluated[0].summary | {"policy": policy})
    write_report(tmp_path / "page", found, {})
    text = (tmp_path / "page").read_text()
    box = text[text.index('<section class="warnings"') : text.index('<div class="cards')]
    assert all(f"mask {n} is &lt;b&gt;" in box for n in range(9))
    assert "<strong>9 warnings</strong>" in box
    assert all(str(escape(note)) in box for note in policy["notes"])


def test_people_alone_have_a_verdict_on_people_and_no_empty_ones(tmp_path):
    rng = np.random.default_rng(1)
    masks = {name: {case: rng.random((16, 16)) > 0.6 for case in "123"} for name in ("anna", "ben")}
    found = evaluate(masks=masks)
    write_report(tmp_path / "page", found, {})
    text = (tmp_path / "page").read_text()
    assert text.count('<section class="card ') == 1
    assert "do they agree well enough to teach a model?" in text
    assert "7 more images in which something is marked" in text
