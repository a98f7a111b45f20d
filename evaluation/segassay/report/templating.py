"""Pages from templates: the environment that all of them share, styles and scripts, and the content policy of a page.

folders of templates  ->  Environment; style, script  ->  policy
"""

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

__all__ = ["TEMPLATES", "content_policy", "environment", "text_of"]

TEMPLATES = Path(__file__).parent / "templates"


@lru_cache  # a template is compiled once
def environment(*folders: Path) -> Environment:
    """Templates of these folders, else those of this room; names are escaped, and an unknown one is an error."""
    return Environment(
        loader=FileSystemLoader([*folders, TEMPLATES], encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def text_of(name: str) -> str:
    """Text of a style or script, with the line ends that a browser hashes."""
    return (TEMPLATES / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def content_policy(style: str, script: str) -> str:
    """Content security policy of the page: only its own style and script, and images inside it.

    Args:
        style: Text between `<style>` and `</style>`.
        script: Text between `<script>` and `</script>`.

    Example:
        >>> content_policy("", "").split("; ")[:2]
        ["default-src 'none'", 'img-src data:']
    """
    allowed = "; ".join(
        f"{kind}-src 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for kind, text in (("style", style), ("script", script))
    )
    return f"default-src 'none'; img-src data:; {allowed}; base-uri 'none'; form-action 'none'"
