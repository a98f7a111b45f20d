"""The page of a prediction: safe with hostile names, small, and worst first."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segassay_monai.prediction.gallery import effect_sentences, write_gallery
from segassay_monai.prediction.subjects import ExperimentTables, experiment_tables
from segassay_monai.prediction.thumbnails import thumbnail

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


class Tags(HTMLParser):
    """Start tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def review_of(names: list[str]) -> pd.DataFrame:
    n = len(names)
    return pd.DataFrame({"rank": range(1, n + 1), "case": names, "expected_quality": 0.8, "reason": ""})


def cases_of(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"case": names, "n_objects": 3})


def experiment(n: int = 12) -> ExperimentTables:
    """Two groups with a subject in each case; the second has three times as many objects."""
    names = [f"c{i}" for i in range(n)]
    counts = pd.DataFrame({"case": names, "n_objects": [10 + i if i < n // 2 else 30 + i for i in range(n)]})
    counts = counts.assign(density=counts["n_objects"] / 1000, mean_intensity=[50.0 + i % 3 for i in range(n)])
    groups = ["H" if i < n // 2 else HOSTILE for i in range(n)]
    return experiment_tables(counts, pd.DataFrame({"case": names, "group": groups, "subject": names}), "H")


def page_of(path: Path, names: list[str], thumbnails: dict[str, bytes | Path] | None = None, **tables: object) -> str:
    words = {"name": "staple/s0-3", "review": review_of(names), "cases": cases_of(names)}
    write_gallery(path, thumbnails=thumbnails or {}, **words | tables)  # type: ignore[arg-type]
    return path.read_text(encoding="utf-8")


def test_hostile_names_are_text(tmp_path: Path) -> None:
    found = experiment()
    failed = pd.DataFrame([{"file": HOSTILE, "what": HOSTILE, "action": HOSTILE}])
    words = {"subjects": found.subjects, "effects": found.effects, "failed": failed, "notes": [HOSTILE]}
    page = page_of(tmp_path / "r.html", [HOSTILE, "b"], {HOSTILE: b"jpeg"}, name=HOSTILE, **words)
    tags = Tags(page)
    assert not tags.all("script")
    assert [image["src"] for image in tags.all("img")] == [
        "data:image/jpeg;base64," + base64.b64encode(b"jpeg").decode()
    ]
    assert not [key for _, attributes in tags.found for key in attributes if key.startswith("on")]
    assert tags.text.count(HOSTILE) >= 6, "shown as they are written"


def test_nothing_is_loaded_and_only_its_own_style_applies(tmp_path: Path) -> None:
    page = page_of(tmp_path / "r.html", ["STYLE_HASH</style>"])
    tags = Tags(page)
    policy = next(meta["content"] for meta in tags.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    assert not [value for _, attributes in tags.found for value in attributes.values() if value and "http" in value[:5]]
    assert not tags.all("link")
    assert not [attributes for _, attributes in tags.found if "style" in attributes]
    assert "STYLE_HASH" in tags.text, "a case of that name keeps it"


def test_200_images_stay_below_5_mb_and_the_worst_are_shown(tmp_path: Path) -> None:
    names = [f"case_{i:04d}" for i in range(200)]
    found = {name: np.random.default_rng(i).bytes(60_000) for i, name in enumerate(names)}
    page = page_of(tmp_path / "r.html", names, found)
    assert len(page.encode()) < 5_000_000
    tags = Tags(page)
    n_shown = len(tags.all("img"))
    assert 40 < n_shown < 200
    assert [image["alt"] for image in tags.all("img")] == [f"Objects found in {name}" for name in names[:n_shown]]
    assert f"{200 - n_shown} of 200 pictures are not shown" in tags.text
    assert len(tags.all("details")) == 200, "each has its line"
    assert sum("open" in details for details in tags.all("details")) == 4


def test_a_large_picture_does_not_let_better_images_take_its_place(tmp_path: Path) -> None:
    page = page_of(tmp_path / "r.html", ["a", "b", "c"], {"a": b"1", "b": b"2" * 4_000_000, "c": b"3"})
    assert [image["alt"] for image in Tags(page).all("img")] == ["Objects found in a"]


def test_pictures_may_be_files_and_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"jpeg")
    page = page_of(tmp_path / "r.html", ["a", "b"], {"a": tmp_path / "a.jpg"})
    assert len(Tags(page).all("img")) == 1
    assert "1 of 2 pictures are not shown" in page


def test_sentences_name_both_groups_and_the_size_of_the_effect() -> None:
    found = {
        sentence.split(" of ")[0].split(" in ")[0]: (verdict, sentence)
        for verdict, sentence in effect_sentences(experiment().effects)
    }
    verdict, sentence = found["The number"]
    assert verdict == "higher"
    row = experiment().effects.query("measure == 'count' and unit == 'subject' and test == 'mann_whitney'").iloc[0]
    assert f"is higher in {HOSTILE} than in H: by {row['hl_shift']:+.0%} of the control mean" in sentence
    assert "6 and 6 subjects" in sentence
    assert found["No difference"][0] == "none"


def test_too_few_subjects_are_said() -> None:
    verdicts = dict(effect_sentences(experiment(4).effects))
    assert set(verdicts) == {"not_testable"}
    assert "cannot be tested with so few values (2 and 2 subjects)" in verdicts["not_testable"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([True, False], "1 image is unlike the images of the training."),
        ([False, False], "No image is unlike the images of the training."),
        ([None, None], "is not known"),
    ],
)
def test_unlike_images_are_counted_or_said_to_be_unknown(tmp_path: Path, column: list[object], expected: str) -> None:
    page = page_of(tmp_path / "r.html", ["a", "b"], cases=cases_of(["a", "b"]).assign(is_unlike=column))
    assert expected in page


def test_images_as_units_are_warned_of(tmp_path: Path) -> None:
    counts = cases_of(list("abcdefgh")).assign(density=0.1, mean_intensity=5.0)
    table = pd.DataFrame({"case": list("abcdefgh"), "group": list("HHHHCCCC")})
    found = experiment_tables(counts, table, "H")
    assert "name the subjects" in page_of(tmp_path / "r.html", ["a"], subjects=found.subjects, effects=found.effects)
    found = experiment()
    assert "name the subjects" not in page_of(
        tmp_path / "s.html", ["a"], subjects=found.subjects, effects=found.effects
    )


def test_a_page_without_images(tmp_path: Path) -> None:
    assert "0 images, 0 objects" in page_of(tmp_path / "r.html", [])


def decoded(jpeg: bytes) -> np.ndarray:
    import imagecodecs

    return np.asarray(imagecodecs.jpeg8_decode(jpeg)).astype(int)


def test_thumbnail_frames_the_least_sure_place_and_outlines_objects_there() -> None:
    image, labels, unsure = np.zeros((3, 600, 400))
    labels[500:540, 300:340] = 1
    unsure[500:540, 300:340] = 1
    image[100:140, 100:140] = image[500:540, 300:340] = 200
    page = decoded(thumbnail(image[None], labels.astype(int), unsure))
    assert page.shape[0] == 200, "600 pixels in steps of 3"
    left, right = page[:, :133], page[:, 139:]
    orange = (left[..., 0] > 180) & (left[..., 2] < 110) & (left[..., 1] > 100) & (left[..., 1] < 200)
    rows, columns = np.nonzero(orange)
    assert rows.min() > 120
    assert columns.min() > 60
    cyan = (right[..., 0] < 110) & (right[..., 1] > 150) & (right[..., 2] > 150)
    assert cyan.any(), "the object is outlined in the enlarged part"


@pytest.mark.parametrize(
    "shape", [(1, 40, 30), (1, 1, 1), (3, 1000, 10), (2, 50, 50), (5, 64, 64), (1, 9, 64, 64), (1, 3000, 2900)]
)
def test_every_shape_has_a_small_thumbnail(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 60000, shape, dtype=np.uint16)
    labels = np.zeros(shape[1:], dtype=np.int32)
    labels[tuple(length // 2 for length in shape[1:])] = 70000
    jpeg = thumbnail(image, labels, np.zeros(shape[1:], dtype=np.float32))
    assert len(jpeg) < 100_000
    assert decoded(jpeg).shape[2] == 3
