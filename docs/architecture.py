"""Draw the rooms with their imports and list their contracts: the picture and the tables of architecture.md.

    imports -> arrows that no longer way implies -> rows -> places -> figures/architecture.svg, .png

Run it after a room has come or gone, has another contract or imports another room: `python docs/architecture.py`.
"""

import re
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch
from matplotlib.path import Path as Curve
from rooms import PURPOSE, ROOT, contracts, find_modules, read_rooms, room_arrows

PAGE = "docs/architecture.md"
PICTURE = "docs/figures/architecture"
COLOURS = {"segassay": "#cfe3ee", "segassay_monai": "#f3dfc1"}
NOT_DRAWN = {"segassay.former", "segassay.lazy", "segassay_monai.former", "segassay_monai.inference"}
"""Modules that hold names alone: no data flows through them."""
BOX, BEND = 1.9, 0.5
"""Width of the column that a box takes, and an arrow that passes between boxes."""

Arrows = dict[str, set[str]]
Rows = list[list[str]]
Ways = dict[tuple[str, str], list[str]]


def arrows_drawn(root: Path = ROOT) -> Arrows:
    """The arrows of the picture: without those that others imply, and without modules that hold names alone."""
    arrows = {room: others - NOT_DRAWN for room, others in room_arrows(root).items() if room not in NOT_DRAWN}
    return fewest_arrows(arrows)


def fewest_arrows(arrows: Arrows) -> Arrows:
    """The arrows that no longer way through other rooms implies.

    Example:
        >>> fewest_arrows({"cli": {"data", "io"}, "data": {"io"}, "io": set()})
        {'cli': {'data'}, 'data': {'io'}, 'io': set()}
    """
    below: Arrows = {}
    for room in reversed(arrows):
        below[room] = arrows[room].union(*(below[other] for other in arrows[room]))
    return {
        room: {other for other in others if not any(other in below[between] for between in others)}
        for room, others in arrows.items()
    }


def row_numbers(arrows: Arrows) -> dict[str, int]:
    """Row of each room: every arrow leads down; a room that has more arrows out than in stands as low as it can.

    Example:
        >>> row_numbers({"cli": {"data", "plan"}, "data": {"io"}, "plan": set(), "io": set()})
        {'cli': 0, 'data': 1, 'plan': 1, 'io': 2}
    """
    row: dict[str, int] = {}
    for room in arrows:
        row[room] = max((row[other] + 1 for other in row if room in arrows[other]), default=0)
    for room in reversed(arrows):
        if len(arrows[room]) > sum(room in others for others in arrows.values()):
            row[room] = min(row[other] for other in arrows[room]) - 1
    return row


def lay_out(arrows: Arrows) -> tuple[Rows, Ways]:
    """What stands in each row, and what each arrow passes: `a>b` is a bend of the arrow from a to b, one a row."""
    number = row_numbers(arrows)
    rows: Rows = [[] for _ in range(max(number.values()) + 1)]
    for room in arrows:
        rows[number[room]].append(room)
    ways: Ways = {}
    for room, others in arrows.items():
        for other in sorted(others):
            bends = [f"{room}>{other}>{row}" for row in range(number[room] + 1, number[other])]
            ways[room, other] = [room, *bends, other]
            for bend in bends:
                rows[int(bend.rpartition(">")[2])].append(bend)
    return rows, ways


def place(rows: Rows, ways: Ways, n_sweeps: int = 400) -> dict[str, float]:
    """Where everything stands in its row: in the middle of what it is joined to, so that few arrows cross."""
    steps = [step for way in ways.values() for step in pairwise(way)]
    x = {node: float(number) for row in rows for number, node in enumerate(row)}
    above = {node: [a for a, b in steps if b == node] for node in x}
    below = {node: [b for a, b in steps if a == node] for node in x}
    for sweep in range(n_sweeps):
        joined = (above, below)[sweep % 2]
        for row in rows if sweep % 2 == 0 else reversed(rows):
            others = joined if sweep < n_sweeps - 200 else {node: above[node] + below[node] for node in row}
            wanted = {node: _mean([x[other] for other in others[node]], x[node]) for node in row}
            if sweep < n_sweeps - 200:
                row.sort(key=wanted.__getitem__)
            x.update(_apart(row, wanted))
    return x


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _apart(row: list[str], wanted: dict[str, float]) -> dict[str, float]:
    """Places nearest to the wanted ones (least squares), in order and wide enough apart."""
    widths = np.array([BEND if ">" in node else BOX for node in row])
    offsets = np.cumsum(widths) - widths / 2
    free = np.array([wanted[node] for node in row]) - offsets
    means = [[free[i : j + 1].mean() if i <= j else np.nan for j in range(len(row))] for i in range(len(row))]
    rising = [max(min(means[i][j] for j in range(k, len(row))) for i in range(k + 1)) for k in range(len(row))]
    return dict(zip(row, (np.array(rising) + offsets).tolist(), strict=True))


def draw(arrows: Arrows) -> plt.Figure:
    """Boxes in rows, arrows between them; each arrow's `gid` is its two rooms."""
    rows, ways = lay_out(arrows)
    x = place(rows, ways)
    y = {node: -float(number) for number, row in enumerate(rows) for node in row}
    figure, axes = plt.subplots(figsize=(9, 0.8 * len(rows)), layout="constrained")
    for (room, other), way in ways.items():
        axes.add_patch(_arrow([(x[node], y[node]) for node in way], f"{room}->{other}"))
    for room in arrows:
        _box(axes, room, x[room], y[room])
    legend = [Patch(facecolor=colour, edgecolor="0.4", label=package) for package, colour in COLOURS.items()]
    figure.legend(handles=legend, loc="outside lower center", ncols=2, frameon=False)
    axes.set(xlim=(min(x.values()) - 1, max(x.values()) + 1), ylim=(min(y.values()) - 0.5, 0.5))
    axes.axis("off")
    return figure


def _arrow(points: list[tuple[float, float]], name: str) -> FancyArrowPatch:
    (first, top), (last, bottom) = points[0], points[-1]
    past = [(x, y + side) for x, y in points[1:-1] for side in (0.25, -0.25)]  # upright where a row of boxes stands
    vertices = [(first, top - 0.25), *past, (last, bottom + 0.27)]
    arrow = FancyArrowPatch(path=Curve(vertices), arrowstyle="-|>", mutation_scale=9, color="0.45", linewidth=1)
    arrow.set_gid(name)
    return arrow


def _box(axes: Axes, room: str, x: float, y: float) -> None:
    package, name = room.split(".")
    corner, style = (x - 0.8, y - 0.22), "round,pad=0.02,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch(corner, 1.6, 0.44, boxstyle=style, facecolor=COLOURS[package], edgecolor="0.4"))
    axes.text(x, y, name, ha="center", va="center", fontsize=11)


def save(figure: plt.Figure, root: Path = ROOT) -> None:
    """Write the picture, the same bytes for the same arrows: no date, text as text, names that do not change."""
    with matplotlib.rc_context({"svg.hashsalt": "segassay", "svg.fonttype": "none"}):
        figure.savefig(root / f"{PICTURE}.svg", metadata={"Date": None, "Creator": None})
        figure.savefig(
            root / f"{PICTURE}.png", dpi=100, metadata={"Software": None, "Description": names_of_arrows(figure)}
        )


def names_of_arrows(figure: plt.Figure) -> str:
    """The arrows of a picture, such as `segassay.data->segassay.io`, one a line."""
    return "\n".join(patch.get_gid() for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch))


def tables(root: Path = ROOT) -> str:
    """The rooms with their contracts as Markdown, in the order of docs/rooms.yaml, inner rooms below theirs."""
    said, modules = contracts(root), find_modules(root)
    parts = []
    for package, purpose in PURPOSE.items():
        rows = [f"### {package}: {purpose}", "", "| room | what it holds |", "|---|---|"]
        for room in [one for one in read_rooms(root) if one.startswith(f"{package}.")]:
            for module in [one for one in said if f"{one}.".startswith(f"{room}.")]:
                path = modules[module].relative_to(root).as_posix()
                rows.append(f"| [{module.partition('.')[2].replace('.', '/')}](../{path}) | {said[module]} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def main(root: Path = ROOT) -> None:
    """Write the picture, and the tables between their two marks on the page."""
    matplotlib.use("agg")
    save(draw(arrows_drawn(root)), root)
    page = root / PAGE
    text = page.read_text(encoding="utf-8")
    written = re.sub(r"(?s)(?<=<!-- rooms -->\n).*?(?=\n<!-- end -->)", lambda _: tables(root), text)
    page.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
