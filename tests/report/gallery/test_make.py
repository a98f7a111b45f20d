"""The gallery of an evaluation: which cases have a picture, their order and numbers, and what is left out."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import segassay.report
from lab_like import lab
from segassay.assay import evaluate
from segassay.assay.sources import check_kinds, read_sources
from segassay.data.dataset import Dataset
from segassay.io.images import write_mask
from segassay.judgement.results import Results
from segassay.report.gallery import make
from segassay.report.gallery.embed import gallery_json
from segassay.report.gallery.make import gallery_text, make_gallery
from segassay.report.templating import text_of
from segassay.tables.build import build_tables

TEMPLATES = Path(segassay.report.__file__).parent / "templates"
CASES = ("00_0", "01_0", "02_0", "04_0")
ODD = "</script><script>alert(1)</script>"


@dataclass(frozen=True)
class Compared:
    """Masks compared, without the scores and verdicts that the gallery does not need."""

    found: Results
    dataset: Dataset | None

    @property
    def gallery(self) -> dict[str, Any]:
        return make_gallery(self.found, self.dataset)


def compared(
    annotations: pd.DataFrame | None = None, masks: Mapping[str, Any] | None = None, **described: Any
) -> Compared:
    kinds = check_kinds(masks or {}, None, None, default="human")
    sources = read_sources(None, annotations, masks or {}, kinds=kinds, described=described)
    tables = build_tables(sources.dataset, sources.annotations, n_jobs=1)
    none = pd.DataFrame()
    rest = (none, none, None, none, none, none, {}, pd.Series(dtype=str), sources.annotations)
    return Compared(Results(sources.name, sources.annotations, tables, *rest), sources.dataset)


@pytest.fixture(scope="module")
def evaluated() -> Compared:
    """Four images of four raters and six models, with the uncertainty of the ensembles."""
    data = lab(1)
    table = data["annotations"]
    table = table[table["case"].isin(CASES) & ~table["annotator"].str.match("ben/|cleo/|dora/|staple/s[4567]$")]
    share = [np.asarray(cell, dtype=float) if isinstance(cell, np.ndarray) else None for cell in table["prob"]]
    table = table.assign(
        uncertainty=pd.Series(["" if one is None else 4 * one * (1 - one) for one in share], table.index)
    )
    return compared(table, images={case: data["images"][case] for case in CASES}, min_object_size=4)


@pytest.fixture(scope="module")
def gallery(evaluated: Compared) -> dict[str, Any]:
    return evaluated.gallery


def values(gallery: dict[str, Any], key: str) -> dict[str, float | None]:
    place = [measure["key"] for measure in gallery["measures"]].index(key)
    return {case: of_case[place] for case, of_case in gallery["cases"]}


def test_it_is_the_same_after_a_turn_through_its_file(evaluated, gallery):
    assert json.loads(gallery_text(gallery)) == gallery
    assert gallery_text(evaluated.gallery) == gallery_text(gallery)


def test_cases_with_most_disagreement_come_first(evaluated, gallery):
    of_raters = evaluated.found.tables.agreement[evaluated.found.tables.agreement["iou_threshold"] == 0.5]
    people = ("anna", "ben", "cleo", "dora")
    of_raters = of_raters[of_raters["annotator_a"].isin(people) & of_raters["annotator_b"].isin(people)]
    assert len(of_raters) == 4 * 6
    expected = (1 - of_raters.groupby("case", observed=True)["f1"].mean()).sort_values(ascending=False)
    assert values(gallery, "disagreement") == pytest.approx(expected.to_dict(), abs=1e-4)
    found = [case for case, _ in gallery["cases"]]
    assert expected[found].is_monotonic_decreasing
    assert [picture["case"] for picture in gallery["pictures"]] == found
    assert gallery["notes"] == []


def test_measures_of_a_case_are_those_of_the_tables(evaluated, gallery):
    counts = evaluated.found.tables.counts[
        evaluated.found.tables.counts["annotator"].isin(("anna", "ben", "cleo", "dora"))
    ]
    of_case = counts.groupby("case", observed=True)["n_objects"]
    assert values(gallery, "objects") == pytest.approx(of_case.mean().to_dict(), abs=1e-4)
    assert values(gallery, "range") == pytest.approx((of_case.max() - of_case.min()).to_dict())
    single = {picture["case"]: sum(picture["n_single"].values()) for picture in gallery["pictures"]}
    assert values(gallery, "single") == single
    assert max(single.values()) > 0
    anna = next(one for one in gallery["annotators"] if one["name"] == "anna")
    own = evaluated.found.tables.counts[evaluated.found.tables.counts["annotator"] == "anna"].set_index("case")[
        "n_objects"
    ]
    assert anna["n_objects"] == [own[picture["case"]] for picture in gallery["pictures"]]


def test_the_uncertainty_of_a_judged_ensemble_is_shown(evaluated, gallery):
    assert gallery["uncertain"] == "staple/s0-3"
    assert all(picture["uncertainty"].startswith("data:image/png") for picture in gallery["pictures"])
    rows = evaluated.found.annotations.query("annotator == 'staple/s0-3'").set_index("case")["uncertainty"]
    means = {case: float(cell.picture.array.mean()) for case, cell in rows.items()}
    assert values(gallery, "uncertainty") == pytest.approx(means, abs=1e-3)


def test_raters_come_first_and_then_what_is_judged(gallery):
    kinds = [one["kind"] for one in gallery["annotators"]]
    assert kinds[:6] == ["rater"] * 4 + ["ensemble"] * 2
    assert set(kinds[6:]) == {"model"}


def test_all_cases_stay_in_the_list_and_the_page_says_what_has_no_picture(evaluated, gallery, monkeypatch):
    monkeypatch.setattr(make, "MAX_PICTURES", 2)
    few = evaluated.gallery
    assert [picture["case"] for picture in few["pictures"]] == [case for case, _ in gallery["cases"][:2]]
    assert [case for case, _ in few["cases"]] == [case for case, _ in gallery["cases"]]
    assert [case for case, n in values(few, "single").items() if n is not None] == [
        case for case, _ in few["cases"][:2]
    ]
    assert few["notes"][0].startswith("Pictures of 2 of 4 cases")
    monkeypatch.setattr(make, "MAX_BYTES", len(json.dumps(few["pictures"][0])) + 10)
    assert len(evaluated.gallery["pictures"]) == 1
    monkeypatch.setattr(make, "MAX_LISTED", 3)
    short = evaluated.gallery
    assert len(short["cases"]) == 3
    assert "the first 3; all are in the tables" in short["notes"][0]


def test_annotators_without_outlines_are_counted(evaluated, monkeypatch):
    monkeypatch.setattr(make, "MAX_ANNOTATORS", 3)
    monkeypatch.setattr(make, "MAX_PICTURES", 1)
    few = evaluated.gallery
    assert [one["name"] for one in few["annotators"]] == ["anna", "ben", "cleo"]
    assert few["pictures"][0]["n_raters"] == 4
    assert list(few["pictures"][0]["outlines"]) == ["anna", "ben", "cleo"]
    assert any(note.startswith("Outlines of 3 of ") for note in few["notes"])


def test_files_and_arrays_give_the_same_gallery(tmp_path: Path):
    masks = two_raters()
    for name, of_case in masks.items():
        (tmp_path / name).mkdir()
        for case, mask in of_case.items():
            write_mask(tmp_path / name / f"{case}.png", mask)
    of_files = evaluate(masks={name: tmp_path / name for name in masks}, out=tmp_path / "out")
    text = (tmp_path / "out" / "gallery.json").read_text(encoding="utf-8")
    assert text == gallery_text(compared(masks=masks).gallery)
    assert str(tmp_path) not in text
    assert gallery_text(of_files.gallery) == text


def two_raters() -> dict[str, dict[str, np.ndarray]]:
    """Two cases; in the second, both raters mark nothing."""
    mask = np.zeros((20, 30), dtype=bool)
    mask[3:8, 3:8] = True
    return {"anna": {"1": mask, "2": mask & False}, "ben": {"1": np.roll(mask, 12), "2": mask & False}}


def test_a_file_that_was_moved_is_said_and_stops_nothing(tmp_path: Path):
    masks = two_raters()
    for name, of_case in masks.items():
        (tmp_path / name).mkdir()
        for case, mask in of_case.items():
            write_mask(tmp_path / name / f"{case}.png", mask)
    found = compared(masks={name: tmp_path / name for name in masks})
    (tmp_path / "ben" / "1.png").unlink()
    gallery = found.gallery
    assert [picture["case"] for picture in gallery["pictures"]] == ["2"]
    assert "1 case without a picture, since a file can no longer be read: 1." in gallery["notes"]
    assert str(tmp_path) not in gallery_text(gallery)


def test_empty_masks_have_a_picture_without_outlines():
    picture = next(one for one in compared(masks=two_raters()).gallery["pictures"] if one["case"] == "2")
    assert picture["outlines"] == {"anna": "", "ben": ""}
    assert picture["single"] == []


def test_a_missing_prediction_has_no_outline():
    rows = [("1", "anna", "human"), ("1", "net", "model"), ("2", "anna", "human"), ("2", "net", "model")]
    mask = two_raters()["anna"]["1"]
    table = pd.DataFrame([(*row, "" if row == ("2", "net", "model") else mask) for row in rows])
    table.columns = ["case", "annotator", "kind", "path"]
    table.loc[3, "path"] = "nowhere.png"
    gallery = compared(table).gallery
    assert [(one["case"], list(one["outlines"])) for one in gallery["pictures"]] == [
        ("2", ["anna"]),
        ("1", ["anna", "net"]),
    ]
    assert [one["n_objects"] for one in gallery["annotators"]] == [[1, 1], [None, 1]]
    assert "annotators" in gallery["measures"][0]["explained"]  # there is one rater


def test_no_name_leaves_the_script_element():
    masks = two_raters()
    gallery = compared(masks={ODD: masks["anna"], "b&b": masks["ben"]}).gallery
    page = rendered(gallery)
    assert "alert(1)" in page
    assert ODD not in page
    assert not set("<>&") & set(gallery_json(gallery))  # nor does `<!--` begin a comment
    seen = Elements()
    seen.feed(page)
    assert seen.tags.count("script") == 1
    assert json.loads("".join(seen.script)) == gallery


class Elements(HTMLParser):
    """Start tags of a page, attributes, and what stands in its script element."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.script: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.script += [data] if self.tags[-1:] == ["script"] and data.strip() and data.startswith("{") else []


def rendered(gallery: dict[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("gallery.html").render(gallery=gallery, gallery_json=gallery_json(gallery))


def test_the_page_keeps_a_strict_policy(gallery):
    seen = Elements()
    seen.feed(rendered(gallery))
    assert not [name for name in seen.attributes if name == "style" or name.startswith("on")]
    assert not re.search(
        r"\beval\b|\bFunction\(|innerHTML|insertAdjacentHTML|document\.write|https?://(?!www\.w3\.org/2000/svg)",
        text_of("gallery.js"),
    )
    assert "url(" not in text_of("gallery.css")
    assert "@import" not in text_of("gallery.css")


def test_every_part_that_the_program_uses_is_in_the_page(gallery):
    page = rendered(gallery)
    used = set(re.findall(r'by\("([a-z]+)"\)', text_of("gallery.js")))
    assert len(used) > 20
    assert [name for name in used if f'id="gallery-{name}"' not in page] == []
