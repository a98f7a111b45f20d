"""Correctness, speed and memory of the consensus, and where STAPLE overestimates the raters.

    python benchmarks/consensus.py [equality likelihood speed volume recovery correlation objects methods]

`equality`: STAPLE, the published consensus and SimpleITK's on every image of three labs. `likelihood`: STAPLE and
SimpleITK's on random masks. `speed`: seconds of both in one process. `volume`: peak memory of 512³ voxels. `recovery`:
planted sensitivity and specificity, independent errors. `correlation`: raters with the same errors, with known truth.
`objects`: objects of every method against the known truth. `methods`: objects of every method on the labs.
Each section writes its part of consensus.json in `--out` (default: benchmarks/results); two also draw a figure.
Needs the packages of the tests.
The labs are read from the folder in SEGASSAY_DATA (default: ../shared/data, next to the repository).
"""

import multiprocessing
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measuring import chosen_sections, circumstances, data_dir, peak_mib, save, show, timed

from segassay.consensus.objects import object_consensus
from segassay.consensus.pixels import METHODS, Consensus, count_decisions, fuse_decisions, staple, staple_of_decisions
from segassay.data.dataset import Dataset, read_dataset
from segassay.data.published.download import download
from segassay.io.images import read_mask
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_objects, overlap_table
from segassay.simulation.dataset import DEFAULT_RATERS, RaterHabit, Simulation, simulate_case

PACKAGES = ("segassay", "numpy", "scipy", "SimpleITK")
REPEATS = 7  # alternating; the median counts
N_RANDOM = 400
N_IMAGES = 32  # simulated, per setting
THRESHOLDS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
N_OBJECT_IMAGES = 48  # simulated, per group of raters
FIVE_RATERS = (
    *DEFAULT_RATERS,
    RaterHabit("hasty", miss_rate=0.5, merge_rate=0.3, jitter_px=1.2),
    RaterHabit("wide", 0.7, dilation_px=1.0, miss_rate=0.2, false_positives=1.0, jitter_px=0.8),
)
PLANTED = {"sensitivity": (0.95, 0.9, 0.8, 0.7, 0.6), "specificity": (0.999, 0.99, 0.98, 0.95, 0.9)}


def main() -> None:
    """Run the given sections, by default all."""
    sections = {s.__name__: s for s in (equality, likelihood, speed, volume, recovery, correlation, objects, methods)}
    args = chosen_sections(sections, __doc__)
    with tempfile.TemporaryDirectory() as folder:
        written = download(Path(folder), labs=["wue1", "inns1", "mue"], mirror=data_dir())
        labs = [read_dataset(lab.folder) for lab in written]
        for name in args.sections:
            print(f"\n== {name}")
            started = circumstances(labs[0], PACKAGES)
            result = {**started, **sections[name](labs, args.out)}
            save(args.out / "consensus.json", name, result)
            if "failure" in result:
                sys.exit(result["failure"])


def _masks(lab: Dataset, case: str) -> np.ndarray:
    return np.stack([read_mask(of_case[case]) > 0 for of_case in lab.masks.values() if case in of_case])


def _simpleitk(masks: np.ndarray) -> tuple[sitk.STAPLEImageFilter, list[sitk.Image]]:
    """SimpleITK's filter and its input, made before the time is measured."""
    filter_ = sitk.STAPLEImageFilter()
    filter_.SetForegroundValue(1)
    return filter_, [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks]


def equality(labs: Sequence[Dataset], out: Path) -> dict[str, Any]:
    """Pixels that differ from the published consensus and from SimpleITK's, and the Dice of each method with STAPLE."""
    rows = []
    for lab in labs:
        for case in lab.cases:
            masks, published = _masks(lab, case), read_mask(lab.reference[case]) > 0
            filter_, images = _simpleitk(masks)
            prob = sitk.GetArrayFromImage(filter_.Execute(images))
            decisions = count_decisions(masks)
            result = staple_of_decisions(decisions)
            rates = np.r_[result.sensitivity, result.specificity]
            others = np.r_[filter_.GetSensitivity(), filter_.GetSpecificity()]
            row = {"lab": lab.name, "case": case, "pixels": result.mask.size}
            row |= {"differ_published": int(np.count_nonzero(result.mask != published))}
            row |= {"differ_simpleitk": int(np.count_nonzero(result.mask != (prob > 0.5)))}
            row |= {"prob_gap": float(np.abs(result.prob - prob).max())}
            row |= {"rate_gap": float(np.abs(rates - others).max())}
            for method in METHODS[1:]:
                row[f"dice_{method}"] = _dice(fuse_decisions(decisions, method).mask, result.mask)
            votes = masks.sum(axis=0)
            for k in range(1, len(masks) + 1):
                row[f"kept_{k}"] = float(result.mask[votes == k].mean()) if (votes == k).any() else None
            rows.append(row)
    table = pd.DataFrame(rows)
    table.insert(3, "images", 1)
    spec = {"images": "sum", "differ_published": "sum", "differ_simpleitk": "sum", "prob_gap": "max", "rate_gap": "max"}
    means = {str(name): "mean" for name in table if str(name).startswith(("dice_", "kept_"))}
    summary = table.groupby("lab", sort=False).agg(spec | means).reset_index()
    show(summary.to_dict("records"))
    records = [{k: None if pd.isna(v) else v for k, v in row.items()} for row in summary.to_dict("records")]
    result_of_all: dict[str, Any] = {"labs": records, "images": rows}
    if summary["differ_published"].any() or summary["differ_simpleitk"].any():
        result_of_all["failure"] = "the consensus differs from the published one or from SimpleITK's"
    return result_of_all


def _dice(mask: np.ndarray, other: np.ndarray) -> float:
    total = np.count_nonzero(mask) + np.count_nonzero(other)
    return 2 * np.count_nonzero(mask & other) / total if total else 1.0


def likelihood(labs: Sequence[Dataset], out: Path) -> dict[str, Any]:
    """Log-likelihood minus that of SimpleITK, both computed from the rates by the same function."""
    rows = []
    for seed in range(N_RANDOM):
        rng = np.random.default_rng(seed)
        n_raters, prevalence = int(rng.integers(2, 13)), float(rng.choice([0.01, 0.05, 0.2, 0.4, 0.6, 0.9]))
        shape = (int(rng.integers(1, 20)), int(rng.integers(2, 24)))
        kind = ("noise", "raters of all rates", "two parties", "one truth")[seed % 4]
        masks = _random_masks(rng, kind, n_raters, shape, prevalence)
        if not masks.any() or masks.all():
            continue
        result = staple(masks)
        filter_, images = _simpleitk(masks)
        filter_.Execute(images)
        p, q = np.array(filter_.GetSensitivity()), np.array(filter_.GetSpecificity())
        ours = _log_likelihood(masks, result.sensitivity, result.specificity)
        rows.append({"seed": seed, "kind": kind, "gap": ours - _log_likelihood(masks, p, q)})
    table = pd.DataFrame(rows)
    gaps = table.groupby("kind")["gap"]
    summary = pd.DataFrame({"sets": gaps.size(), "lowest": gaps.min(), "highest": gaps.max()})
    summary["likelier"] = gaps.apply(lambda gap: int((gap > 1e-6).sum()))
    records = summary.reset_index().to_dict("records")
    show(records)
    failed = table[table["gap"] < -1e-6]
    return {"kinds": records} | ({"failure": f"less likely than SimpleITK's:\n{failed}"} if len(failed) else {})


def _random_masks(
    rng: np.random.Generator, kind: str, n_raters: int, shape: tuple[int, ...], prevalence: float
) -> np.ndarray:
    if kind == "noise":
        return rng.random((n_raters, *shape)) < prevalence
    if kind == "raters of all rates":
        return rng.random((n_raters, *shape)) < rng.random((n_raters, *[1] * len(shape)))
    masks = (rng.random(shape) < prevalence) ^ (rng.random((n_raters, *shape)) < 0.2)
    if kind == "two parties":  # of opposite opinion
        masks[n_raters // 2 :] ^= True
    return masks


def _log_likelihood(masks: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    """Log-likelihood of all decisions, with sensitivities p and specificities q, pixel by pixel."""
    decided, prior = masks.reshape(len(masks), -1), masks.mean()
    foreground = prior * np.where(decided, p[:, None], 1 - p[:, None]).prod(axis=0)
    background = (1 - prior) * np.where(decided, 1 - q[:, None], q[:, None]).prod(axis=0)
    return float(np.log(np.maximum(foreground + background, 1e-300)).sum())


def speed(labs: Sequence[Dataset], out: Path) -> dict[str, Any]:
    """Median seconds for 5 raters, 1024²; SegAssay and SimpleITK alternate, and its images are made before."""
    rng, n_threads = np.random.default_rng(0), sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    truth = rng.random((1024, 1024)) < 0.2
    raters = tuple(RaterHabit(f"rater_{i}", brightness_threshold=0.6 + 0.3 * i) for i in range(5))
    simulated = simulate_case(Simulation(shape=(1024, 1024), n_nuclei=200, raters=raters), 0)[2]
    kinds = {f"lab-wue1, image {case}": _masks(labs[0], case) for case in labs[0].cases[::12]}
    kinds["simulated nuclei"] = np.stack(list(simulated.values()))
    kinds["one truth, 20 % errors"] = truth ^ (rng.random((5, 1024, 1024)) < 0.2)
    rows = []
    for kind, masks in kinds.items():
        filter_, images = _simpleitk(masks)
        times: dict[str, list[float]] = {"segassay": [], "simpleitk": [], f"simpleitk_{n_threads}_threads": []}
        for _ in range(REPEATS):
            times["segassay"].append(timed(partial(staple, masks))[0])
            for name, threads in (("simpleitk", 1), (f"simpleitk_{n_threads}_threads", n_threads)):
                sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
                filter_.SetNumberOfThreads(threads)
                times[name].append(timed(partial(filter_.Execute, images))[0])
        median = {name: float(np.median(seconds)) for name, seconds in times.items()}
        steps = {"ours_steps": staple(masks).n_iterations, "simpleitk_steps": filter_.GetElapsedIterations()}
        ratios = {f"{name}_over_segassay": median[name] / median["segassay"] for name in list(median)[1:]}
        rows.append({"masks": kind, **median, **steps, **ratios})
    show(rows)
    result: dict[str, Any] = {"threads_by_default": n_threads, "times": rows}
    if (lowest := min(row["simpleitk_over_segassay"] for row in rows)) < 20:
        result["failure"] = f"only {lowest:.1f} times as fast as SimpleITK, expected at least 20"
    return result


def volume(labs: Sequence[Dataset], out: Path) -> dict[str, Any]:
    """Peak memory above that of a process after the imports; masks are drawn one after another."""
    rows = []
    for size, n_raters, method in ((256, 5, "staple"), (256, 20, "staple"), (512, 5, "majority"), (512, 5, "staple")):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            rows.append(fresh.submit(_fuse_volume, size, n_raters, method).result())
    show(rows)
    return {"volumes": rows}


def _fuse_volume(size: int, n_raters: int, method: str) -> dict[str, Any]:
    """Memory of one consensus; run it in a new process."""
    before = peak_mib()
    consensus = fuse_decisions(count_decisions(_volume_masks(size, n_raters)), method)
    assert isinstance(consensus, Consensus)
    extra = peak_mib() - before
    row = {"voxels": f"{size}^3", "n_raters": n_raters, "method": method, "imported_mib": before, "extra_mib": extra}
    return row | {"bytes_per_voxel": extra * 2**20 / size**3}


def _volume_masks(size: int, n_raters: int) -> Iterator[np.ndarray]:
    """Lattice of balls, marked by each rater with a tenth of wrong voxels; made plane by plane."""
    wave = np.cos(np.arange(size) * 2 * np.pi / 32)
    for rater in range(n_raters):
        rng, mask = np.random.default_rng(rater), np.empty((size, size, size), dtype=bool)
        for z, plane in enumerate(mask):
            truth = wave[z] + wave[:, None] + wave > 1.2
            plane[:] = truth ^ (rng.integers(0, 10, truth.shape, dtype=np.uint8) == 0)
        yield mask


def recovery(labs: Sequence[Dataset], out: Path) -> dict[str, Any]:
    """Error of the estimates over 20 draws of 512² pixels with independent errors, at several prevalences."""
    rows = []
    for prevalence in (0.01, 0.05, 0.2, 0.5):
        estimates = []
        for seed in range(20):
            rng = np.random.default_rng(seed)
            truth = rng.random((512, 512)) < prevalence
            result = staple(_independent(rng, truth, *PLANTED.values()))
            estimates.append([result.sensitivity, result.specificity])
        mean, sd = np.mean(estimates, axis=0), np.std(estimates, axis=0, ddof=1)
        for number, (measure, planted) in enumerate(PLANTED.items()):
            for rater, value in enumerate(planted):
                row = {"prevalence": prevalence, "measure": measure, "rater": rater + 1, "planted": value}
                rows.append(row | {"mean": mean[number, rater], "sd": sd[number, rater]})
    table = pd.DataFrame(rows)
    table["bias"] = table["mean"] - table["planted"]
    show(table.to_dict("records"))
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    for axes, (measure, planted) in zip(figure.subplots(1, 2), PLANTED.items(), strict=True):
        axes.axhline(0, color="0.6", lw=1)
        for number, prevalence in enumerate(table["prevalence"].unique()):
            points = table[(table["measure"] == measure) & (table["prevalence"] == prevalence)]
            at = points["planted"] + (number - 1.5) * np.ptp(planted) / 80
            style = {"fmt": "osD^"[number], "ms": 4, "capsize": 2, "label": f"{prevalence:.0%}"}
            axes.errorbar(at, points["mean"] - points["planted"], points["sd"], **style)
        axes.set(xlabel=f"planted {measure}", ylabel="estimated − planted", title=f"{measure}, mean ± sd of 20 draws")
        axes.set_xticks(planted, [f"{value:g}".lstrip("0") for value in planted])
        axes.tick_params(axis="x", labelsize="small")
    figure.axes[0].legend(title="foreground", fontsize="small")
    figure.savefig(out / "consensus_recovery.png", dpi=150)
    return {"estimates": table.to_dict("records")}


def _independent(rng: np.random.Generator, truth: np.ndarray, p: Sequence[float], q: Sequence[float]) -> np.ndarray:
    """Masks of raters with independent errors at each pixel, with sensitivities p and specificities q."""
    chance = [np.where(truth, sensitivity, 1 - specificity) for sensitivity, specificity in zip(p, q, strict=True)]
    return rng.random((len(chance), *truth.shape)) < chance


def correlation(labs: Sequence[Dataset], out: Path) -> dict[str, Any]:
    """Raters who overlook the same dim nuclei (threshold), and raters who copy one another (copies)."""
    rows = []
    for threshold in THRESHOLDS:
        habits = [RaterHabit(f"rater_{i}", brightness_threshold=threshold) for i in range(5)]
        settings = Simulation(n_cases=N_IMAGES, raters=tuple(habits))
        for case in range(N_IMAGES):
            _, labels, masks = simulate_case(settings, case)
            rows += _compare(labels > 0, np.stack(list(masks.values())), case, "threshold", threshold)
    settings = Simulation(n_cases=N_IMAGES, raters=tuple(RaterHabit(f"rater_{i}") for i in range(5)))
    for case in range(N_IMAGES):
        _, labels, by_rater = simulate_case(settings, case)
        drawn = np.stack(list(by_rater.values()))
        for n_alike in range(1, 6):
            rows += _compare(labels > 0, drawn[[0] * n_alike + list(range(n_alike, 5))], case, "copies", n_alike)
    table = pd.DataFrame(rows)
    summary = table.groupby(["what", "value", "errors"], sort=False).mean(numeric_only=True).drop(columns="case")
    records = summary.reset_index().to_dict("records")
    show(records)
    _draw(table, out / "consensus_correlation.png")
    return {"images": N_IMAGES, "settings": records}


def _compare(truth: np.ndarray, masks: np.ndarray, case: int, what: str, value: float) -> list[dict[str, Any]]:
    """Estimated and true rates, means over raters, of masks and of independent errors of the same rates."""
    p, q = masks[:, truth].mean(axis=1), 1 - masks[:, ~truth].mean(axis=1)
    rows = []
    for errors, drawn in (("as drawn", masks), ("independent", _independent(np.random.default_rng(case), truth, p, q))):
        decisions = count_decisions(drawn)
        result = staple_of_decisions(decisions)
        row = {"what": what, "value": value, "errors": errors, "case": case, "shared_misses": _phi(~drawn[:, truth])}
        row |= {"true_sensitivity": drawn[:, truth].mean(), "estimated_sensitivity": result.sensitivity.mean()}
        row |= {"true_specificity": 1 - drawn[:, ~truth].mean(), "estimated_specificity": result.specificity.mean()}
        row |= {f"dice_{method}": _dice(fuse_decisions(decisions, method).mask, truth) for method in METHODS}
        rows.append(row)
    return rows


def _phi(missed: np.ndarray) -> float:
    """Mean correlation of pairs of raters `(R, N)`, without raters who miss all or none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = np.corrcoef(missed)
    return float(np.nanmean([pairs[a, b] for a, b in combinations(range(len(missed)), 2)]))


def _draw(table: pd.DataFrame, path: Path) -> None:
    """Draw sensitivity and Dice by how similar the errors of the raters are."""
    figure = Figure(figsize=(10.5, 7.4), layout="constrained")
    panels = figure.subplots(2, 2, sharex="col")
    titles = {
        "threshold": ("contrast below which raters overlook nuclei", "Raters overlook the same dim nuclei"),
        "copies": ("raters of 5 who hand in the same mask", "Raters copy one another"),
    }
    for (above, below), (what, (label, title)) in zip(panels.T, titles.items(), strict=True):
        part = table[table["what"] == what]
        drawn, independent = (part[part["errors"] == errors] for errors in ("as drawn", "independent"))
        _line(above, drawn, "true_sensitivity", "true", "black", "o")
        _line(above, drawn, "estimated_sensitivity", "STAPLE's estimate", "#d55e00", "s")
        _line(above, independent, "estimated_sensitivity", "STAPLE's, same rates, independent errors", "#0072b2", "^")
        above.set(title=title, ylim=(0, 1.03))
        for method, colour, marker in zip(
            METHODS, ("#d55e00", "#0072b2", "0.5", "#009e73", "#cc79a7"), "os^vD", strict=True
        ):
            if method != "soft":  # its mask is that of majority
                _line(below, drawn, f"dice_{method}", method, colour, marker)
        below.set(xlabel=label, ylim=(0, 1.03))
    panels[1, 0].set_xticks(THRESHOLDS)
    panels[1, 1].set_xticks(range(1, 6))
    panels[0, 0].set_ylabel("sensitivity of a rater, mean")
    panels[1, 0].set_ylabel("Dice of the consensus with the truth")
    panels[0, 0].legend(loc="lower left", fontsize="small")
    panels[1, 0].legend(loc="lower left", fontsize="small")
    figure.savefig(path, dpi=150)


def _line(axes: Axes, table: pd.DataFrame, column: str, label: str, colour: str, marker: str) -> None:
    """Mean over images, and its standard error."""
    values = table.groupby("value")[column].agg(["mean", "sem"])
    axes.errorbar(
        values.index, values["mean"], values["sem"], label=label, color=colour, marker=marker, ms=5, capsize=2
    )


def objects(labs: Sequence[Dataset], out: Path) -> dict[str, Any]:
    """Precision, recall, F1 and area of the objects of each method and rater, and objects that most raters marked."""
    rows = []
    for raters in (DEFAULT_RATERS, FIVE_RATERS):
        settings = Simulation(n_cases=N_OBJECT_IMAGES, raters=tuple(raters))
        for case in range(N_OBJECT_IMAGES):
            _, truth, by_rater = simulate_case(settings, case)
            masks = {f"rater {name}": mask for name, mask in by_rater.items()} | _of_every_method(by_rater.values())
            about = {"n_raters": len(raters), "case": case}
            for who, mask in masks.items():
                found = label_objects(mask, min_size=settings.min_object_size)
                rows.append({**about, "by": who, **_beside_truth(truth, found)})
            marked = np.array([_marked(truth, mask) for mask in by_rater.values()])
            most = int((2 * marked.sum(axis=0) > len(raters)).sum())
            rows.append({**about, "by": "marked by most", "n_true": int(truth.max()), "tp": most})
    table = pd.DataFrame(rows)
    total = table.groupby(["n_raters", "by"], sort=False)[["n_true", "n_found", "tp", "log_area"]].sum()
    total["precision"], total["recall"] = total["tp"] / total["n_found"], total["tp"] / total["n_true"]
    total["f1"] = 2 * total["tp"] / (total["n_true"] + total["n_found"])
    total["area"] = np.exp(total.pop("log_area") / total["tp"])
    records: list[dict[str, Any]] = total.reset_index().to_dict("records")  # type: ignore[assignment]
    nothing = ("n_found", "precision", "f1", "area")
    records = [{**row, **dict.fromkeys(nothing)} if row["by"] == "marked by most" else row for row in records]
    show(records)
    return {"images": N_OBJECT_IMAGES, "totals": records}


def _of_every_method(masks: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Mask of each method; that of `soft` is the one of majority."""
    together = list(masks)
    decisions = count_decisions(together)
    by_pixels = {method: fuse_decisions(decisions, method).mask for method in METHODS if method != "soft"}
    return {**by_pixels, "object": object_consensus(together).mask}


def _beside_truth(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Objects found at an IoU above one half, and the sum of the logarithms of their areas over the true ones."""
    matches = match_objects(truth, found)
    overlaps = overlap_table(truth, found)
    hit = overlaps.iou > 0.5
    ratios = overlaps.size_b[overlaps.b[hit]] / overlaps.size_a[overlaps.a[hit]]
    n_found = {"n_true": matches.n_a, "n_found": matches.n_b, "tp": int(matches.tp[0])}
    return {**n_found, "log_area": float(np.log(ratios).sum())}


def _marked(truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Whether more than half of each true object is marked `(n,)`, possibly merged with a neighbour."""
    n = np.bincount(truth.reshape(-1))[1:]
    return np.bincount(truth[mask], minlength=n.size + 1)[1:] > n / 2


def methods(labs: Sequence[Dataset], out: Path) -> dict[str, Any]:
    """Number and size of the objects of each method on the labs, Dice and F1 with STAPLE."""
    rows = []
    for lab in labs:
        for case in lab.cases:
            masks = _of_every_method(_masks(lab, case))
            labels = {method: label_objects(mask, min_size=lab.min_object_size) for method, mask in masks.items()}
            for method, found in labels.items():
                row = {"lab": lab.name, "method": method, "objects": int(found.max())}
                row |= {"pixels": int(np.count_nonzero(found)), "dice": _dice(masks[method], masks["staple"])}
                rows.append({**row, "f1": float(match_objects(labels["staple"], found).f1[0])})
    groups = pd.DataFrame(rows).groupby(["lab", "method"], sort=False)
    table = groups[["objects", "pixels"]].sum().join(groups[["dice", "f1"]].mean())
    table["pixels_per_object"] = table.pop("pixels") / table["objects"]
    records: list[dict[str, Any]] = table.reset_index().to_dict("records")  # type: ignore[assignment]
    show(records)
    return {"methods": records}


if __name__ == "__main__":
    main()
