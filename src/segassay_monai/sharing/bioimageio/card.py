"""The documentation of a model package, with the numbers of the assay.

network, About, Numbers -> README.md
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2

from segassay_monai.ensemble.classes import Classes
from segassay_monai.sharing.about import About
from segassay_monai.sharing.bioimageio.tiles import tiles_of
from segassay_monai.sharing.whole_image_net import WholeImageNet
from segassay_monai.sharing.zoo.numbers import Numbers

__all__ = ["write_card"]

_TEMPLATE = Path(__file__).with_name("card.md.j2")


def write_card(
    path: Path,
    *,
    name: str,
    net: WholeImageNet,
    axes: str,
    about: About,
    numbers: Numbers,
    classes: Classes = (),
    channels: Sequence[str] = (),
) -> None:
    """Write `README.md`."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    text = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        name=name,
        about=about,
        numbers=numbers,
        n_members=len(net.members),
        axes=axes,
        n_channels=net.in_channels,
        channels=list(channels),
        both_channels=net.both_channels,
        net=net,
        classes=[name for name, _ in classes],
        halo=tiles_of(net.strides).halo,
    )
    path.write_text(text, encoding="utf-8", newline="")
