"""Studies in memory, honest ones and their verdicts: what the cheats of `cheating` start from.

    seed  ->  Study: images, masks of raters, models, ensembles (N, H, W), who trained them on what  ->  verdicts

No network is trained. On simulated images, a model is a simulated annotator with the habit that it would have learned,
and errors of its own.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from segassay.assay.numbers import normalised_counts
from segassay.assay.sources import Sources, read_sources
from segassay.data.annotations import WITHOUT
from segassay.data.dataset import Dataset, strata
from segassay.judgement.summary import summarise
from segassay.qualities.scores.table import Findings, score_rows
from segassay.simulation.dataset import Effect, RaterHabit, Simulation, simulate_case
from segassay.tables.build import build_tables
from segassay.tables.effects import EFFECT_COLUMNS, effects

QUALITIES = ("objectivity", "reliability", "validity")
OBJ, REL, VAL = (frozenset({quality}) for quality in QUALITIES)
N_SEEDS = 6  # of the consensus; three to an ensemble
CONSENSUS = "staple"
ENSEMBLES = {f"{CONSENSUS}/s{first}-{first + 2}": range(first, first + 3) for first in range(0, N_SEEDS, 3)}


@dataclass(frozen=True)
class About:
    """What annotations.csv says about an annotator."""

    kind: str
    trained_on: str = ""
    seed: str = ""
    strategy: str = ""


@dataclass(frozen=True, eq=False)
class Study:
    """A study in memory.

    Attributes:
        images: `(N, H, W)`.
        masks: Annotator -> boolean masks `(N, H, W)`.
        about: Annotator -> what annotations.csv says about it.
        groups: Group of each image; empty without an experiment.
        regions: Region of each image; empty without regions.
        has_subjects: Whether each image is of a subject of its own; else nothing is known about subjects.
        skipped: Annotator -> images that it leaves out.
        lost: Annotators whose files do not exist.
        settings: As in dataset.yaml.
        exchangeable: Whether a rater of two images need not be one person.
    """

    images: np.ndarray
    masks: dict[str, np.ndarray]
    about: dict[str, About]
    groups: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    has_subjects: bool = False
    skipped: dict[str, frozenset[int]] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    settings: dict[str, Any] = field(default_factory=lambda: {"min_object_size": 10})
    exchangeable: bool = False

    @property
    def raters(self) -> list[str]:
        """Names of the raters."""
        return [name for name, about in self.about.items() if about.kind == "human"]

    @property
    def experts(self) -> list[str]:
        """Models of single raters."""
        return [name for name, about in self.about.items() if about.trained_on in self.raters]

    @property
    def members(self) -> list[str]:
        """Models of the consensus."""
        return [name for name, about in self.about.items() if about == _member(about.seed)]

    @property
    def ensembles(self) -> list[str]:
        """Ensembles of the consensus: the judged annotators."""
        return [name for name, one in self.about.items() if one.kind == "ensemble" and one.trained_on == CONSENSUS]

    @property
    def without(self) -> list[str]:
        """Models of the consensus without one rater."""
        return [name for name, about in self.about.items() if WITHOUT in about.trained_on]

    @property
    def of_consensus(self) -> list[str]:
        """All models and ensembles of a consensus."""
        return [*self.members, *self.ensembles, *self.without]

    def with_masks(self, masks: Mapping[str, np.ndarray]) -> "Study":
        """The same study with some masks replaced."""
        return replace(self, masks={**self.masks, **masks})

    def only(self, names: Iterable[str]) -> "Study":
        """The same study with these annotators."""
        kept = list(names)
        pick: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda of: {name: of[name] for name in kept}  # noqa: E731
        return replace(self, masks=pick(self.masks), about=pick(self.about))


def _member(seed: str) -> About:
    return About("model", CONSENSUS, seed, "consensus:staple")


def smaller(study: Study, n_cases: int = 16, n_raters: int = 4) -> Study:
    """The same study with its first images, without some raters before the last, and without their models."""
    gone = set(study.raters[1 : 1 + max(0, len(study.raters) - n_raters)])
    about = {
        name: one
        for name, one in study.about.items()
        if not gone & {name, one.trained_on, one.trained_on.removeprefix(f"{CONSENSUS}{WITHOUT}")}
    }
    return replace(
        study,
        images=study.images[:n_cases],
        masks={name: study.masks[name][:n_cases] for name in about},
        about=about,
        groups=study.groups[:n_cases],
    )


def put_together(
    images: np.ndarray, own: dict[str, np.ndarray], trained: dict[tuple[str, int], np.ndarray], **more: Any
) -> Study:
    """A study of raters' masks, and of models' masks by training target and seed; ensembles are made here."""
    masks, about = dict(own), {name: About("human") for name in own}
    for (on, seed), mask in trained.items():
        name = f"{on}/s{seed}"
        masks[name] = mask
        about[name] = About("model", on, str(seed), "expert" if on in own else "consensus:staple")
    for name, seeds in ENSEMBLES.items():
        if all((CONSENSUS, seed) in trained for seed in seeds):
            masks[name] = np.mean([trained[CONSENSUS, seed] for seed in seeds], axis=0) > 0.5
            about[name] = About("ensemble", CONSENSUS, "", "consensus:staple")
    return Study(images, masks, about, **more)


def average(masks: Iterable[np.ndarray]) -> np.ndarray:
    """Mean shape: where the mean signed distance to the outlines is inside; majority where objects are lost."""
    stacks = [np.asarray(mask) for mask in masks]
    return np.stack([np.mean([_depth(one) for one in of_case], axis=0) > 0 for of_case in zip(*stacks, strict=True)])


def _depth(mask: np.ndarray, most: float = 3.0) -> np.ndarray:
    """Distance into (positive) or from (negative) the mask, at most `most`."""
    if not mask.any():
        return np.full(mask.shape, -most)
    inside, outside = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    return np.clip(np.where(mask, inside - 0.5, 0.5 - outside), -most, most)


def assay(study: Study) -> dict[str, dict[str, Any]]:
    """The summary of `segassay evaluate`: verdict, sentence and criteria of each quality."""
    sources = sources_of(study)
    return judged(sources.dataset, sources.annotations)[0]


def sources_of(study: Study, further: Mapping[str, Any] | None = None) -> Sources:
    """The study as an evaluation reads it, with further settings of dataset.yaml."""
    cases = [f"case_{index:04d}" for index in range(len(study.images))]
    rows = [
        {
            "case": case,
            "annotator": name,
            "path": "lost.png" if name in study.lost else study.masks[name][index],
            "held_out": "true",
        }
        | vars(about)
        for name, about in study.about.items()
        for index, case in enumerate(cases)
        if index not in study.skipped.get(name, ())
    ]
    described: dict[str, Any] = {"images": dict(zip(cases, study.images, strict=True)), **study.settings}
    described |= further or {}
    if study.groups:
        table = pd.DataFrame({"case": cases, "group": study.groups})
        table = table.assign(region=study.regions) if study.regions else table
        table = table.assign(subject=table["case"]) if study.has_subjects else table
        described |= {"experiment": table, "control_group": study.groups[0]}
    found = read_sources(None, pd.DataFrame(rows), {}, kinds={}, described=described)
    if not study.exchangeable:
        return found
    raters = found.annotations["kind"] == "human"  # a dataset.yaml would say it, which arrays in memory do not have
    return replace(found, annotations=found.annotations.assign(exchangeable=raters))


def judged(dataset: Dataset | None, annotations: pd.DataFrame) -> tuple[dict[str, dict[str, Any]], pd.DataFrame]:
    """The summary, by the steps of `compute_results` that verdicts rest on, and the table of counts."""
    tables = build_tables(dataset, annotations, n_jobs=1)
    normalised = normalised_counts(dataset, tables.counts, tables.measured)
    found = pd.DataFrame(columns=list(EFFECT_COLUMNS)) if normalised is None else effects(normalised)
    clusters = pd.Series({case: f"case {case}" for case in annotations["case"].unique()})
    parts = None if dataset is None else strata(dataset)
    findings = Findings(tables, annotations, clusters, found, normalised, parts=parts)
    return summarise(score_rows([]), findings), tables.counts


USUAL = RaterHabit("usual", miss_rate=0.25, false_positives=2.0, jitter_px=1.2)
LAX = replace(USUAL, brightness_threshold=0.2, dilation_px=3.0, false_positives=6.0)
STRICT = replace(USUAL, brightness_threshold=3.0, dilation_px=-1.0)
MIXED = (
    replace(USUAL, brightness_threshold=0.4, dilation_px=1.0, false_positives=3.0),
    replace(USUAL, brightness_threshold=0.7),
    USUAL,
    replace(USUAL, brightness_threshold=1.2, dilation_px=-0.5),
    replace(USUAL, brightness_threshold=2.6, dilation_px=-1.5, miss_rate=0.4),
)
GROUPS = {"control": Effect(), "treated": Effect(count=2.2)}
SETTINGS = Simulation(shape=(128, 128), n_cases=24, images_per_subject=1, n_nuclei=12, n_out_of_focus=2, n_debris=2)
Learned = dict[str, list[RaterHabit]]


def steadier(habit: RaterHabit) -> RaterHabit:
    """What a model learns from a rater: the same habit with a quarter of the errors."""
    luck = {name: getattr(habit, name) / 4 for name in ("jitter_px", "miss_rate", "false_positives", "merge_rate")}
    return replace(habit, **luck)


def simulated(
    habits: Iterable[RaterHabit], seed: int, consensus: list[RaterHabit] | None = None, n_cases: int = 24
) -> Study:
    """Raters with these habits, whose models have them too; the models of the consensus have `consensus`."""
    raters = [replace(habit, name=f"rater_{number}") for number, habit in enumerate(habits, start=1)]
    of_consensus = consensus or [steadier(USUAL)] * N_SEEDS
    learned: Learned = {habit.name: [steadier(habit)] * 2 for habit in raters}
    learned[CONSENSUS] = of_consensus
    learned |= {f"{CONSENSUS}{WITHOUT}{habit.name}": [of_consensus[0]] for habit in raters}
    return _rendered(replace(SETTINGS, n_cases=n_cases), raters, learned, seed)


def _rendered(settings: Simulation, raters: list[RaterHabit], learned: Learned, seed: int) -> Study:
    """Models of one target that learned the same share most errors, as trained networks do; seeds add their own."""
    models = {f"{on} {habit!r}": replace(habit, name=on) for on, of in learned.items() for habit in dict.fromkeys(of)}
    models = {key: replace(habit, name=f"{habit.name}_{n}") for n, (key, habit) in enumerate(models.items())}
    settings = replace(settings, raters=(*raters, *models.values()), groups=GROUPS, regions={}, seed=seed)
    images, drawn = [], []
    for index in range(settings.n_cases):
        image, _, masks = simulate_case(settings, index)
        images.append(image)
        drawn.append(masks)
    of = {name: np.stack([masks[name] for masks in drawn]) for name in drawn[0]}
    rng = np.random.default_rng([seed, 3])
    return put_together(
        np.stack(images),
        {habit.name: of[habit.name] for habit in raters},
        {
            (on, k): trained_again(of[models[f"{on} {habit!r}"].name], rng)
            for on, habits in learned.items()
            for k, habit in enumerate(habits)
        },
        groups=tuple(list(GROUPS)[index % len(GROUPS)] for index in range(len(images))),
        has_subjects=True,
    )


def trained_again(mask: np.ndarray, rng: np.random.Generator, px: float = 0.4, lost: float = 0.05) -> np.ndarray:
    """What another seed makes of the same training: outlines moved by about `px`, a few objects lost."""
    out = []
    for image in mask:
        labels, n = ndimage.label(image, np.ones((3,) * image.ndim))
        out.append((rng.random(n + 1) >= lost)[labels] & image)
    return jittered(np.stack(out), rng, px)


def each_object(mask: np.ndarray, change: Callable[[np.ndarray, int], np.ndarray]) -> np.ndarray:
    """The union of what becomes of every object `(H, W)` of every image, given its number within the image."""
    out = np.zeros_like(mask)
    for image, result in zip(mask, out, strict=True):
        labels, n = ndimage.label(image, np.ones((3, 3)))
        for number in range(1, n + 1):
            result |= change(labels == number, number)
    return out


def jittered(mask: np.ndarray, rng: np.random.Generator, px: float = 1.0) -> np.ndarray:
    """Move outlines smoothly by about `px`."""
    out = []
    for image in mask:
        noise = ndimage.gaussian_filter(rng.normal(size=image.shape), 3)
        out.append(_depth(image, 4 * px + 1) + px * noise / noise.std() > 0)
    return np.stack(out)


def sound(seed: int, n_raters: int = 5) -> Study:
    """All raters have one habit, and every model has learned it. All three qualities hold."""
    return simulated([USUAL] * n_raters, seed)


def mixed(seed: int) -> Study:
    """Raters differ, the last is careless; the consensus is that of the usual rater."""
    return simulated(MIXED, seed)


def one_hand(seed: int) -> Study:
    """Raters differ, and what was trained on the consensus has the habit of the first rater alone."""
    return simulated(MIXED, seed, [steadier(MIXED[0])] * N_SEEDS)


def one_of_five(seed: int) -> Study:
    """Four raters have one habit, the first another, and what was trained on the consensus has that of the first."""
    other = replace(USUAL, brightness_threshold=0.3, dilation_px=1.5, false_positives=4.0)
    return simulated([other, *[USUAL] * 4], seed, [steadier(other)] * N_SEEDS)


def unsteady(seed: int) -> Study:
    """All raters have one habit; a consensus model learned to mark everything, or only what is bright, by its seed."""
    return simulated([USUAL] * 5, seed, [LAX] * 3 + [STRICT] * 3)


def sparse(seed: int, n_cases: int = 100, n_filled: int = 3) -> Study:
    """Most images are empty, also for the models; what is there they find."""
    study = sound(seed)
    shape = (n_cases, *study.images.shape[1:])
    places = np.linspace(0, n_cases - 1, n_filled).astype(int)

    def thinned(mask: np.ndarray) -> np.ndarray:
        few = np.zeros(shape, dtype=bool)
        few[places] = mask[:n_filled]
        return few

    masks = {name: thinned(mask) for name, mask in study.masks.items()}
    return replace(study, images=np.resize(study.images, shape), masks=masks, groups=())


def one_object(
    seed: int,
    offsets: tuple[float, ...] = (-4, 0, 4),
    n_cases: int = 16,
    scale: float = 1,
    of_consensus: float | None = None,
    vary: float = 1,
    place: float = 64,
) -> Study:
    """One object per image, whose outline raters draw inside, on, or outside; models copy their teacher's outline.

    A larger scale makes objects and images larger, not the differences. Objects lie near `place` along both axes, and
    differ from image to image by less if `vary` is less than 1. All models of a consensus have the offset
    `of_consensus`, if it is given; else the median of the raters, or the mean of those that are not left out.
    """
    rng = np.random.default_rng([seed, 1])
    axes = np.indices((round(128 * scale),) * 2)
    centres = scale * rng.uniform(place - 10 * vary, place + 10 * vary, (n_cases, 2))
    radii = scale * rng.uniform(32 - 4 * vary, 32 + 4 * vary, n_cases)
    stretch = rng.uniform(0.8, 1.25, n_cases) ** vary

    def drawn(offset: float, wobble_px: float) -> np.ndarray:
        masks = []
        for (y, x), radius, ratio in zip(centres, radii, stretch, strict=True):
            angle = np.arctan2(axes[0] - y, axes[1] - x)
            distance = np.hypot((axes[0] - y) / ratio, (axes[1] - x) * ratio)
            waves = sum(rng.normal() * np.cos(k * angle + rng.uniform(0, 7)) for k in (1, 2, 3)) / np.sqrt(1.5)
            masks.append(distance < radius + offset + wobble_px * waves)
        return np.stack(masks)

    own = {f"rater_{number}": drawn(offset, 0.5) for number, offset in enumerate(offsets, start=1)}
    together = float(np.median(offsets)) if of_consensus is None else of_consensus
    trained = {(CONSENSUS, k): drawn(together, 0.3) for k in range(N_SEEDS)}
    for index, (name, offset) in enumerate(zip(own, offsets, strict=True)):
        others = float(np.mean([*offsets[:index], *offsets[index + 1 :]])) if of_consensus is None else of_consensus
        trained |= {(name, k): drawn(offset, 0.3) for k in range(2)}
        trained[f"{CONSENSUS}{WITHOUT}{name}", 0] = drawn(others, 0.3)
    images = np.stack(
        [20 + 100 * (np.hypot(axes[0] - y, axes[1] - x) < r) for (y, x), r in zip(centres, radii, strict=True)]
    )
    return put_together(images.astype(np.uint8), own, trained)


def in_two_regions(study: Study) -> Study:
    """The same; without regions, half of the images of each group are of another one."""
    regions = tuple("CA1" if index // 2 % 2 else "CA3" for index in range(len(study.images)))
    return replace(study, regions=study.regions or regions)


def two_regions(seed: int) -> Study:
    """As `sound`, in two regions."""
    return in_two_regions(sound(seed))


def off_centre(seed: int) -> Study:
    """One object per image, nearly always in one place beside the centre, whose outline raters draw differently."""
    return one_object(seed, (-3, -1.5, 0, 1.5, 3), n_cases=24, vary=0.25, place=44, of_consensus=0.0)


def small_object(seed: int) -> Study:
    """One dim object per image, of which all outlines differ by chance alone."""
    study = one_object(seed, (0.0,) * 5, n_cases=24, scale=0.5)
    return replace(study, images=np.where(study.images > 100, 120, 90).astype(np.uint8))


def one_wide_hand(seed: int) -> Study:
    """One object per image; the first of five raters draws 3 pixels outside, models of the consensus 1 pixel."""
    study = one_object(seed, (3.0, 0.0, 0.0, 0.0, 0.0), n_cases=24, scale=0.5, of_consensus=1.0)
    rng = np.random.default_rng([seed, 2])
    return study.with_masks({rater: jittered(study.masks[rater], rng, 1.0) for rater in study.raters})


def large_object(seed: int, offsets: tuple[float, ...] = (0.0,) * 5, of_consensus: float = 0.0) -> Study:
    """One object of some 160 pixels per image: outlines that are 3 pixels off leave a Dice of .97."""
    return one_object(seed, offsets, scale=2.5, of_consensus=of_consensus)


def large_hand(seed: int) -> Study:
    """One rater draws large objects 2.5 pixels outside the others, and so does all that was trained on a consensus."""
    return large_object(seed, (2.5, 0, 0, 0, 0), 2.5)


def volumes(seed: int, n_cases: int = 16, shape: tuple[int, int, int] = (12, 48, 48)) -> Study:
    """Three round objects per volume, of which raters miss some; every model finds them. All three qualities hold."""
    rng = np.random.default_rng([seed, 2])
    axes = np.indices(shape)

    def ball(centre: np.ndarray, radius: float) -> np.ndarray:
        return np.sqrt(sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True))) < radius

    there = []
    for _ in range(n_cases):
        rows = np.stack([rng.uniform(5, 7, 3), np.array([10, 24, 38]) + rng.uniform(-2, 2, 3), rng.uniform(10, 38, 3)])
        there.append([ball(centre, rng.uniform(3.2, 4.5)) for centre in rows.T])

    def drawn(miss: float, px: float) -> np.ndarray:
        found = [[one for one in of if rng.random() >= miss] for of in there]
        return jittered(np.stack([np.any([np.zeros(shape, bool), *of], axis=0) for of in found]), rng, px)

    own = {f"rater_{number}": drawn(0.15, 0.5) for number in range(1, 6)}
    truth = np.stack([np.any(of, axis=0) for of in there])
    trained = {(CONSENSUS, k): trained_again(truth, rng, 0.3, 0.03) for k in range(N_SEEDS)}
    for name in own:
        trained |= {(name, k): trained_again(truth, rng, 0.3, 0.03) for k in range(2)}
        trained[f"{CONSENSUS}{WITHOUT}{name}", 0] = trained_again(truth, rng, 0.3, 0.03)
    return put_together((20 + 100 * truth).astype(np.uint8), own, trained, settings={"min_object_size": 10})
