"""The page in a browser: nothing runs but its script, tables sort and filter, and axe-core finds no fault.

Skipped where there is no Chromium; what is about accessibility also where `$SEGASSAY_AXE` names no axe.min.js (from
`npm install axe-core`).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from browser import Browser, chromium
from segassay import evaluate


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("no Chromium here: install it, or set SEGASSAY_CHROMIUM to its path")
    with Browser(path) as started:
        yield started


@pytest.fixture(scope="module")
def axe() -> str:
    place = os.environ.get("SEGASSAY_AXE", "")
    if not place:
        pytest.skip("SEGASSAY_AXE is not set: `npm install axe-core`, and set it to node_modules/axe-core/axe.min.js")
    return Path(place).read_text(encoding="utf-8")


def test_nothing_runs_but_the_script_of_the_page(browser, odd_page):
    browser.open(odd_page)
    assert browser.complaints == []
    assert browser.run("document.querySelectorAll('script:not([type])').length") == 1
    assert browser.run("document.querySelectorAll('img[onerror], [onload]').length") == 0
    assert browser.run("getComputedStyle(document.querySelector('.cards')).display") == "grid"  # the style is allowed
    assert browser.run("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_the_policy_refuses_what_a_name_might_smuggle_in(browser, odd_page, tmp_path):
    """The same page with escaping undone at one place: no script runs and nothing is asked for."""
    smuggled = "<script>window.run = 1</script><img src='https://example.org/x.png' onerror='window.run = 1'>"
    text = odd_page.read_text(encoding="utf-8").replace("<h1>", f"{smuggled}<h1>")
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    browser.open(tmp_path / "page.html")
    assert browser.run("window.run === undefined")
    assert len([one for one in browser.complaints if "Content Security Policy" in one]) >= 2


def test_tables_sort_by_number_and_filter_by_words(browser, odd_page):
    browser.open(odd_page)
    cells = "[...table.tBodies[0].rows].map(row => row.cells[3].textContent)"
    found = browser.run(
        "table = document.querySelector('#compared ~ .wide table'); button = table.querySelectorAll('thead button')[3];"
        f"button.click(); up = {cells}; button.click(); [up, {cells}, table.querySelectorAll('th')[3].ariaSort]"
    )
    assert [int(cell) for cell in found[0]] == sorted(int(cell) for cell in found[0])
    assert [int(cell) for cell in found[1]] == sorted((int(cell) for cell in found[1]), reverse=True)
    assert found[2] == "descending"
    shown = browser.run(
        "box = table.parentNode.previousElementSibling.querySelector('input'); box.value = 'Ensemble';"
        "box.dispatchEvent(new Event('input'));"
        "[...table.tBodies[0].rows].filter(row => !row.hidden).map(row => row.cells[1].textContent)"
    )
    assert shown == ["ensemble", "ensemble"]


def test_links_to_folded_parts_open_them_and_print_opens_all(browser, odd_page):
    browser.open(odd_page)
    assert browser.run("document.querySelectorAll('details:not([open])').length > 3")
    assert (
        browser.run("dispatchEvent(new Event('beforeprint')), document.querySelectorAll('details:not([open])').length")
        == 0
    )
    assert browser.run("dispatchEvent(new Event('afterprint')), document.querySelectorAll('details[open]').length") == 0
    lost = (
        "[...document.querySelectorAll('a[href^=\"#\"]')].filter(link => !document.getElementById(link.hash.slice(1)))"
    )
    assert browser.run(f"{lost}.map(link => link.hash)") == []


def test_dark_colours_by_the_system_and_by_the_button(browser, odd_page):
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.open(odd_page, scheme="dark")
    dark = browser.run(ground)
    light = browser.run(f"document.getElementById('theme').click(), {ground}")
    assert (dark, light) == ("rgb(20, 24, 29)", "rgb(255, 255, 255)")


def test_a_narrow_screen_has_no_scroll_bar_below(browser, odd_page):
    browser.open(odd_page, width=390)
    assert browser.run("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_axe_finds_no_fault(browser, axe, odd_page, scheme, width):
    browser.open(odd_page, scheme=scheme, width=width)
    browser.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    browser.run(axe)
    tags = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']"
    faults = browser.run(
        f"axe.run(document, {{runOnly: {tags}}}).then(found => found.violations.map("
        "fault => fault.id + ': ' + fault.nodes.map(node => node.html.slice(0, 120)).join(' ')))"
    )
    assert faults == []


def test_the_slices_of_a_volume_are_chosen_in_the_gallery(browser, tmp_path):
    """The disputed slice first, then the largest one of each object, then the projection; a case begins anew."""
    anna = np.zeros((4, 20, 24), dtype=bool)
    anna[1, 2:12, 2:12] = anna[2, 2:12, 2:8] = anna[3, 15:18, 15:18] = True
    ben = anna.copy()
    ben[2] = False
    found = evaluate(masks={"anna": {"1": anna, "2": anna}, "ben": {"1": ben, "2": anna}}, n_jobs=1)
    browser.open(found.report(tmp_path / "report.html"))
    assert browser.complaints == []
    options = browser.run("[...document.querySelectorAll('#gallery-slice option')].map(one => one.textContent)")
    assert options == [
        "plane 3 of 4 across axis 1: where raters disagree most",
        "plane 2 of 4 across axis 1: where object 1 by size is largest",
        "plane 4 of 4 across axis 1: where object 2 by size is largest",
        "largest values of all 4 planes across axis 1: projection",
    ]
    seen = browser.run(
        "slice = document.querySelector('#gallery-slice'); found = [];"
        "for (const value of ['0', '1', '2', '3']) { slice.value = value; slice.dispatchEvent(new Event('change'));"
        "  found.push([document.querySelector('#gallery-case').textContent,"
        "    [...document.querySelectorAll('#gallery-stage g[data-annotator] .gallery-line')].map(one =>"
        "      (one.getAttribute('d').match(/M/g) || []).length)]); } found"
    )
    assert ["plane" in head for head, _ in seen] == [True] * 4
    assert [loops for _, loops in seen] == [[1, 0], [1, 1], [1, 1], [2, 2]], "outlines of anna and ben"
    browser.run("document.querySelector('#gallery-next').click(); 1")
    assert browser.run("document.querySelector('#gallery-slice').value") == "0"
