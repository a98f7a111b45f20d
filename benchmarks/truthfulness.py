"""Truthfulness of the assay: intervals and tests on studies with a planted truth.

    python benchmarks/truthfulness.py [SECTION ...] [--replicates N] [--out DIR]

Studies are drawn as tables, not rendered; the planted value is the generator's expectation from 100,000 drawn cases.
`means`: coverage of 95 % intervals of means and paired differences. `clusters`: animals shared over regions and images.
`intervals` and `further`: every kind of interval, by independent generators; `unequal`: of subjects of unequal size;
`rare`: where few images are far from all others. `seeds`: the spread over seeds.
`bias`: how often raters without bias are called biased. `groups`: how often groups without difference are called
different. `verdicts`: how often the verdicts err, on 20 rendered studies of either kind. Each section writes its part
of truthfulness.json and a figure with a JSON file. Twelve minutes on one core.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rendered_verdicts
from further_intervals import rare_rows, unequal_rows
from further_intervals import rows as further_interval
from intervals import rows as every_interval
from measuring import ROOT, chosen_sections, circumstances, save, show
from planted import N_TRUTH, STUDY, Cast, case_means, drawn_in_parts, planted_means, study_of
from scipy import stats
from truthfulness_report import SIZES, publish

from segassay.data.dataset import read_dataset
from segassay.simulation.dataset import Simulation, simulate
from segassay.simulation.study import NULL, SimulatedStudy
from segassay.simulation.study_draws import draw
from segassay.simulation.study_members import cast
from segassay.statistics.groups import mann_whitney, mixed_model
from segassay.statistics.intervals import mean_intervals, sd_over_seeds
from segassay.statistics.raters import bias_test

PACKAGES = ("segassay", "numpy", "scipy", "pandas")
N_REPLICATES = 4000
N_RESAMPLES = 1000
AT_MOST = {"intervals": 500, "further": 500, "rare": 500, "unequal": 2000, "verdicts": 20}  # studies
BLOCK = 50  # replicates that share their resamples

Row = dict[str, Any]


def main() -> None:
    """Run the given sections, by default all."""
    sections = {
        section.__name__: section
        for section in (means, clusters, intervals, further, unequal, rare, seeds, bias, groups, verdicts)
    }
    args = chosen_sections(sections, __doc__, replicates=(N_REPLICATES, "studies each"))
    os.nice(10)
    with tempfile.TemporaryDirectory() as folder:
        small = read_dataset(simulate(Path(folder) / "small", Simulation(n_cases=2, shape=(64, 64))))
        for name in args.sections:
            started, start = circumstances(small, PACKAGES) | {"data_hash": data_hash()}, time.perf_counter()
            rows = list(sections[name](args.replicates))
            print(f"\n== {name}: {time.perf_counter() - start:.0f} s")
            show(rows)
            n_studies = min(args.replicates, AT_MOST.get(name, args.replicates))
            setting = {"replicates": n_studies, "resamples": N_RESAMPLES, "truth_from_cases": N_TRUTH}
            save(args.out / "truthfulness.json", name, {**started, **setting, "study": asdict(STUDY), "rows": rows})
    publish(args.out / "truthfulness.json", ROOT / "docs")


def data_hash() -> str:
    """SHA-256 of one drawn study, which identifies generator and seeds."""
    drawn = draw(STUDY)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in vars(drawn).values())).hexdigest()


def covered(limits: Any, truth: float) -> Row:
    """Share of intervals `(n, 2)` that contain the truth, and shares above and below it."""
    low, high = np.asarray(limits, dtype=float).T
    defined = np.isfinite(low) & np.isfinite(high)
    inside = (low[defined] <= truth) & (truth <= high[defined])
    return {
        "truth": truth,
        "coverage": float(inside.mean()),
        "too_high": float((low[defined] > truth).mean()),
        "too_low": float((high[defined] < truth).mean()),
        "width": float(np.median(high[defined] - low[defined])),
        "n": int(defined.sum()),
    }


def mean_limits(method: str, values: np.ndarray, cluster: np.ndarray, seed: int) -> np.ndarray:
    """Limits `(columns, 2)` for values `(C, columns)`; for means, the package uses Hall-t."""
    if method == "Hall-t":
        return _limits(mean_intervals(values, cluster))
    sums = np.stack([values[cluster == name].mean(axis=0) for name in np.unique(cluster)])
    if method == "t":
        reach = stats.t.ppf(0.975, len(sums) - 1) * sums.std(axis=0, ddof=1) / np.sqrt(len(sums))
        return np.stack([sums.mean(axis=0) - reach, sums.mean(axis=0) + reach], axis=1)
    options = {"n_resamples": N_RESAMPLES, "method": method, "vectorized": True, "rng": seed}
    found = stats.bootstrap((sums,), np.mean, axis=0, **options).confidence_interval
    return np.stack([found.low, found.high], axis=1)


def _limits(table: pd.DataFrame) -> np.ndarray:
    return table[["low", "high"]].to_numpy()


def mean_coverage(method: str, values: np.ndarray, cluster: np.ndarray, truth: float) -> Row:
    """Coverage for values `(N, C)`; replicates share their resamples within blocks."""
    limits = [
        mean_limits(method, values[start : start + BLOCK].T, cluster, seed=start)
        for start in range(0, len(values), BLOCK)
    ]
    return covered(np.concatenate(limits), truth)


def means(n_replicates: int) -> Iterator[Row]:
    """Coverage of means and paired differences; for two of them also of other methods."""
    for skewed in (False, True):
        who = Cast(STUDY)
        truth = planted_means(study_of(40, skewed=skewed), who)
        for n_cases in SIZES:
            parts = [case_means(d, who) for d in drawn_in_parts(study_of(n_cases, skewed=skewed), n_replicates, who)]
            for name in parts[0]:
                values = np.concatenate([part[name] for part in parts])
                compared = name in ("f1 between raters", "f1 of a model minus f1 of raters")
                for method in ("Hall-t", "t", "percentile", "BCa") if compared else ("Hall-t",):
                    about = {"scores": "beta-like" if skewed else "symmetric", "n_cases": n_cases}
                    about |= {"measure": name, "method": method}
                    yield about | mean_coverage(method, values, np.arange(n_cases), truth[name])
    for a, b in ((4, 1), (9, 1)):  # scores of a single pair, with most of them near 1
        for n_cases in SIZES:
            values = np.random.default_rng([a, n_cases]).beta(a, b, size=(n_replicates, n_cases))
            for method in ("Hall-t", "t", "percentile", "BCa"):
                about = {"scores": f"Beta({a}, {b})", "n_cases": n_cases, "measure": "one score", "method": method}
                yield about | mean_coverage(method, values, np.arange(n_cases), a / (a + b))


def clusters(n_replicates: int) -> Iterator[Row]:
    """Coverage for a mean where each subject has two regions with two images, by subjects and by images."""
    for n_subjects in SIZES:
        study = replace(STUDY, n_subjects=n_subjects // 2, n_regions=2, n_images=2)
        who = Cast(study)
        name = "f1 between raters"
        truth = planted_means(study, who)[name]
        values = np.concatenate([case_means(d, who)[name] for d in drawn_in_parts(study, n_replicates, who)])
        for unit, cluster in (("subject", np.arange(study.n_cases) // 4), ("image", np.arange(study.n_cases))):
            about = {"n_subjects": n_subjects, "n_cases": study.n_cases, "measure": name, "unit": unit}
            yield about | mean_coverage("Hall-t", values, cluster, truth)


def intervals(n_replicates: int) -> Iterator[Row]:
    """Coverage of every kind of interval that is printed, by generators that share no code with the package."""
    return every_interval(min(n_replicates, AT_MOST["intervals"]), SIZES)


def further(n_replicates: int) -> Iterator[Row]:
    """Coverage of intervals of tests of equivalence, shifts, fits, and spreads over annotators."""
    return further_interval(min(n_replicates, AT_MOST["further"]), SIZES)


def unequal(n_replicates: int) -> Iterator[Row]:
    """Coverage of means (up to 2,000 studies) and of indices (500), where subjects have unequal numbers of images."""
    return unequal_rows(min(n_replicates, AT_MOST["unequal"]), SIZES)


def rare(n_replicates: int) -> Iterator[Row]:
    """Coverage of intervals of means, and of tests of equivalence, where few images are far from all others."""
    return rare_rows(min(n_replicates, AT_MOST["rare"]), SIZES)


def seeds(n_replicates: int) -> Iterator[Row]:
    """Coverage of the spread over seeds of a mean over 20 cases: normal or skewed effects of the seed, and failures."""
    study = replace(STUDY, n_consensus_seeds=16, n_seeds=1, n_subjects=10, seed_sd=0.0)
    position = [i for i, member in enumerate(cast(study)) if member.trained_on == "staple"]
    pairs = np.array([(0, 1)])
    step = 200
    parts = [
        draw(replace(study, seed=1 + start), min(step, n_replicates - start), pairs=pairs)
        for start in range(0, n_replicates, step)
    ]
    of_cases = np.concatenate([part.f1_others[..., position].mean(axis=(1, 2)) for part in parts])  # (N, seeds)
    for luck_is in ("normal", "skewed", "one in ten fails"):
        for seed_sd in (0.01, 0.03):
            rng = np.random.default_rng(5)
            n_truth = N_TRUTH // 16
            truth_of = of_cases[rng.integers(len(of_cases), size=n_truth)]
            truth = np.sqrt((truth_of + seed_sd * luck(rng, luck_is, truth_of.shape)).var(axis=1, ddof=1).mean())
            means_of = of_cases + seed_sd * luck(rng, luck_is, of_cases.shape)
            for n_seeds in (4, 8, 16):
                found = [sd_over_seeds(row[:n_seeds]) for row in means_of]
                about = {"luck": luck_is, "seed_sd": seed_sd, "n_seeds": n_seeds}
                limits = [(interval.low, interval.high) for interval in found]
                about |= {"measure": "sd over seeds of F1", "method": "chi-square"}
                yield about | covered(limits, float(truth))


def luck(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Effects of seeds, with mean 0 and standard deviation 1; a training that fails is ten of its own sd worse."""
    if kind == "normal":
        return rng.normal(size=shape)
    if kind == "skewed":
        return 1 - rng.exponential(size=shape)
    return (rng.normal(size=shape) - 10 * (rng.random(shape) < 0.1) + 1) / np.sqrt(10)


def rate(name: str, rejected: list[bool] | np.ndarray) -> Row:
    """Share of studies in which a test rejects, with its Clopper-Pearson interval."""
    n, found = len(rejected), int(np.sum(rejected))
    interval = stats.binomtest(found, n).proportion_ci(0.95)
    return {"test": name, "rate": found / n, "low": interval.low, "high": interval.high, "n": n}


def bias(n_replicates: int) -> Iterator[Row]:
    """How often the test calls any of five raters biased: if none is, and if one counts 20 % more."""
    for kind, biases in (("no bias", (0.0,) * 5), ("one counts 20 % more", (np.log(1.2), 0.0, 0.0, 0.0, 0.0))):
        for n_cases in SIZES:
            who = Cast(STUDY)
            study = replace(NULL, **_sizes(STUDY), n_subjects=n_cases // 2, log_count_bias=tuple(biases))
            counts = np.concatenate([d.counts[..., who.raters] for d in drawn_in_parts(study, n_replicates, who)])
            tables = [bias_test(of_study) for of_study in counts]
            about = {"raters": kind, "n_cases": n_cases}
            yield about | rate("bias test", [bool(table["biased"].any()) for table in tables])
            yield about | rate("Friedman", [table["friedman_p"].iloc[0] < 0.05 for table in tables])
            wrong = [bool(table["biased"].iloc[1:].any()) for table in tables]
            if kind != "no bias":
                yield about | rate("bias test names another one", wrong)  # the others of that one count more


def _sizes(study: SimulatedStudy) -> Row:
    names = ("n_seeds", "n_consensus_seeds", "ensemble_size", "n_regions")
    return {name: getattr(study, name) for name in names}


def groups(n_replicates: int) -> Iterator[Row]:
    """How often tests find a difference between equal groups: animals with two regions of two images each."""
    for n_subjects in SIZES:
        study = replace(NULL, **_sizes(STUDY) | {"n_regions": 2}, n_images=2, n_subjects=n_subjects // 2)
        who = Cast(study)
        counts = np.concatenate([d.counts[..., who.raters[0]] for d in drawn_in_parts(study, n_replicates, who)])
        about = {"n_subjects": n_subjects, "n_images": study.n_cases}
        subject = np.arange(study.n_cases) // 4
        means_of = counts.reshape(len(counts), n_subjects, 4).mean(axis=2)
        yield about | rate("Mann-Whitney, images as units", [two_groups(x) < 0.05 for x in counts])
        yield about | rate("Mann-Whitney, subjects as units", [two_groups(x) < 0.05 for x in means_of])
        yield about | rate("mixed model, random subject", [of_mixed_model(x, subject) < 0.05 for x in counts])


def two_groups(values: np.ndarray) -> float:
    """p-value of the first half against the second."""
    return mann_whitney(*np.split(values, 2)).p_value


def of_mixed_model(values: np.ndarray, subject: np.ndarray) -> float:
    """p-value of the difference of two groups, with random subjects."""
    fit = mixed_model(values, np.repeat([0, 1], len(values) // 2), subject, n_groups=2)
    t = (fit.mean[1] - fit.mean[0]) / np.sqrt(fit.variance_of_mean.sum())
    return float(2 * stats.t.sf(abs(t), fit.df))


def verdicts(n_replicates: int) -> Iterator[Row]:
    """How often each verdict is reached if all three qualities hold, and if none does."""
    return rendered_verdicts.count(min(n_replicates, AT_MOST["verdicts"]))


if __name__ == "__main__":
    main()
