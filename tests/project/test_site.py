"""The site: built without a warning and without the internet; every link and picture in it leads somewhere."""

import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

import segassay
import segassay_monai
from forked import Forked

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
"""No server answers there, so that a build which fetches something fails."""
BUILD = """
import gc, sys
gc.disable()
sys.modules["ruff"] = None
from mkdocs.__main__ import cli
cli(["build", "--strict", "--site-dir", sys.argv[1]])
"""
"""Without ruff a signature is one line: that lines are broken well costs a process for each of them, a third of all."""

pytest.importorskip("mkdocs", reason="the site needs the extra docs")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-c", BUILD, str(folder)]
    log = folder.with_name("site.log")
    with log.open("w", encoding="utf-8") as file:
        environment = os.environ | NOWHERE | {"NO_MKDOCS_2_WARNING": "1"}
        built = Forked(words, cwd=ROOT, env=environment, stdout=file, stderr=file).wait()
    assert built == 0, log.read_text(encoding="utf-8")
    assert "WARNING" not in log.read_text(encoding="utf-8")
    return folder


def test_nothing_is_loaded_from_elsewhere(site):
    """Links may lead to other places; scripts, styles, fonts and pictures may not."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)[^>]+src="?([^\s">]+)', text)
        loaded += re.findall(r'<link[^>]+rel="?(?:stylesheet|preload|icon)[^>]+href="?([^\s">]+)', text)
        assert loaded
        assert [source for source in loaded if "//" in source and not source.startswith("data:")] == [], page


def test_every_link_leads_to_a_file(site):
    n_links = 0
    for page in site.rglob("*.html"):
        for target in re.findall(r'(?:href|src)="?([^\s">]+)', page.read_text(encoding="utf-8")):
            path, _ = urldefrag(unquote(target))
            if path and "://" not in path and not path.startswith(("data:", "mailto:")):
                n_links += 1
                found = site / path.lstrip("/") if path.startswith("/") else page.parent / path
                assert found.exists(), (page, target)
    assert n_links > 1000


def test_every_guide_is_a_page_of_the_site_and_stands_in_its_navigation(site):
    front = (site / "index.html").read_text(encoding="utf-8")
    for page in [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "docs").rglob("*.ipynb"),
        ROOT / "CHANGELOG.md",
        ROOT / "mlflow/README.md",
    ]:
        path = page.relative_to(ROOT).with_suffix(".html").as_posix().replace("README", "index")
        assert (site / path).is_file(), path
        assert re.search(rf'href="?(\./)?{re.escape(path)}', front), path


def test_public_names_and_rooms_are_in_the_reference(site):
    page = (site / "docs/reference/index.html").read_text(encoding="utf-8")
    for name in [*segassay.__all__, *segassay_monai.__all__]:
        assert f"<code>{name}</code>" in page, name
    statistics = (site / "docs/reference/segassay.statistics.html").read_text(encoding="utf-8")
    assert 'id="segassay.statistics.chance.fleiss_kappa"' in statistics


def test_examples_of_docstrings_are_shown_as_code(site):
    for page in (site / "docs/reference").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<blockquote>" not in text, page


def test_search_knows_the_glossary(site):
    assert "imprint" in (site / "search/search_index.json").read_text(encoding="utf-8")
