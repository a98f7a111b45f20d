"""Headings and tables of HTML for notebooks; what they hold is escaped."""

from collections.abc import Sequence
from html import escape

__all__ = ["html_heading", "html_table"]


def html_heading(text: str) -> str:
    """A heading of HTML; the text is escaped.

    Example:
        >>> html_heading("<b>lab")
        '<h4>&lt;b&gt;lab</h4>'
    """
    return f"<h4>{escape(text)}</h4>"


def html_table(header: tuple[str, ...], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; an empty text without rows. All cells are escaped.

    Example:
        >>> html_table(("image",), [])
        ''
        >>> "<td style='text-align:left'>&lt;b&gt;</td>" in html_table(("image",), [["<b>"]])
        True
    """
    if not rows:
        return ""
    head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in header)
    cells = ["".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
