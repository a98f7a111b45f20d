"""Figures for a paper or for slides: every figure that the tables of an evaluation can give, in the formats asked for.

Results  ->  <name>.svg with text as text, <name>.png at 300 dpi, <name>.pdf
"""

from collections.abc import Sequence
from pathlib import Path

from segassay.errors import UsageError
from segassay.figures.style import SIZES, encode_figure, in_style
from segassay.judgement.results import Results
from segassay.report.plots import all_charts

__all__ = ["FORMATS", "check_style", "draw_publication"]

FORMATS = ("svg", "png", "pdf")
DPI = 300


def check_style(style: str, formats: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The style and the formats, each once.

    Raises:
        UsageError: If one is unknown, or there is no format.

    Example:
        >>> check_style("talk", ["png", "svg", "png"])
        ('talk', ('png', 'svg'))
    """
    if style not in SIZES:
        raise UsageError(f"--style {style}: expected {' or '.join(SIZES)}")
    for one in formats or ("",):
        if one not in FORMATS:
            raise UsageError(f"--format {one}: expected one or more of {','.join(FORMATS)}")
    return style, tuple(dict.fromkeys(formats))


def draw_publication(found: Results, folder: Path, style: str, formats: Sequence[str]) -> None:
    """Draw all figures into a new folder.

    Args:
        found: The evaluation.
        folder: Folder to create.
        style: A key of `SIZES`.
        formats: Any of `FORMATS`.
    """
    folder.mkdir()
    with in_style(style):
        for name, draw in all_charts(found).items():
            figure = draw()
            for at, kind in enumerate(formats):
                if at:
                    figure.set_layout_engine("none")  # all formats have the layout of the first
                data = encode_figure(figure, kind, dpi=DPI, text="none")  # type: ignore[arg-type]
                (folder / f"{name}.{kind}").write_bytes(data)
