"""Truthfulness of the assay: intervals and tests on studies with a planted truth.

    python benchmarks/truthfulness.py [means clusters other seeds bias groups verdicts] [--replicates N] [--out DIR]

Studies are drawn as tables, not rendered; the planted value is the generator's expectation from 100,000 drawn cases.
`means`: coverage of 95 % intervals of means and paired differences. `clusters`: animals shared over regions and images.
`other`: intervals of everything but means. `seeds`: the spread over seeds. `bias`: how often raters without bias
are called biased. `groups`: how often groups without difference are called different. `verdicts`:
how often the verdicts err, on 20 rendered studies of either kind. Each section writes its part of
truthfulness.json and a figure with a JSON file. Twelve minutes on one core.
"""

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rendered_verdicts
from measuring import ROOT, circumstances, save, show
from planted import N_TRUTH, STUDY, Cast, case_means, drawn_in_parts, planted_means, study_of
from scipy import stats
from truthfulness_report import SIZES, publish

from segassay.data.dataset import read_dataset
from segassay.qualities.validity.effects import weighted_eta_squared
from segassay.simulation.dataset import Simulation, simulate
from segassay.simulation.study import NULL, SimulatedStudy
from segassay.simulation.study_draws import Draws, draw
from segassay.simulation.study_members import cast
from segassay.statistics.bca import bca, bca_ratios
from segassay.statistics.components import crossed_mean_squares
from segassay.statistics.groups import hodges_lehmann, mann_whitney, mixed_model
from segassay.statistics.intervals import Resampling, bootstrap_means, cluster_weights, sd_over_seeds
from segassay.statistics.jackknife import LOGARITHM, OF_MEANS, correlation_scale, jackknife_t
from segassay.statistics.raters import bias_test
from segassay.statistics.reliability import icc, icc_a1, icc_a1_weighted, icc_ak, icc_ak_weighted

PACKAGES = ("segassay", "numpy", "scipy", "pandas")
N_REPLICATES = 4000
N_RESAMPLES = 1000
AT_MOST = {"other": 1000, "verdicts": 20}  # studies
BLOCK = 50  # replicates that share their resamples
COMPONENTS = ("case", "rater", "residual")

Row = dict[str, Any]


def main() -> None:
    """Run the given sections, by default all."""
    sections = {section.__name__: section for section in (means, clusters, other, seeds, bias, groups, verdicts)}
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(sections)}; default: all")
    parser.add_argument("--replicates", type=int, default=N_REPLICATES, help="studies each (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder for the results")
    args = parser.parse_args()
    if unknown := set(args.sections) - set(sections):
        parser.error(f"no section {', '.join(sorted(unknown))}; choose from {', '.join(sections)}")
    os.nice(10)
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        small = read_dataset(simulate(Path(folder) / "small", Simulation(n_cases=2, shape=(64, 64))))
        for name in args.sections or sections:
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
    """Limits `(columns, 2)` for values `(C, columns)`; for means, the package uses bootstrap-t."""
    resampling = _resampling(seed)
    if method == "bootstrap-t":
        return _limits(bootstrap_means(values, cluster, resampling))
    if method == "BCa":
        return _limits(bca_ratios(values, np.ones_like(values), cluster, resampling))
    sums = np.stack([values[cluster == name].mean(axis=0) for name in np.unique(cluster)])
    if method == "t":
        reach = stats.t.ppf(0.975, len(sums) - 1) * sums.std(axis=0, ddof=1) / np.sqrt(len(sums))
        return np.stack([sums.mean(axis=0) - reach, sums.mean(axis=0) + reach], axis=1)
    return np.quantile(cluster_weights(len(sums), resampling) @ sums / len(sums), [0.025, 0.975], axis=0).T


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
                for method in ("bootstrap-t", "t", "percentile", "BCa") if compared else ("bootstrap-t",):
                    about = {"scores": "beta-like" if skewed else "symmetric", "n_cases": n_cases}
                    about |= {"measure": name, "method": method}
                    yield about | mean_coverage(method, values, np.arange(n_cases), truth[name])
    for a, b in ((4, 1), (9, 1)):  # scores of a single pair, with most of them near 1
        for n_cases in SIZES:
            values = np.random.default_rng([a, n_cases]).beta(a, b, size=(n_replicates, n_cases))
            for method in ("bootstrap-t", "t", "percentile", "BCa"):
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
            yield about | mean_coverage("bootstrap-t", values, cluster, truth)


def eta_squared(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """η² for rows of weights `(B, n)`; values `(n, 2)`: measurement and group 0 or 1."""
    x, second = values[:, 0], values[:, -1] > 0
    return weighted_eta_squared(weights[:, ~second], weights[:, second], x[~second], x[second])


def ratio_of_effects(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """η² of a model, divided by the mean η² of the raters; values `(n, 1 + R + 1)`: model, raters, group."""
    sizes = [eta_squared(weights, values[:, [column, -1]]) for column in range(values.shape[1] - 1)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sizes[0] / np.mean(sizes[1:], axis=0))


def median_difference(x: np.ndarray, y: np.ndarray) -> float:
    """Median of all y - x, by bisection, because the samples are too large for all pairs."""
    x = np.sort(x)
    low, high = y.min() - x[-1], y.max() - x[0]
    for _ in range(60):
        middle = (low + high) / 2
        n_below = (len(x) - np.searchsorted(x, y - middle, side="left")).sum()
        low, high = (low, middle) if 2 * n_below >= len(x) * len(y) else (middle, high)
    return float((low + high) / 2)


def component_weighted(name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Variance component of `(C, R, S)` scores by ANOVA, at least 0; equal to REML if none is negative."""
    position = {"case": 0, "rater": 1, "residual": 6}[name]

    def of_weights(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
        found = crossed_mean_squares(weights, values.reshape(len(values), STUDY.n_raters, STUDY.n_seeds))
        return np.maximum(np.linalg.solve(found.coefficient, found.value[..., None])[:, position, 0], 0.0)

    return of_weights


def bca_limits(
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray], values: np.ndarray, seed: int
) -> tuple[float, float]:
    """BCa interval of one study."""
    interval = bca(statistic, values, np.arange(len(values)), _resampling(seed))
    return interval.low, interval.high


def other_values(drawn: Draws, who: Cast) -> dict[str, np.ndarray]:
    """Input of the statistics, `(N, C, columns)`."""
    *_, truth, _ = who.split(drawn.f1)
    n, n_cases = drawn.counts.shape[:2]
    group = np.broadcast_to(np.arange(n_cases) >= n_cases // 2, (n, n_cases))[..., None]
    counts, of_model = drawn.counts[..., who.raters], drawn.counts[..., [who.staple]]
    between, *_, staple = who.split(drawn.dice)
    return {
        "icc": counts,
        "effects": np.concatenate([of_model, counts, group], axis=-1),
        "williams": np.stack([staple.mean(axis=-1), between.mean(axis=-1)], axis=-1),
        "components": truth.reshape(n, n_cases, -1),
    }


def other(n_replicates: int) -> Iterator[Row]:
    """Coverage of the interval that the package gives each measure."""
    n_replicates = min(n_replicates, AT_MOST["other"])
    who = Cast(STUDY)
    for kind, effect in {"no effect": (1.0, 1.0), "effect": (1.0, 1.3)}.items():
        truth = planted_others(replace(STUDY, n_subjects=500, count_effects=effect), who)
        for n_cases in SIZES:
            study = study_of(n_cases, count_effects=effect)
            parts = [other_values(d, who) for d in drawn_in_parts(study, n_replicates, who)]
            values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            found = [*of_effects(values["effects"], truth)]
            found += without_groups(values, truth) if kind == "effect" else []
            yield from ({"n_cases": n_cases, "groups": kind} | row for row in found)


def planted_others(study: SimulatedStudy, who: Cast) -> dict[str, float]:
    """Statistics of 100,000 cases as one study."""
    parts = [other_values(d, who) for d in drawn_in_parts(study, -(-N_TRUTH // study.n_cases), who)]
    values = {
        name: np.concatenate([part[name].reshape(-1, part[name].shape[-1]) for part in parts]) for name in parts[0]
    }
    *columns, group = values["effects"].T
    sizes = [mann_whitney(column[group == 0], column[group == 1]).eta_squared for column in columns]
    truth: dict[str, float] = {"η²": sizes[1], "ratio": sizes[0] / float(np.mean(sizes[1:]))}
    truth |= {"shift": median_difference(columns[1][group == 0], columns[1][group == 1])}
    truth |= {"ICC(A,1)": icc_a1(values["icc"]), "ICC(A,k)": icc_ak(values["icc"])}
    truth |= {"williams": float(np.divide(*values["williams"].mean(axis=0)))}
    every = np.ones((1, len(values["components"])))
    return truth | {name: float(component_weighted(name)(every, values["components"])[0]) for name in COMPONENTS}


def of_effects(values: np.ndarray, truth: dict[str, float]) -> Iterator[Row]:
    """Coverage for the effect size of a rater's counts, the shift in counts, and the ratio of effect sizes."""
    sizes = [bca_limits(eta_squared, one[:, [1, -1]], seed) for seed, one in enumerate(values)]
    yield {"measure": "η² of counts", "method": "BCa"} | covered(sizes, truth["η²"])
    shifts = [hodges_lehmann(one[one[:, -1] == 0, 1], one[one[:, -1] == 1, 1]) for one in values]
    limits = [(shift.low, shift.high) for shift in shifts]
    about = {"measure": "shift of counts", "method": "Hodges-Lehmann"}
    yield about | covered(limits, truth["shift"])
    if truth["η²"] > 0.01:
        ratios = [bca_limits(ratio_of_effects, one, seed) for seed, one in enumerate(values)]
        yield {"measure": "ratio of η²", "method": "BCa"} | covered(ratios, truth["ratio"])


def without_groups(values: dict[str, np.ndarray], truth: dict[str, float]) -> Iterator[Row]:
    """Coverage for the ICC of counts, the Williams index of Dice, and variance components of F1."""
    for name, statistic in (("ICC(A,1)", icc_a1_weighted), ("ICC(A,k)", icc_ak_weighted)):
        limits = [bca_limits(statistic, counts, seed) for seed, counts in enumerate(values["icc"])]
        yield {"measure": f"{name} of counts", "method": "BCa"} | covered(limits, truth[name])
    tables = [icc(counts) for counts in values["icc"]]
    for name in ("ICC(A,1)", "ICC(A,k)"):
        of_form = [table.loc[name, ["low", "high"]].to_numpy() for table in tables]
        yield {"measure": f"{name} of counts", "method": "F"} | covered(of_form, truth[name])
    above, below = (values["williams"][..., column].T for column in (0, 1))
    cases, starts = np.arange(len(above)), range(0, above.shape[1], BLOCK)
    blocks = [
        _limits(bca_ratios(above[:, at : at + BLOCK], below[:, at : at + BLOCK], cases, _resampling(at)))
        for at in starts
    ]
    yield {"measure": "Williams index of Dice", "method": "BCa"} | covered(np.concatenate(blocks), truth["williams"])
    for name in COMPONENTS:
        limits = [bca_limits(component_weighted(name), one, seed) for seed, one in enumerate(values["components"])]
        yield {"measure": f"variance component {name} of F1", "method": "BCa"} | covered(limits, truth[name])
    yield from by_jackknife(values, truth)


def by_jackknife(values: dict[str, np.ndarray], truth: dict[str, float]) -> Iterator[Row]:
    """Coverage of the jackknife for the same indices, on a scale where they are nearly normal."""
    indices = [
        ("ICC(A,1) of counts", "icc", icc_a1_weighted, correlation_scale(STUDY.n_raters), truth["ICC(A,1)"]),
        ("ICC(A,k) of counts", "icc", icc_ak_weighted, OF_MEANS, truth["ICC(A,k)"]),
        ("Williams index of Dice", "williams", ratio_of_sums, LOGARITHM, truth["williams"]),
        *(
            (f"variance component {name} of F1", "components", component_weighted(name), LOGARITHM, truth[name])
            for name in COMPONENTS
        ),
    ]
    for measure, source, statistic, scale, planted_value in indices:
        found = [jackknife_t(statistic, one, np.arange(len(one)), scale) for one in values[source]]
        limits = [(interval.low, interval.high) for interval in found]
        yield {"measure": measure, "method": "jackknife-t"} | covered(limits, planted_value)


def ratio_of_sums(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Ratio of the sums of two columns."""
    return np.asarray((weights @ values[:, 0]) / (weights @ values[:, 1]))


def _resampling(seed: int) -> Resampling:
    return Resampling(n_resamples=N_RESAMPLES, seed=seed)


def seeds(n_replicates: int) -> Iterator[Row]:
    """Coverage of the spread over seeds of a mean over 20 cases, for normal or skewed effects of the seed."""
    study = replace(STUDY, n_consensus_seeds=16, n_seeds=1, n_subjects=10, seed_sd=0.0)
    position = [i for i, member in enumerate(cast(study)) if member.trained_on == "staple"]
    pairs = np.array([(0, 1)])
    step = 200
    parts = [
        draw(replace(study, seed=1 + start), min(step, n_replicates - start), pairs=pairs)
        for start in range(0, n_replicates, step)
    ]
    of_cases = np.concatenate([part.f1_others[..., position].mean(axis=(1, 2)) for part in parts])  # (N, seeds)
    for luck_is in ("normal", "skewed"):
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
    """Effects of seeds, with mean 0 and standard deviation 1; skewed: few trainings fail, but by much."""
    return rng.normal(size=shape) if kind == "normal" else 1 - rng.exponential(size=shape)


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
