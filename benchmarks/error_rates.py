"""Error rates of the tests where their usual assumptions fail: unequal noise, unequal spread, skewness, a noisy seed.

    python benchmarks/error_rates.py [bias equivalence ratios groups range imprint reliability] [--replicates N]

`bias`: how often raters with one mean are called biased if one of them is noisier; power if one counts more.
`equivalence`: how often measurements that differ by the margin are called equivalent, `ratios`: the same of mean
amounts whose ratio is at the margin. `groups`: how often groups with one centre and unequal spread lead to a
conclusion. `range`: how often a model like the raters seems better than the worst of them, or worse than the best.
`imprint`: how often models without imprint seem to have one. `reliability`: how often ensembles whose disagreement is
at the line seem to be below it, with animals of unequal size.
Each section writes its part of error_rates.json and its table of docs/truthfulness.md. Five minutes on one core.
"""

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measuring import ROOT, chosen_sections, circumstances, save, show
from scipy import stats
from truthfulness import rate
from truthfulness_report import SIZES, as_markdown, put_between

from segassay.data.dataset import read_dataset
from segassay.qualities.objectivity.imprint import imprint as imprint_of
from segassay.qualities.validity.ceiling import from_extremes
from segassay.simulation.dataset import Simulation, simulate
from segassay.statistics.equivalence import ratio_equivalence
from segassay.statistics.groups import brunner_munzel, holm, mann_whitney, mixed_model, unequal_spread_p, welch
from segassay.statistics.intervals import mean_interval, mean_intervals
from segassay.statistics.methods import equivalence_test
from segassay.statistics.raters import bias_test, log_ratio_to_others

PACKAGES = ("segassay", "numpy", "scipy", "pandas")
N_REPLICATES = 1000
AT_MOST = {"imprint": 300, "range": 300}  # studies
ALPHA = 0.05
COLUMNS = {
    "bias": (["raters", "scatter", "test"], "n_cases", "rate"),
    "equivalence": (["differences", "test"], "n_units", "rate"),
    "ratios": (["amounts", "test"], "n_units", "rate"),
    "groups": (["values", "spread", "test"], "sizes", "rate"),
    "range": (["raters", "test"], "n_cases", "rate"),
    "imprint": (["raters", "seeds", "test"], "n_cases", "rate"),
    "reliability": (["disagreement", "images of an animal", "test"], "n_animals", "rate"),
}

Row = dict[str, Any]


def main() -> None:
    """Run the given sections, by default all."""
    sections = {
        section.__name__.rstrip("_"): section
        for section in (bias, equivalence, ratios, groups, range_, imprint, reliability)
    }
    args = chosen_sections(sections, __doc__, replicates=(N_REPLICATES, "studies each"))
    os.nice(10)
    with tempfile.TemporaryDirectory() as folder:
        small = read_dataset(simulate(Path(folder) / "small", Simulation(n_cases=2, shape=(64, 64))))
        for name in args.sections:
            started, start = circumstances(small, PACKAGES), time.perf_counter()
            n_studies = min(args.replicates, AT_MOST.get(name, args.replicates))
            rows = list(sections[name](n_studies))
            print(f"\n== {name}: {time.perf_counter() - start:.0f} s")
            show(rows)
            save(args.out / "error_rates.json", name, {**started, "replicates": n_studies, "rows": rows})
            publish(name, rows, ROOT / "docs" / "truthfulness.md")


def publish(section: str, rows: list[Row], page: Path) -> None:
    """Update the table of one section."""
    between = f"(<!-- error rates: {section} -->\n).*?(<!-- end of error rates: {section} -->)"
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(between, put_between(table(section, rows)), text, flags=re.DOTALL), encoding="utf-8")


def table(section: str, rows: list[Row]) -> str:
    """Markdown table of one section, shares in per cent."""
    return as_markdown(rows, *COLUMNS[section])


def bias(n_replicates: int) -> Iterator[Row]:
    """How often any rater is called biased, by the test, by the one it replaced, and by Friedman's."""
    settings = [
        ("one mean", "15 % each", 5, 0.15, 1.0),
        ("one mean", "15 %, one 50 %", 5, 0.5, 1.0),
        ("one mean", "15 %, one 80 %", 5, 0.8, 1.0),
        ("one mean, 3 raters", "15 %, one 80 %", 3, 0.8, 1.0),
        ("one counts 25 % more", "15 % each", 5, 0.15, 1.25),
        ("one counts 25 % more", "15 %, that one 50 %", 5, 0.5, 1.25),
    ]
    for raters, scatter, n_raters, noise, factor in settings:
        for n_cases in SIZES:
            drawn = noisy_counts(np.random.default_rng(n_cases), (n_replicates, n_cases, n_raters), noise, factor)
            tables = [bias_test(counts) for counts in drawn]
            of_ranks = np.array([found["friedman_p"].iloc[0] for found in tables]) < ALPHA
            of_logs = np.array([log_ratio_p(counts) for counts in drawn]) < ALPHA
            about = {"raters": raters, "scatter": scatter, "n_cases": n_cases}
            yield about | rate("bias test", [bool(found["biased"].any()) for found in tables])
            yield about | rate("log ratios, if Friedman too (before)", of_logs & of_ranks)
            yield about | rate("Friedman", of_ranks)


def noisy_counts(rng: np.random.Generator, shape: tuple[int, int, int], noise: float, factor: float) -> np.ndarray:
    """Counts around 50; raters scatter (lognormal) by 15 %, the last by `noise` around `factor` times the mean."""
    n_studies, n_cases, n_raters = shape
    spread = np.sqrt(np.log1p(np.r_[np.full(n_raters - 1, 0.15), noise] ** 2))
    scatter = np.exp(spread * rng.normal(size=shape) - spread**2 / 2)
    scatter[..., -1] *= factor
    return rng.poisson(rng.gamma(4, 12.5, size=(n_studies, n_cases, 1)) * scatter).astype(float)


def log_ratio_p(counts: np.ndarray) -> float:
    """Smallest p, adjusted by Holm, of t tests of log ratios to the others."""
    return float(holm(stats.ttest_1samp(log_ratio_to_others(counts), 0).pvalue).min())


def equivalence(n_replicates: int) -> Iterator[Row]:
    """How often differences with their mean at the margin pass, and how often smaller ones do."""
    for name, draw in DIFFERENCES.items():
        at_margin = name != "normal, mean at half the margin"
        for n_units in SIZES:
            drawn = draw(np.random.default_rng(n_units), (n_replicates, n_units))
            margin = 100.0 if at_margin else 1.0  # the other margin is far away
            centre = 100.0 if at_margin else 0.5
            tests = [equivalence_test(centre + values, np.zeros(n_units), margin=margin) for values in drawn]
            passed = np.array([test.p_value < ALPHA for test in tests])
            about = {"differences": name, "n_units": n_units}
            yield about | rate("called equivalent", passed & np.array([not test.gap for test in tests]))
            yield about | rate("two t tests alone (before)", passed)


RARE = "one in ten is 1, the others 0 ± 0.05"
DIFFERENCES: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t, 3 degrees of freedom": lambda rng, shape: rng.standard_t(3, size=shape),
    "gamma, skewness 1": lambda rng, shape: rng.gamma(4, size=shape) - 4,
    "exponential, skewness 2": lambda rng, shape: rng.exponential(size=shape) - 1,
    "lognormal, skewness 6": lambda rng, shape: np.exp(rng.normal(size=shape)) - np.exp(0.5),
    "half 0, half exponential": lambda rng, shape: rng.binomial(1, 0.5, shape) * rng.exponential(size=shape) - 0.5,
    "80 % 0, 20 % exponential": lambda rng, shape: rng.binomial(1, 0.2, shape) * rng.exponential(size=shape) - 0.2,
    "90 % 0, 10 % 1": lambda rng, shape: rng.binomial(1, 0.1, shape) - 0.1,
    RARE: lambda rng, shape: rng.binomial(1, 0.1, shape) - 0.1 + rng.normal(0, 0.05, shape),
    "normal, mean at half the margin": lambda rng, shape: rng.normal(size=shape),
}
"""Differences around a mean of 0."""


def ratios(n_replicates: int) -> Iterator[Row]:
    """How often amounts whose mean ratio is at the margin, 10 % less or more, pass."""
    for name, (ratio, draw) in RATIOS.items():
        for n_units in (6, *SIZES):
            rng = np.random.default_rng(n_units)
            pairs = [(np.exp(3 + 0.2 * rng.normal(size=n_units)), draw(rng, n_units)) for _ in range(n_replicates)]
            tests = [ratio_equivalence(b * ratio * noise, b, margin=0.1) for b, noise in pairs]
            passed = np.array([test.p_value < ALPHA for test in tests])
            about = {"amounts": name, "n_units": n_units}
            yield about | rate("called equivalent", passed & np.array([not test.gap for test in tests]))
            yield about | rate("two t tests alone", passed)


RARE_IMAGES = "one image in ten empty, errors of 5 %"
RATIOS: dict[str, tuple[float, Callable[[np.random.Generator, int], np.ndarray]]] = {
    "10 % less, normal errors of 10 %": (0.9, lambda rng, n: rng.normal(1, 0.1, n).clip(0)),
    "10 % more, normal errors of 10 %": (1.1, lambda rng, n: rng.normal(1, 0.1, n).clip(0)),
    "10 % less, lognormal errors": (0.9, lambda rng, n: np.exp(0.3 * rng.normal(size=n) - 0.045)),
    "one image in ten empty": (1.0, lambda rng, n: rng.binomial(1, 0.9, n)),
    "one image in ten doubled": (1.0, lambda rng, n: 1 + rng.binomial(1, 0.1, n)),
    "one image in twenty tripled": (1.0, lambda rng, n: 1 + 2 * rng.binomial(1, 0.05, n)),
    RARE_IMAGES: (
        1.0,
        lambda rng, n: rng.binomial(1, 0.9, n) * rng.normal(1, 0.05, n).clip(0),
    ),
}
"""Mean ratio, and errors with the mean 1; or errors with their mean at the margin."""


def groups(n_replicates: int) -> Iterator[Row]:
    """How often two groups lead to a conclusion, if they have one centre or if one lies 1.5 sd higher."""
    spreads = (("equal", 1.0, 0.0), ("3 to 1", 3.0, 0.0), ("equal, 1.5 sd apart", 1.0, 1.5))
    for name, draw in VALUES.items():
        for spread, ratio, shift in spreads if name in ("normal", "lognormal") else spreads[1:2]:
            for n_1, n_2 in ((5, 5), (12, 12), (4, 12), (6, 24), (8, 16), (12, 24)):
                rng = np.random.default_rng([n_1, n_2])
                pairs = [(draw(rng, n_1, ratio, 0.0), draw(rng, n_2, 1.0, shift)) for _ in range(n_replicates)]
                ranks = np.array([mann_whitney(x, y).p_value < ALPHA for x, y in pairs])
                checked = np.array([unequal_spread_p(x, y) < ALPHA for x, y in pairs])
                about = {"values": name, "spread": spread, "sizes": f"{n_1}, {n_2}"}
                yield about | rate("conclusion", ranks & checked)
                yield about | rate("Mann-Whitney alone (before)", ranks)
                if spread == "3 to 1":
                    ranks = np.array([brunner_munzel(x, y).p_value < ALPHA for x, y in pairs])
                    yield about | rate("Brunner-Munzel alone", ranks)
                if spread == "3 to 1" and name == "normal":
                    mixed = np.array([of_mixed_model(rng, x, y) for x, y in pairs]) < ALPHA
                    yield about | rate("mixed model, 3 images each", mixed.all(axis=1))
                    yield about | rate("mixed model alone (before)", mixed[:, 0])


VALUES: dict[str, Callable[[np.random.Generator, int, float, float], np.ndarray]] = {
    "normal": lambda rng, n, sd, shift: rng.normal(shift, sd, n),
    "uniform": lambda rng, n, sd, shift: shift + sd * rng.uniform(-1.73, 1.73, n),
    "t, 3 degrees of freedom": lambda rng, n, sd, shift: shift + sd * rng.standard_t(3, n) / 1.73,
    "lognormal": lambda rng, n, sd, shift: np.exp(0.5 * rng.normal(shift, sd, n)),
}
"""n values with their median at `shift`; the lognormal ones on the scale of the logarithm."""


def of_mixed_model(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """p of the difference of two groups of animals with these means, from three images of each, and p of its check."""
    animals = np.repeat(np.arange(len(x) + len(y)), 3)
    values = np.concatenate([x, y])[animals] + rng.normal(0, 0.5, len(animals))
    fit = mixed_model(values, (animals >= len(x)).astype(int), animals, n_groups=2)
    t = (fit.mean[1] - fit.mean[0]) / np.sqrt(fit.variance_of_mean.sum())
    means = values.reshape(-1, 3).mean(axis=1)
    return 2 * float(stats.t.sf(abs(t), fit.df)), welch(means[: len(x)], means[len(x) :]).p_value


def range_(n_replicates: int) -> Iterator[Row]:
    """How often a model that scores as the raters do is above the worst, or below the best of them (nominal: 2.5 %)."""
    for n_raters in (2, 3, 5, 8):
        for n_cases in SIZES:
            rng, cases = np.random.default_rng([n_raters, n_cases]), np.arange(n_cases)
            drawn = [rng.beta(6, 2, (n_cases, n_raters + 1)) for _ in range(n_replicates)]
            above, below, alone = [], [], []
            for scores in drawn:
                differences = scores[:, :1] - scores[:, 1:]
                (worst, from_worst), (_, from_best) = from_extremes(differences, cases)
                above.append(from_worst.low > 0)
                below.append(from_best.high < 0)
                alone.append(mean_interval(differences[:, worst], cases).low > 0)
            about = {"raters": f"{n_raters} alike", "n_cases": n_cases}
            yield about | rate("above the worst", above)
            yield about | rate("below the best", below)
            yield about | rate("above the worst, taken as given (before)", alone)


def imprint(n_replicates: int) -> Iterator[Row]:
    """How often the interval of the imprint of the first rater lies above 0 (nominal: 2.5 %), without any imprint."""
    for raters, found in (("alike", (0.85,) * 4), ("the first finds fewer", (0.65, 0.85, 0.85, 0.85))):
        for seeds, of_seed in (("alike", 0.85), ("one of two finds 50 %", 0.5)):
            for n_cases in SIZES:
                rng = np.random.default_rng(n_cases)
                studies = (agreement_of_models(rng, n_cases, found, of_seed) for _ in range(n_replicates))
                found_of = [mean_intervals(imprint_of(a), np.arange(n_cases)).iloc[0] for a in studies]
                about = {"raters": raters, "seeds": seeds, "n_cases": n_cases}
                about |= {"mean_imprint": float(np.mean([row["value"] for row in found_of]))}
                yield about | rate("above 0", [row["low"] > 0 for row in found_of])
                yield about | rate("above .05", [row["low"] > 0.05 for row in found_of])


def agreement_of_models(
    rng: np.random.Generator, n_cases: int, found: tuple[float, ...], of_seed: float, n_objects: int = 30
) -> np.ndarray:
    """F1 `(cases, models of s, raters)` where raters and models find objects by chance; two seeds, mean of both."""
    n_raters = len(found)
    of_raters = rng.random((n_cases, n_raters, n_objects)) < np.array(found)[:, None]
    share = np.full((n_raters, 2), 0.85)
    share[0, 1] = of_seed
    of_models = rng.random((n_cases, n_raters, 2, n_objects)) < share[..., None]
    both = np.einsum("csko,cro->cskr", of_models.astype(float), of_raters.astype(float))
    total = of_models.sum(axis=-1)[..., None] + of_raters.sum(axis=-1)[:, None, None]
    return np.asarray((2 * both / np.maximum(total, 1)).mean(axis=2))


def reliability(n_replicates: int) -> Iterator[Row]:
    """How often a mean at the line has an interval below it (nominal: 2.5 %), as that of two ensembles' disagreement.

    It is taken minus four fifths of that of two raters, as for the verdict. Half of the variance is between animals.
    """
    for name, draw in DISAGREEMENTS.items():
        for sizes, images_of in SIZES_OF_ANIMALS.items():
            for n_animals in (5, *SIZES):
                rng = np.random.default_rng([n_animals, 6])
                animal = np.repeat(np.arange(n_animals), images_of(n_animals))
                noise = rng.normal(0, draw(rng, (1000, 100)).std(), (len(animal), n_replicates))
                values = draw(rng, (n_animals, n_replicates))[animal] + noise
                about = {"disagreement": name, "images of an animal": sizes, "n_animals": n_animals}
                for test, cluster in (("below the line", animal), ("over images (before)", np.arange(len(animal)))):
                    yield about | rate(test, (mean_intervals(values, cluster)["high"] < 0).to_list())


DISAGREEMENTS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "a tail of more": lambda rng, shape: rng.exponential(size=shape) - 1,
    "a tail of less": lambda rng, shape: 1 - rng.exponential(size=shape),
    "one animal in ten far above the line": lambda rng, shape: (
        rng.binomial(1, 0.1, shape) - 0.1 + rng.normal(0, 0.05, shape)
    ),
}
"""Means of animals, around the line."""

SIZES_OF_ANIMALS: dict[str, Callable[[int], np.ndarray]] = {
    "3 each": lambda n: np.full(n, 3),
    "1, 1, 2, 3, 8": lambda n: np.resize([1, 1, 2, 3, 8], n),
    "one has half": lambda n: np.array([n - 1] + [1] * (n - 1)),
}


if __name__ == "__main__":
    main()
