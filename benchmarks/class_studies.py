"""Studies of several classes in memory, honest ones and their verdicts: what the cheats of `class_cheats` start from.

    studies of one class  ->  ClassStudy: of each class the masks of all annotators  ->  verdicts of the worst class

Classes lie below each other in one image, or a class is given to each object of a study of one class. Annotators are
the same in all classes, and each pixel of a mask has one class.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from cheat_studies import Study, judged, mixed, one_hand, smaller, sound, sources_of, unsteady
from cheating_masks import numbered
from scipy import ndimage

from segassay.assay.classes import with_shares
from segassay.data.dataset import of_class
from segassay.judgement.worst_class import judge_by_worst
from segassay.tables.classes import build_class_tables

CLASSES = ("zone", "tumour", "vessel")
Summary = dict[str, Any]


@dataclass(frozen=True, eq=False)
class ClassStudy:
    """A study of several classes in memory.

    Attributes:
        whole: Images, annotators and experiment; its masks are those of all classes together.
        classes: Class -> annotator -> boolean masks `(N, H, W)`. Of two classes in one pixel the later one counts.
        regions: Class -> classes that it joins, as `whole: (edema, core)`, beside those in `classes`.
    """

    whole: Study
    classes: dict[str, dict[str, np.ndarray]]
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, name: str) -> Study:
        """The study of one class."""
        return replace(self.whole, masks=self.classes[name])

    def with_class(self, name: str, study: Study) -> "ClassStudy":
        """The same study with the masks of one class replaced."""
        return replace(self, classes={**self.classes, name: study.masks})


def below(studies: Mapping[str, Study]) -> ClassStudy:
    """Studies of one class each, as classes of one study whose images lie below each other."""
    first, *_ = studies.values()
    heights = [study.images.shape[1] for study in studies.values()]
    classes = {}
    for place, (name, study) in enumerate(studies.items()):
        around = ((0, 0), (sum(heights[:place]), sum(heights[place + 1 :])), (0, 0))
        classes[name] = {who: np.pad(study.masks[who], around) for who in first.about}
    images = np.concatenate([study.images for study in studies.values()], axis=1)
    return ClassStudy(replace(first, images=images, masks={}), classes)


@cache
def few(start: Callable[[int], Study], seed: int) -> Study:
    """The first 20 images of a study of one class, four of its raters, and one model of each."""
    study = smaller(start(seed), n_cases=20, n_raters=4)
    gone = {name for name in study.experts if study.about[name].seed != "0"}
    return study.only(name for name in study.about if name not in gone)


def turned(study: Study, *axes: int) -> Study:
    """The same study with images and masks mirrored, so that another class of the same quality needs no other study."""
    masks = {who: np.flip(mask, axes) for who, mask in study.masks.items()}
    return replace(study, images=np.flip(study.images, axes), masks=masks)


def two_classes(seed: int, second: Callable[[int], Study] = sound, first: Callable[[int], Study] = sound) -> ClassStudy:
    """Two classes, of which the first is sound."""
    return below(dict(zip(CLASSES, (few(first, seed), turned(few(second, seed), 1)), strict=False)))


def three_classes(seed: int, n_with: int = 20) -> ClassStudy:
    """Three sound classes; the third is in so many images, some of each group, and all annotators know in which."""
    study = few(sound, seed)
    found = below(dict(zip(CLASSES, (study, turned(study, 1), turned(study, 2)), strict=True)))
    there = (np.arange(len(found.whole.images)) < n_with)[:, None, None]
    rare = {who: mask & there for who, mask in found.classes["vessel"].items()}
    return replace(found, classes={**found.classes, "vessel": rare})


def named(seed: int) -> ClassStudy:
    """Objects of two kinds that differ by degrees: who names one errs, if it is neither clearly this nor that."""
    return with_kinds(few(sound, seed), np.random.default_rng([seed, 11]))


def with_kinds(study: Study, rng: np.random.Generator, of_raters: float = 0.35, of_models: float = 0.15) -> ClassStudy:
    """A study of one class whose objects get one of two kinds, by raters with larger errors than by models."""
    fields = np.stack([ndimage.gaussian_filter(rng.normal(size=image.shape), 9) for image in study.images])
    fields /= fields.std()
    names: dict[str, np.ndarray] = {}
    for who, mask in study.masks.items():
        if who in study.ensembles:
            continue
        names[who] = kinds_by(mask, fields, rng, of_raters if who in study.raters else of_models)
    masks = {
        kind: {who: study.masks[who] & (names[who] == place) for who in names} for place, kind in enumerate(CLASSES[:2])
    }
    for kind in masks:
        for ensemble, seeds in zip(study.ensembles, (range(3), range(3, 6)), strict=True):
            masks[kind][ensemble] = np.mean([masks[kind][f"staple/s{k}"] for k in seeds], axis=0) > 0.5
    return ClassStudy(replace(study, masks={}), masks)


def kinds_by(mask: np.ndarray, fields: np.ndarray, rng: np.random.Generator, error: float) -> np.ndarray:
    """Of each pixel the kind of its object, 0 or 1: the sign of the mean of the field there, seen with an error."""
    kinds = np.zeros(mask.shape, dtype=int)
    for image, of_image, result in zip(mask, fields, kinds, strict=True):
        labels = numbered(image)
        if labels.any():
            seen = ndimage.mean(of_image, labels, np.arange(labels.max() + 1)) + error * rng.normal(
                size=labels.max() + 1
            )
            result[:] = (seen > 0)[labels]
    return kinds


def nested(seed: int) -> ClassStudy:
    """Every object has a core, which is another class, and both together are a region."""
    study = few(sound, seed)

    def core(mask: np.ndarray) -> np.ndarray:
        return np.stack([ndimage.binary_erosion(image, iterations=2) for image in mask])

    cores = {who: core(mask) for who, mask in study.masks.items()}
    rims = {who: mask & ~cores[who] for who, mask in study.masks.items()}
    return ClassStudy(replace(study, masks={}), {"rim": rims, "core": cores}, {"whole": ("rim", "core")})


_JUDGED: dict[bytes, tuple[Summary, pd.DataFrame]] = {}
"""Hash of the masks of a class -> its summary and counts: most cheats leave a class as it is."""


def assay_classes(study: ClassStudy) -> Summary:
    """The summary of `segassay evaluate`: of all classes, with `together` and `classes`, and of each class."""
    values = {name: place for place, name in enumerate(study.classes, start=1)}
    masks = {
        who: np.max([values[name] * of[who].astype(np.uint8) for name, of in study.classes.items()], axis=0)
        for who in study.whole.about
    }
    classes: dict[str, Any] = dict(values)
    if study.regions:
        joint = {name: tuple(values[part] for part in parts) for name, parts in study.regions.items()}
        classes = joint | {"core": values["core"]}
    sources = sources_of(replace(study.whole, masks=masks), {"classes": classes})
    dataset, annotations = sources.dataset, sources.annotations
    tables = build_class_tables(dataset, annotations, n_jobs=1)
    together, _ = judged(with_shares(dataset, tables.counts), annotations)
    own, absent = {}, []
    for name in dataset.class_names:
        parts = [values[one] for one in study.regions.get(name, (name,))]
        content = [study.whole.images.tobytes(), repr(study.whole.about).encode()]
        key = hashlib.sha256(b"".join([*content, *(np.isin(of, parts).tobytes() for of in masks.values())])).digest()
        if key not in _JUDGED:
            _JUDGED[key] = judged(of_class(dataset, name), annotations)
        own[name], counts = _JUDGED[key]
        if not counts["area_px"].fillna(0).sum() > 0:
            absent.append(name)
    return judge_by_worst(together, own, absent) | {"classes": own}


hand_in_one_class = partial(two_classes, first=mixed, second=one_hand)
unsteady_in_one_class = partial(two_classes, second=unsteady)
