"""Cheats against verdicts: does a worthless model get *supported*, and does an honest study keep it?

    python benchmarks/cheats.py [simulated lab-wue1] [--seeds 1] [--only WORDS]    about 10 minutes each and per seed
    python benchmarks/cheats.py "lab-wue1, trained"            after `segassay study run` on studies/wue1-verdicts.yaml
    python benchmarks/cheats.py classes                        cheats in one class of several

    honest studies, cheats  ->  masks  ->  verdicts  ->  results/cheats.json, docs/cheats.md

Each study's rows replace earlier ones as soon as they are known, so a part can be made again: with `--only`, cheats
and studies whose names contain the words run. Needs $SEGASSAY_DATA (default ../shared/data).
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import cheat_lab
import cheat_studies
import numpy as np
import pandas as pd
from cheat_list import CHEATS, Cheat
from cheat_studies import QUALITIES, Study, assay, one_object, sound, sparse
from class_cheats import CLASS_CHEATS, HONEST_OF_CLASSES, ClassCheat
from class_studies import ClassStudy, assay_classes
from measuring import ROOT, circumstances, data_dir, save

from segassay.data.dataset import read_dataset

RESULTS = ROOT / "benchmarks" / "results" / "cheats.json"
PAGE = ROOT / "docs" / "cheats.md"
TRAINED = "lab-wue1, trained"
OF_CLASSES = "classes"
PACKAGES = ("numpy", "scipy", "pandas")
Start = Callable[[int], Study]
AnyStart = Callable[[int], Study | ClassStudy]
Row = dict[str, Any]

OF_LAB: dict[Start, Start] = {
    cheat_studies.sound: cheat_lab.honest,
    cheat_studies.mixed: cheat_lab.honest,
    cheat_studies.one_hand: cheat_lab.one_hand,
    cheat_studies.unsteady: cheat_lab.unsteady,
}
"""Where a cheat starts on simulated images -> where it starts on lab-wue1; other cheats need simulated ones."""

OF_TRAINED: dict[Start, Start] = dict.fromkeys((cheat_studies.sound, cheat_studies.mixed), cheat_lab.trained)

HONEST: dict[str, tuple[Start, str]] = {
    "sound": (sound, "objectivity reliability validity"),
    "sound, 3 raters": (partial(sound, n_raters=3), "objectivity reliability validity"),
    "sound, 2 raters": (partial(sound, n_raters=2), "reliability"),
    "sound, no experiment": (lambda seed: replace(sound(seed), groups=()), "objectivity reliability"),
    "raters differ": (cheat_studies.mixed, "reliability"),
    "one object, good outlines": (partial(one_object, offsets=(-0.5, 0, 0.5)), "objectivity reliability"),
    "one object, raters 4 px apart": (one_object, "reliability"),
    "sound, two regions": (cheat_studies.two_regions, "objectivity reliability validity"),
    "one object beside the centre": (cheat_studies.off_centre, "reliability"),
    "large object": (cheat_studies.large_object, "objectivity reliability validity"),
    "large object, raters half a pixel apart": (
        partial(cheat_studies.large_object, offsets=(-0.5, -0.25, 0, 0.25, 0.5)),
        "objectivity reliability validity",
    ),
    "most images empty": (sparse, ""),
}
"""Honest studies, and the qualities that they must keep."""

HONEST_LAB: dict[str, tuple[Start, str]] = {
    "lab-wue1": (cheat_lab.honest, "reliability"),  # its models know single raters' votes: cheat_lab
}
HONEST_OF: dict[str, Mapping[str, tuple[AnyStart, str]]] = {
    "simulated": HONEST,
    OF_CLASSES: HONEST_OF_CLASSES,
    "lab-wue1": HONEST_LAB,
    TRAINED: {TRAINED: (cheat_lab.trained, "reliability validity")},
}
"""Data -> its honest studies."""


@cache
def made(start: Callable[[int], Any], seed: int) -> Any:
    """The study that a cheat starts from; nothing changes it."""
    return start(seed)


def rows_of(
    data: str, name: str, study: Study | ClassStudy, lacks: Iterable[str], holds: Iterable[str]
) -> Iterator[Row]:
    """A row for each quality: its verdict, and whether that is wrong; of classes also that of all of them together."""
    start = time.process_time()
    summary = assay_classes(study) if isinstance(study, ClassStudy) else assay(study)
    seconds = time.process_time() - start
    for quality in QUALITIES:
        verdict, *why = summary[quality]["verdict"].split(": ", 1)
        is_lacking, is_held = quality in lacks, quality in holds
        yield {
            "data": data,
            "cheat": name,
            "quality": quality,
            "lacks": is_lacking,
            "holds": is_held,
            "verdict": verdict,
            "rests_on": why[0] if why else _decisive(summary[quality]["criteria"], verdict == "supported"),
            "wrong": verdict == "supported" if is_lacking else verdict != "supported" if is_held else False,
            "seconds": round(seconds, 1),
            **_of_classes(summary, quality),
        }


def _of_classes(summary: Mapping[str, Any], quality: str) -> dict[str, Any]:
    """The verdict of all classes together alone, and that of each class."""
    if "together" not in summary:
        return {}
    of = {name: found[quality]["verdict"].split(": ", 1)[0] for name, found in summary["classes"].items()}
    return {"together": summary["together"][quality]["verdict"].split(": ", 1)[0], "classes": of}


def _decisive(criteria: Iterable[Mapping[str, Any]], met: bool) -> str:
    """The criteria that decide a verdict: all that are met, or those that are not."""
    return "; ".join(f"{one['name']}: {one['found']}" for one in criteria if one["holds"] is met)


def of_cheat(
    cheat: Cheat | ClassCheat, seed: int, start: AnyStart | None = None, data: str = "simulated"
) -> Iterator[Row]:
    """The verdicts on one cheat."""
    study = cheat.change(made(start or cheat.start, seed), np.random.default_rng([seed, 7]))
    yield from rows_of(data, cheat.name, study, cheat.lacks, ())


def of_honest(name: str, seed: int, data: str = "simulated") -> Iterator[Row]:
    """The verdicts on one honest study."""
    make, holds = HONEST_OF[data][name]
    yield from rows_of(data, name, made(make, seed), (), holds.split())


def all_studies(data: str, seeds: Iterable[int], only: str) -> Iterator[list[Row]]:
    """The rows of each honest study and cheat on these data whose name has these words."""
    of_data = {"lab-wue1": OF_LAB, TRAINED: OF_TRAINED}
    for seed in seeds:
        for name in HONEST_OF[data]:
            if only in name:
                yield [{"seed": seed} | row for row in of_honest(name, seed, data)]
        for cheat in cheats_of(data):
            start: AnyStart | None = of_data[data].get(cheat.start) if data in of_data else cheat.start
            if only in cheat.name and start is not None:
                yield [{"seed": seed} | row for row in of_cheat(cheat, seed, start, data)]


def cheats_of(data: str) -> Sequence[Any]:
    """The cheats that are tried on these data."""
    return CLASS_CHEATS if data == OF_CLASSES else CHEATS


def failures(rows: pd.DataFrame) -> str:
    """The wrong verdicts as text."""
    shown = rows.loc[rows["wrong"], ["data", "cheat", "quality", "lacks", "verdict", "rests_on", "seconds"]]
    return str(shown.to_string(index=False, max_colwidth=100))


def table_of(rows: pd.DataFrame) -> str:
    """Cheat × verdict in Markdown: what lacks a quality, or must keep it, is bold; wrong verdicts have a cross."""
    because = {cheat.name: cheat.because for cheat in (*CHEATS, *CLASS_CHEATS)}
    lines = ["| data | study | objectivity | reliability | validity | lacks it because |", "| --- " * 6 + "|"]
    for (data, name), of_study in rows.groupby(["data", "cheat"], sort=False):
        cells = [_cell(of_study[of_study["quality"] == quality]) for quality in QUALITIES]
        lines.append(" | ".join([f"| {data}", str(name), *cells, because.get(str(name), "")]) + " |")
    return "\n".join(lines)


def _cell(rows: pd.DataFrame) -> str:
    counts = rows["verdict"].value_counts(sort=False)
    words = ", ".join(str(verdict) if len(rows) == 1 else f"{verdict} {n}" for verdict, n in counts.items())
    claim = "lacks: " if rows["lacks"].all() else "keeps: " if rows["holds"].all() else ""
    words += _alone(rows)
    return f"{claim}{'✗ ' if rows['wrong'].any() else ''}{words}" if claim else f"({words})"


def _alone(rows: pd.DataFrame) -> str:
    """What all classes together alone would have given, if that is another verdict."""
    if "together" not in rows or rows["together"].isna().all() or rows["together"].eq(rows["verdict"]).all():
        return ""
    return f"; together {', '.join(map(str, rows['together'].unique()))}"


def tables() -> dict[str, str]:
    """The tables of the page from all results, by marker."""
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    of_classes = pd.DataFrame(found.pop(OF_CLASSES)["rows"])
    rows = pd.concat([pd.DataFrame(section["rows"]) for section in found.values()])
    is_cheat = rows.groupby(["data", "cheat"])["lacks"].transform("any")
    untold = rows["cheat"].isin([cheat.name for cheat in CHEATS if not cheat.told])
    return {
        "honest": table_of(rows[~is_cheat]),
        "cheats": table_of(rows[is_cheat & ~untold]),
        "untold": table_of(rows[untold]),
        "classes": table_of(of_classes),
    }


def publish() -> None:
    """Update the tables of the page."""
    text = PAGE.read_text(encoding="utf-8")
    for marker, table in tables().items():
        before, after = f"<!-- {marker} -->\n", f"\n<!-- end of {marker} -->"
        start, end = text.index(before) + len(before), text.index(after.lstrip())
        text = f"{text[:start]}{table}{after}{text[end + len(after.lstrip()) :]}"
    PAGE.write_text(text, encoding="utf-8")


def keep(data: str, rows: list[Row]) -> None:
    """Write the rows of one study in place of earlier ones, and the page."""
    about = circumstances(read_dataset(data_dir() / "lab-wue1"), PACKAGES)
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    earlier = found.get(data, {}).get("rows", [])
    names = [*dict.fromkeys([*HONEST_OF[data], *(cheat.name for cheat in cheats_of(data))])]
    of = {(row["cheat"], row["seed"], row["quality"]): row for row in earlier if row["cheat"] in names}
    of |= {(row["cheat"], row["seed"], row["quality"]): row | {"commit": about["commit"]} for row in rows}
    ordered = sorted(of.values(), key=lambda row: (row["seed"], names.index(row["cheat"])))
    save(RESULTS, data, about | {"rows": ordered})
    publish()


def main() -> None:
    """Run the chosen data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=["simulated", "lab-wue1"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    for data in chosen.data:
        rows: list[Row] = []
        for of_study in all_studies(data, range(chosen.seeds), chosen.only):
            keep(data, of_study)
            rows += of_study
            for row in of_study:
                claim = "WRONG" if row["wrong"] else "lacks" if row["lacks"] else "keeps" if row["holds"] else ""
                of, verdict = f"{row['cheat'][:60]:60} {row['quality']:11}", row["verdict"]
                print(f"{of} {claim:6}{verdict:17} {row['seconds']:5} s", flush=True)
        table = pd.DataFrame(rows)
        print(failures(table))
        untold = table["cheat"].isin([cheat.name for cheat in cheats_of(data) if not cheat.told])
        for words, of in (("that masks can tell", ~untold), ("that they cannot", untold)):
            shown = table[of]
            print(f"{data}, {words}: {shown['wrong'].sum()} wrong of {(shown['lacks'] | shown['holds']).sum()}")


if __name__ == "__main__":
    main()
