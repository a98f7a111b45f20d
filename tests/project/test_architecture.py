"""The page on architecture is true: its picture and its tables are those that the code gives now."""

import doctest
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from small_trees import plant

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import architecture  # noqa: E402
import rooms  # noqa: E402

AGAIN = "no longer true: run python docs/architecture.py"


def arrows_of(root: Path) -> set[str]:
    found = architecture.arrows_drawn(root)
    return {f"{room}->{other}" for room, others in found.items() for other in others}


def drawn(picture: Path) -> tuple[set[str], list[str]]:
    """Names of the arrows of a picture, and the words in it."""
    nodes = list(ElementTree.parse(picture).iter())
    names = {node.get("id", "") for node in nodes}
    return {name for name in names if "->" in name}, [node.text or "" for node in nodes if node.tag.endswith("text")]


def test_the_picture_shows_the_rooms_and_imports_of_the_code():
    arrows, words = drawn(ROOT / f"{architecture.PICTURE}.svg")
    assert arrows == arrows_of(ROOT), AGAIN
    names = [room.partition(".")[2] for room in architecture.arrows_drawn(ROOT)]
    assert sorted(words) == sorted([*names, *rooms.HOMES]), AGAIN
    with Image.open(ROOT / f"{architecture.PICTURE}.png") as image:
        assert set(image.info["Description"].splitlines()) == arrows, AGAIN


def test_the_page_lists_the_contracts_of_the_code():
    assert architecture.tables() in (ROOT / architecture.PAGE).read_text(encoding="utf-8"), AGAIN


def test_every_room_has_a_contract_of_one_sentence():
    for module, contract in architecture.contracts().items():
        assert re.fullmatch(r"[A-Z`].{20,140}[.?]", contract), module


def test_examples_of_the_script_are_true():
    assert doctest.testmod(architecture) == (0, 2)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    plant(tmp_path, {"tables/build": '"""Tables: built."""', "io": '"""Files: read."""\nimport numpy\n'})
    (tmp_path / "docs/figures").mkdir()
    (tmp_path / "docs/architecture.md").write_text("before\n<!-- rooms -->\nstale\n<!-- end -->\nafter\n")
    return tmp_path


def files(root: Path) -> list[bytes]:
    return [(root / f"docs/{name}").read_bytes() for name in ("architecture.md", "figures/architecture.svg")]


def test_the_same_code_gives_the_same_bytes(small):
    architecture.main(small)
    first = files(small)
    architecture.main(small)
    assert files(small) == first
    assert b"stale" not in first[0]
    assert b"| [io](../evaluation/segassay/io.py) | Files: read. |" in first[0]


def test_a_new_import_is_a_new_arrow_unless_a_longer_way_says_it(small):
    architecture.main(small)
    assert drawn(small / "docs/figures/architecture.svg")[0] == {
        "segassay_monai.study->segassay.judgement",
        "segassay.judgement->segassay.tables",
    }
    plant(
        small, {"tables/build": "def build():\n    import segassay.io", "judgement/verdicts": "import segassay.tables"}
    )
    (small / "evaluation/segassay/judgement/more.py").write_text("import segassay.io")
    architecture.main(small)
    assert drawn(small / "docs/figures/architecture.svg")[0] == {
        "segassay_monai.study->segassay.judgement",
        "segassay.judgement->segassay.tables",
        "segassay.tables->segassay.io",
    }
