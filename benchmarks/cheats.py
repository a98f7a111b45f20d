"""Cheats against verdicts: does a worthless model get *supported*, and does an honest study keep it?

python benchmarks/cheats.py [--seeds 3] [--only WORDS]

honest studies, cheats  ->  masks  ->  verdicts  ->  docs/cheats.md, results/cheats.json
"""

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from cheat_studies import QUALITIES, Study, assay, one_object, sound, sparse
from cheating import CHEATS, Cheat

HONEST: dict[str, tuple[Callable[[int], Study], str]] = {
    "sound": (sound, "objectivity reliability validity"),
    "sound, 3 raters": (partial(sound, n_raters=3), "objectivity reliability validity"),
    "sound, 2 raters": (partial(sound, n_raters=2), "reliability"),
    "sound, no experiment": (lambda seed: replace(sound(seed), groups=()), "objectivity reliability"),
    "one object, good outlines": (partial(one_object, offsets=(-0.5, 0, 0.5)), "objectivity"),
    "most images empty": (sparse, ""),
}
"""Honest studies, and the qualities that they must keep."""


def rows_of(data: str, name: str, study: Study, lacks: Iterable[str], holds: Iterable[str]) -> Iterator[dict[str, Any]]:
    """A row for each quality: its verdict, and whether that is wrong."""
    start = time.process_time()
    summary = assay(study)
    seconds = time.process_time() - start
    for quality in QUALITIES:
        verdict, *why = summary[quality]["verdict"].split(":", 1)
        is_lacking, is_held = quality in lacks, quality in holds
        yield {
            "data": data,
            "cheat": name,
            "quality": quality,
            "lacks": is_lacking,
            "holds": is_held,
            "verdict": verdict,
            "rests_on": why[0].strip() if why else summary[quality]["sentence"],
            "wrong": verdict == "supported" if is_lacking else verdict != "supported" if is_held else False,
            "seconds": round(seconds, 1),
        }


def of_cheat(cheat: Cheat, seed: int) -> Iterator[dict[str, Any]]:
    """The verdicts on one cheat."""
    study = cheat.change(cheat.start(seed), np.random.default_rng([seed, 7]))
    yield from rows_of(f"simulated, seed {seed}", cheat.name, study, cheat.lacks, ())


def of_honest(name: str, seed: int) -> Iterator[dict[str, Any]]:
    """The verdicts on one honest study."""
    make, holds = HONEST[name]
    yield from rows_of(f"simulated, seed {seed}", name, make(seed), (), holds.split())


def all_rows(seeds: Iterable[int], only: str) -> Iterator[dict[str, Any]]:
    """All cheats and honest studies whose name has these words."""
    for seed in seeds:
        for name in HONEST:
            if only in name:
                yield from of_honest(name, seed)
        for cheat in CHEATS:
            if only in cheat.name:
                yield from of_cheat(cheat, seed)


def failures(rows: pd.DataFrame) -> str:
    """The wrong verdicts as text."""
    wrong = rows[rows["wrong"]]
    return wrong[["data", "cheat", "quality", "lacks", "verdict", "rests_on"]].to_string(index=False, max_colwidth=110)


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    rows = []
    for row in all_rows(range(chosen.seeds), chosen.only):
        rows.append(row)
        said = "WRONG" if row["wrong"] else "lacks" if row["lacks"] else "holds" if row["holds"] else ""
        print(f"{row['cheat'][:52]:52} {row['quality']:11} {said:6} {row['verdict']:17} {row['seconds']:5}", flush=True)
    table = pd.DataFrame(rows)
    print(failures(table))
    print(f"{table['wrong'].sum()} wrong of {(table['lacks'] | table['holds']).sum()}")


if __name__ == "__main__":
    main()
