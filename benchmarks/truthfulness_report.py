"""Report of truthfulness.json: figures, each with a JSON file, and the tables of docs/truthfulness.md."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

SIZES = (10, 20, 40)

Row = dict[str, Any]


def publish(results: Path, docs: Path) -> None:
    """Draw the figures and update the tables of the page, from the sections that exist."""
    found = json.loads(results.read_text(encoding="utf-8"))
    if {"means", "intervals"} <= set(found):
        _save(docs / "figures" / "truthfulness_coverage.png", coverage_figure(found), found["means"])
    if {"bias", "groups"} <= set(found):
        _save(docs / "figures" / "truthfulness_false_alarms.png", alarm_figure(found), found["groups"])
    page = docs / "truthfulness.md"
    text = page.read_text(encoding="utf-8")
    for name, table in tables(found).items():
        between = f"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
        text = re.sub(between, put_between(table), text, flags=re.DOTALL)
    page.write_text(text, encoding="utf-8")


def put_between(table: str) -> Callable[[re.Match[str]], str]:
    """Replacement for what stands between two matched groups."""
    return lambda ends: f"{ends[1]}{table}\n{ends[2]}"


def tables(found: Row) -> dict[str, str]:
    """Markdown tables by section."""
    columns = {
        "means": (["measure", "scores", "method"], "n_cases", "coverage"),
        "clusters": (["unit"], "n_subjects", "coverage"),
        "intervals": (["measure", "data", "method"], "n_cases", "coverage"),
        "further": (["measure", "data", "method"], "n_cases", "coverage"),
        "unequal": (["measure", "data", "method"], "n_cases", "coverage"),
        "rare": (["measure", "data", "method"], "n_cases", "coverage"),
        "seeds": (["luck", "seed_sd"], "n_seeds", "coverage"),
        "bias": (["raters", "test"], "n_cases", "rate"),
        "groups": (["test"], "n_subjects", "rate"),
        "verdicts": (["quality", "verdict"], "study", "n"),
    }
    return {name: as_markdown(found[name]["rows"], *columns[name]) for name in columns if name in found}


def as_markdown(rows: list[Row], keys: list[str], across: str, value: str) -> str:
    """One line per combination of keys, one column per size; shares in per cent."""
    data = pd.DataFrame(rows).pivot_table(index=keys, columns=across, values=value, sort=False)
    names = [f"{column} {across.removeprefix('n_')}" if across.startswith("n_") else str(column) for column in data]
    lines = [[*keys, *names], ["---"] * (len(keys) + len(names))]
    for index, numbers in zip(data.index, data.to_numpy(), strict=True):
        shown = [f"{number:.0f}" if value == "n" else f"{100 * number:.1f}".replace("nan", "–") for number in numbers]
        lines.append([*map(str, index if isinstance(index, tuple) else (index,)), *shown])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _save(path: Path, figure: Figure, section: Row) -> None:
    figure.savefig(path, dpi=120, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    known = {name: section[name] for name in ("command", "date", "commit", "data_hash", "machine", "versions")}
    known["numbers"] = "benchmarks/results/truthfulness.json"
    path.with_suffix(".json").write_text(json.dumps(known, indent=1) + "\n")


def coverage_figure(found: Row) -> Figure:
    """Means on the left, a line for each measure and kind of scores; every kind of interval and data on the right."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    means, others = pd.DataFrame(found["means"]["rows"]), pd.DataFrame(found["intervals"]["rows"])
    colours = {"Hall-t": "C0", "t": "C2", "BCa": "C1", "percentile": "C3"}
    for name_of_method, colour in colours.items():
        of_method = means[means["method"] == name_of_method]
        for at, (_, part) in enumerate(of_method.groupby(["measure", "scores"], sort=False)):
            label = None if at else name_of_method
            axes[0].plot(part["n_cases"], 100 * part["coverage"], color=colour, alpha=0.7, label=label)
    axes[0].set(title="means and paired differences", ylim=(84, 100))
    others = others[~others["measure"].str.startswith("TOST")]
    for (measure, data), part in others.groupby(["measure", "data"], sort=False):
        low = part["coverage"].min() < 0.93
        look: dict[str, Any] = {"label": f"{measure}: {data}"} if low else {"color": "0.75", "linewidth": 0.7}
        axes[1].plot(part["n_cases"], 100 * part["coverage"], **look)
    axes[1].set(title="every kind of interval; those below 93 % are named", ylim=(75, 101))
    for axis in axes:
        axis.axhspan(93, 97, color="0.9", zorder=0)
        axis.set(xlabel="cases", ylabel="intervals that hold the planted value (%)", xticks=SIZES)
    axes[0].legend(fontsize=8, frameon=False, loc="lower right")
    axes[1].legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def alarm_figure(found: Row) -> Figure:
    """Draw the rate of false alarms: studies without an effect or bias in which a test finds one."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    bias_rows = pd.DataFrame(found["bias"]["rows"]).query("raters == 'no bias'")
    for axis, rows, size, title in (
        (axes[0], pd.DataFrame(found["groups"]["rows"]), "n_subjects", "two groups, four images of each animal"),
        (axes[1], bias_rows, "n_cases", "five raters without bias"),
    ):
        for name, part in rows.groupby("test", sort=False):
            reach = 100 * np.stack([part["rate"] - part["low"], part["high"] - part["rate"]])
            axis.errorbar(part[size], 100 * part["rate"], reach, marker="o", capsize=3, label=name)
        axis.axhline(5, color="0.6", linewidth=0.8)
        axis.set(xlabel=size.replace("n_", ""), xticks=SIZES, ylim=(0, None))
        axis.set_title(title, fontsize=10)
        axis.legend(fontsize=8, frameon=False)
    axes[0].set_ylabel("false alarms (%)")
    return figure
