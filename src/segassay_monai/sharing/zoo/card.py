"""The model card of the bundle, in the form of the zoo, and what Hugging Face adds to it.

metadata, Numbers, About -> docs/README.md and its figures, docs/data_license.txt; README.md with tags
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from segassay_monai.ensemble.classes import TOUCHING, is_exclusive
from segassay_monai.ensemble.familiar import read_description
from segassay_monai.ensemble.members import Member
from segassay_monai.ensemble.network import NetworkSettings, size_divisor
from segassay_monai.sharing.about import About
from segassay_monai.sharing.zoo.numbers import Numbers

__all__ = ["write_card", "write_data_license"]

_TEMPLATE = Path(__file__).with_name("card.md.j2")
_TAGS = "---\ntags:\n- monai\n- medical\n- image-segmentation\nlibrary_name: monai\nlicense: apache-2.0\n---\n"
_TARGETS = {
    "staple": "the STAPLE consensus of several raters",
    "majority": "the majority vote of several raters",
    "union": "the union of the masks of several raters",
    "intersection": "the intersection of the masks of several raters",
    "object": "the consensus of several raters, object by object",
    "soft": "the share of raters that marked each pixel",
    "random_rater": "the mask of another rater for each tile",
}


def write_card(
    folder: Path,
    *,
    name: str,
    metadata: Mapping[str, Any],
    about: About,
    settings: NetworkSettings,
    members: Sequence[Member],
    n_members: int,
    numbers: Numbers,
    min_object_size: int,
) -> None:
    """Write `docs/README.md` with its figures, and `README.md` as a repository on Hugging Face shows it."""
    docs = folder / "docs"
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    described = read_description(folder / "models" / "model.pt")
    seen = {case for member in members for case in member.train + member.val}
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    words = {
        "name": name,
        "meta": metadata,
        "about": about,
        "n_members": n_members,
        "classes": [name for name, _ in settings.classes],
        "is_exclusive": is_exclusive(settings.classes),
        "is_touching": settings.objects == TOUCHING,
        "divisor": size_divisor(settings.strides),
        "intensity_range": settings.intensity_range,
        "target": _target({member.trained_on for member in members}),
        "n_images": len(seen) or "not stated",
        "numbers": numbers,
        "min_object_size": min_object_size,
        "axes": None if described is None else described.axes,
        "has_familiar": described is not None,
    }
    (docs / "README.md").write_text(template.render(words, figures_at=""), encoding="utf-8", newline="")
    tagged = _TAGS + template.render(words, figures_at="docs/")
    (folder / "README.md").write_text(tagged, encoding="utf-8", newline="")
    for figure in numbers.figures:
        shutil.copyfile(figure, docs / figure.name)


def _target(trained_on: set[str]) -> str:
    """Training target of the members, without names of raters.

    Example:
        >>> _target({"staple"}), _target({"anna", "ben"})
        ('as in the STAPLE consensus of several raters', 'as raters drew them')
    """
    known = [text for name, text in _TARGETS.items() if trained_on == {name}]
    return f"as in {known[0]}" if known else "as raters drew them"


def write_data_license(path: Path, about: About) -> None:
    """Write the license of the data that the model was trained on."""
    source, terms = about.data_source or "not stated", about.data_license or "not stated; ask the authors"
    line = "-" * 71
    path.write_text(
        f"Third Party Licenses\n{line}\n\nData that the model was trained on\n  source: {source}\n  license: {terms}\n",
        encoding="utf-8",
    )
