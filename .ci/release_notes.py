"""Print what CHANGELOG.md says of one version: `python .ci/release_notes.py 0.1.0`."""

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"


def notes_of(version: str, changelog: str) -> str:
    """The section of a version, without its heading.

    Raises:
        SystemExit: If the version has no section, or an empty one.

    Example:
        >>> notes_of("1.0", "## [Unreleased]\\n\\n## [1.0] - 2026-01-01\\n### Added\\n- all\\n\\n## [0.9]\\n- less")
        '### Added\\n- all'
    """
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        heading, _, notes = section.partition("\n")
        if heading.startswith(f"[{version}]") and notes.strip():
            return notes.strip()
    raise SystemExit(f"CHANGELOG.md says nothing of {version}; add a section `## [{version}] - YYYY-MM-DD`")


if __name__ == "__main__":
    sys.stdout.write(notes_of(sys.argv[1], CHANGELOG.read_text(encoding="utf-8")) + "\n")
