"""The gallery inside a page: its data as a script that no name can leave, its style and its program.

gallery  ->  text for <script type="application/json">; gallery.css, gallery.js
"""

import json
from pathlib import Path
from typing import Any

__all__ = ["gallery_css", "gallery_js", "gallery_json"]

_TEMPLATES = Path(__file__).parents[1] / "templates"


def gallery_json(gallery: dict[str, Any]) -> str:
    """The gallery as JSON that may stand inside a script element as it is.

    Example:
        >>> gallery_json({"case": "</script><b>"})
        '{"case":"\\\\u003c/script\\\\u003e\\\\u003cb\\\\u003e"}'
    """
    text = json.dumps(gallery, allow_nan=False, separators=(",", ":"))  # all other letters are ASCII
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def gallery_css() -> str:
    """Style of the gallery; it takes the colours `--ink`, `--paper`, `--line`, `--accent` and `--quiet` of the page."""
    return (_TEMPLATES / "gallery.css").read_text(encoding="utf-8")


def gallery_js() -> str:
    """Program of the gallery; it makes no markup of text, and needs nothing but the section of `gallery.html`."""
    return (_TEMPLATES / "gallery.js").read_text(encoding="utf-8")
