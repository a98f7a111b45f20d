"""Markup of the page, read without a browser: names stay text, and readers of screens find their way."""

import base64
import hashlib
import itertools
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from odd_names import HANDLER, SCRIPT, STYLE

VOID = {"meta", "img", "br", "input", "link"}


class Markup(HTMLParser):
    """Elements of a page in their order, as name and attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text, self.inside, self.unclosed = "", "", list[str]()
        self.scripts: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.unclosed[-1] if self.unclosed else ""
        if inside == "script" and self.elements[-1][1].get("type"):
            return  # data
        if inside in ("style", "script"):
            self.scripts[inside] = self.scripts.get(inside, "") + data
        else:
            self.text += data

    def all(self, *names: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name in names]


@pytest.fixture(scope="module")
def markup(odd_page) -> Markup:
    return Markup(odd_page.read_text(encoding="utf-8"))


def test_names_that_look_like_code_are_text(markup):
    for name in (SCRIPT, HANDLER, STYLE):
        assert name in markup.text
    assert len(markup.all("style")) == 1
    assert [one.get("type") for one in markup.all("script")] == ["application/json", None]  # data of the gallery
    assert {name for name, _ in markup.elements} <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "script",
            "a",
            "div",
            "nav",
            "ol",
            "ul",
            "li",
            "main",
            "header",
        ),
        *("h1", "h2", "h3", "p", "button", "dl", "dt", "dd", "code", "section", "strong", "span", "details", "summary"),
        *("svg", "circle", "path", "rect", "line", "text", "figure", "img", "figcaption", "br", "sub", "sup"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td", "noscript"),
        *("label", "select", "input", "fieldset", "legend", "dialog"),  # of the gallery
    }


def test_no_attribute_is_code_or_style(markup):
    names = {name for _, attributes in markup.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("style", "srcdoc", "action", "formaction")]


def test_the_policy_allows_the_style_and_the_script_of_the_page_and_nothing_else(markup):
    (policy,) = [meta["content"] for meta in markup.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    assert {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "img-src": "data:",
    }.items() <= parts.items()
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(markup.scripts[kind].encode()).digest()).decode()
        assert parts[f"{kind}-src"] == f"'sha256-{digest}'"
    assert "unsafe" not in policy


def test_headings_are_in_order_and_ids_are_of_one_element(markup):
    levels = [int(name[1]) for name, _ in markup.elements if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in markup.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {link["href"][1:] for link in markup.all("a") if link["href"].startswith("#")}
    assert targets <= set(ids)
    labels = {of for _, attributes in markup.elements for of in attributes.get("aria-labelledby", "").split()}
    assert labels <= set(ids)


def test_language_alternatives_and_names_are_given(markup):
    assert markup.all("html")[0]["lang"] == "en"
    assert all(image["alt"] for image in markup.all("img"))
    assert len(markup.all("img")) > 4
    for attributes in markup.all("svg"):
        assert attributes.get("aria-hidden") == "true" or (attributes["role"] == "img" and attributes["aria-label"])
    scrolled = [one for one in markup.all("div") if one.get("tabindex") == "0"]
    assert scrolled
    assert all(one["role"] in ("region", "group") and one["aria-label"] for one in scrolled)
    assert len(markup.all("table")) == len([one for one in markup.all("div") if one.get("class") == "wide"])
    assert all(one["scope"] in ("row", "col") for one in markup.all("th"))


def test_no_code_word_is_left_in_the_tables_of_measures(odd):
    """Names such as `recall 1 2px`, `sem F1`, `phi count` and those with an underscore."""
    from segassay.report.naming import plain_name

    names = {plain_name(row) for row in odd.scores.to_dict("records")}
    assert len(names) > 60
    for name in names:
        assert not re.search(r"_|\b(sem|mdc95|phi|ece|cv|sd|aurc|iou|px|um)\b", name), name


def test_every_measure_has_its_place_in_the_glossary(odd, markup):
    ids = {attributes.get("id") for attributes in markup.all("dt")}
    from segassay.report.glossary import anchor

    assert {anchor(record) for record in odd.scores["record"].unique()} <= ids
    terms = [link for link in markup.all("a") if link.get("class") == "term"]
    assert len(terms) > 50
    assert all(link["title"].endswith("?") for link in terms)


def test_raters_of_any_name_have_cards_with_words_and_an_icon(markup):
    cards = [one for one in markup.all("section") if one.get("class", "").startswith("card")]
    assert len(cards) == 3
    for word in ("Cannot be judged", "What would settle it"):
        assert word in markup.text
