"""The README in a built package: its links are absolute where the address of the repository is known.

PyPI shows the README without the repository beside it, so a link to `docs/data.md` would lead nowhere. Workflows of
GitHub say where they run (`GITHUB_SERVER_URL`, `GITHUB_REPOSITORY`, `GITHUB_SHA`); elsewhere the text stays as it is.
"""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Readme(MetadataHookInterface):
    """Fills in the project's readme."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the text of README.md."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        if repository := os.environ.get("GITHUB_REPOSITORY"):
            address = f"{os.environ['GITHUB_SERVER_URL']}/{repository}"
            text = absolute_links(text, address, os.environ["GITHUB_SHA"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def absolute_links(text: str, address: str, commit: str) -> str:
    """Markdown whose links to files of the repository are absolute; pictures are linked as raw files.

    Example:
        >>> absolute_links("![A](a.png) and [B](docs/b.md#c)", "https://host/me/it", "1234")
        '![A](https://host/me/it/raw/1234/a.png) and [B](https://host/me/it/blob/1234/docs/b.md#c)'
    """

    def absolute(found: re.Match[str]) -> str:
        kind = "raw" if found[1] else "blob"
        return f"{found[1]}[{found[2]}]({address}/{kind}/{commit}/{found[3]})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)", absolute, text)
