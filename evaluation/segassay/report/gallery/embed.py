"""The gallery inside a page: its data as a script that no name can leave.

gallery  ->  text for <script type="application/json">
"""

import json
from typing import Any

__all__ = ["gallery_json"]


def gallery_json(gallery: dict[str, Any]) -> str:
    """The gallery as JSON that may stand inside a script element as it is.

    Example:
        >>> gallery_json({"case": "</script><b>"})
        '{"case":"\\\\u003c/script\\\\u003e\\\\u003cb\\\\u003e"}'
    """
    text = json.dumps(gallery, allow_nan=False, separators=(",", ":"))  # all other letters are ASCII
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
