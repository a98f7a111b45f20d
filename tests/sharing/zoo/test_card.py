"""The model card: in the form of the zoo, with the numbers of the assay, and with what the author said."""

import re

import numpy as np
import pytest

from networks import SETTINGS
from segassay_monai.ensemble.familiar import Description, description_bytes
from segassay_monai.sharing.about import About
from segassay_monai.sharing.zoo.card import write_card, write_data_license
from segassay_monai.sharing.zoo.metadata import bundle_metadata
from segassay_monai.sharing.zoo.numbers import Number, Numbers, Verdict

ABOUT = About(
    title="Nuclei",
    authors=["A. Author", "B. Author"],
    objects="nuclei",
    data_source="https://example.org",
    version="0.2.0",
)
NUMBERS = Numbers(
    (Number("f1_pairwise", "F1 of objects", 0.7512, 0.701, 0.8, 24), Number("ece", "error", 0.01, None, None, 24)),
    (Verdict("validity", "supported", "F1 is 0.75 | 24 images."),),
)


@pytest.fixture(params=[1, 3])
def card(request, tmp_path):
    (tmp_path / "docs").mkdir()
    n = request.param
    figure = tmp_path / "strategies.png"
    figure.write_bytes(b"picture")
    numbers = Numbers(NUMBERS.numbers, NUMBERS.verdicts, (figure,)) if n == 3 else Numbers()
    metadata = bundle_metadata("cells_segmentation", SETTINGS, n, ABOUT, numbers.eval_metrics)
    words = {"metadata": metadata, "about": ABOUT, "settings": SETTINGS, "members": [], "n_members": n}
    if n == 3:
        (tmp_path / "models").mkdir()
        described = Description(np.ones((1, 3)), np.ones((1, 2)), 1, np.ones((1, 2)), "LPS")
        (tmp_path / "models" / "familiar.json").write_bytes(description_bytes(described))
    write_card(tmp_path, name="cells_segmentation", numbers=numbers, min_object_size=30, **words)
    return tmp_path


def test_it_has_the_sections_of_the_zoo_in_order(card):
    text = (card / "docs" / "README.md").read_text()
    sections = re.findall(r"^#+ \**([A-Z][A-Za-z ]+?)\**$", text, re.MULTILINE)
    wanted = [
        "Nuclei",
        "Authors",
        "Tags",
        "Model Description",
        "Data",
        "Preprocessing",
        "Input",
        "Output",
        "Performance",
    ]
    wanted += ["Additional Usage Steps", "System Configuration", "Limitations", "References", "License"]
    assert sections == wanted
    assert "A. Author, B. Author" in text
    assert "undefined" not in text.lower()


def test_the_numbers_of_the_assay_are_in_its_tables(card):
    text = (card / "docs" / "README.md").read_text()
    if "was not compared" in text:
        assert "| measure |" not in text
        return
    assert "| F1 of objects | 0.751 | 0.701 to 0.800 | 24 |" in text
    assert "| error | 0.010 | – | 24 |" in text
    assert "| validity | supported | F1 is 0.75 / 24 images. |" in text
    assert "](strategies.png)" in text
    assert (card / "docs" / "strategies.png").read_bytes() == b"picture"


def test_it_says_how_small_objects_may_be_and_what_marks_unlike_images(card):
    text = (card / "docs" / "README.md").read_text()
    assert "`--min_object_size` pixels, 30 by default" in text
    assert ("models/familiar.json" in text) == (card / "models").is_dir()
    assert ("Volumes of the training have the axes LPS" in text) == (card / "models").is_dir()


def test_tables_have_as_many_cells_as_their_header(card):
    for block in re.findall(r"(?:^\|.*\n)+", (card / "docs" / "README.md").read_text(), re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_hugging_face_shows_the_same_card_with_tags(card):
    text, docs = (card / "README.md").read_text(), (card / "docs" / "README.md").read_text()
    assert text.startswith("---\ntags:\n- monai\n- medical\n")
    body = text.split("---\n", 2)[2]
    assert body.replace("](docs/strategies.png)", "](strategies.png)") == docs


def test_the_license_of_the_data_is_a_file_of_its_own(tmp_path):
    write_data_license(tmp_path / "data_license.txt", About(data_source="Dryad", data_license="CC0 1.0"))
    assert "source: Dryad\n  license: CC0 1.0" in (tmp_path / "data_license.txt").read_text()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, {"0.1.0": "initial release"}),
        ({"version": "0.2.0", "changelog": {"0.1.0": "first"}}, {"0.2.0": "new version", "0.1.0": "first"}),
        (
            {"version": "0.2.0", "changelog": {"0.2.0": "second", "0.1.0": "first"}},
            {"0.2.0": "second", "0.1.0": "first"},
        ),
    ],
)
def test_the_changelog_has_the_version(said, expected):
    assert bundle_metadata("cells", SETTINGS, 1, About(**said), {})["changelog"] == expected
