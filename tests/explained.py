"""What docs/columns.md explains: for each file its columns, with those that many tables have."""

import re
from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "columns.md"
COMMON = "In many tables"


def _sections() -> dict[str, list[str]]:
    """Files that a heading names, else the heading -> columns in its table; of several headings of a file, of all."""
    parts = re.split(r"^##+ (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found: dict[str, list[str]] = {}
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        cells = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
        columns = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
        for name in re.findall(r"`([\w.]+)`", heading) or [heading]:
            found.setdefault(name, []).extend(columns)
    return found


SECTIONS = _sections()


def unexplained(file: str, columns: Iterable[str]) -> list[str]:
    """Columns of a file that neither its section nor the first one of the page names."""
    known = [*SECTIONS[COMMON], *SECTIONS.get(file, [])]
    patterns = [re.sub(r"<\w+>", ".+", re.sub(r"([.+])", r"\\\1", name)) for name in known]
    return [column for column in columns if not any(re.fullmatch(pattern, column) for pattern in patterns)]
