"""What would more images give? Verdicts on a finished study whose images are drawn again, with replacement.

    python benchmarks/resampled_verdicts.py STUDY_RESULTS DATASET [--images 36 54 72 108] [--repeats 40]

    finished study  ->  tables, once  ->  images drawn within each group and region  ->  share of verdicts

Masks are compared once; what is drawn are the rows of an image. So intervals shrink as with new images that are like
the old ones, and values scatter about those of the study: one that lies near its line stays near it.
"""

import argparse
import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import ROOT, circumstances, save

from segassay.assay.numbers import normalised_counts
from segassay.data.annotations import read_annotations
from segassay.data.dataset import read_dataset, strata
from segassay.judgement.verdicts import judge
from segassay.qualities.scores.table import Findings
from segassay.tables.build import build_tables
from segassay.tables.effects import effects

WORDS = {True: "supported", False: "not supported", None: "cannot be judged"}


def drawn_again(table: pd.DataFrame, cases: Sequence[str]) -> pd.DataFrame:
    """Rows of these cases, which may repeat, under new names.

    Areas differ by a millionth from those of an image drawn before, so that it is not taken for the same one.
    """
    picks = pd.DataFrame({"case": cases, "new": [f"{n:05d}" for n in range(len(cases))], "n": range(len(cases))})
    rows = picks.merge(table, on="case").assign(case=lambda found: found["new"])
    if {"area_px", "n_objects"} <= set(table):
        rows["area_px"] = rows["area_px"].astype(float) * (1 + 1e-8 * rows["n"])
    return rows[table.columns]


def verdicts(found: Findings, cases: Sequence[str]) -> dict[str, bool | None]:
    """Verdicts on these images, which may repeat; each is a subject of its own."""
    assert found.normalised is not None
    assert found.parts is not None
    of_tables = {field.name: getattr(found.tables, field.name) for field in dataclasses.fields(found.tables)}
    tables = {
        name: drawn_again(table, cases) if isinstance(table, pd.DataFrame) and "case" in table else table
        for name, table in of_tables.items()
    }
    names = [f"{n:05d}" for n in range(len(cases))]
    normalised = drawn_again(found.normalised, cases)
    again = Findings(
        dataclasses.replace(found.tables, **tables),
        drawn_again(found.annotations, cases),
        pd.Series([f"case {name}" for name in names], index=names),
        effects(normalised),
        normalised,
        parts=found.parts.reindex(cases).set_axis(names),
    )
    return {quality: one.supported for quality, one in judge(again).items()}


def main() -> None:
    """Draw images again, and count verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=[36, 54, 72, 108])
    parser.add_argument("--repeats", type=int, default=40)
    chosen = parser.parse_args()
    dataset = read_dataset(chosen.dataset)
    annotations = read_annotations(dataset, chosen.results / "annotations.csv")
    tables = build_tables(dataset, annotations, n_jobs=1)
    normalised = normalised_counts(dataset, tables.counts, tables.measured)
    strata_of_cases = strata(dataset)
    found = Findings(tables, annotations, pd.Series(dtype=str), pd.DataFrame(), normalised, parts=strata_of_cases)
    places = [part.index.to_numpy() for _, part in strata_of_cases.groupby(["group", "region"], sort=True)]
    rng, rows = np.random.default_rng(0), []
    for n in chosen.images:
        counts: Counter[tuple[str, bool | None]] = Counter()
        for _ in range(chosen.repeats):
            cases = np.concatenate([rng.choice(of_stratum, n // len(places)) for of_stratum in places])
            counts.update(verdicts(found, cases).items())
        rows += [
            {"images": n, "quality": quality, "verdict": WORDS[met], "share": round(k / chosen.repeats, 3)}
            for (quality, met), k in sorted(counts.items(), key=str)
        ]
        print(pd.DataFrame(rows)[-len(counts) :].to_string(index=False, header=False), flush=True)
    about = circumstances(dataset, ("numpy", "scipy", "pandas")) | {"repeats": chosen.repeats, "rows": rows}
    save(ROOT / "benchmarks" / "results" / "resampled_verdicts.json", dataset.settings.name or "study", about)


if __name__ == "__main__":
    main()
