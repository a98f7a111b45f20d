"""The methods of a study as a text for a paper: what was done, with its own numbers, and whom to cite.

study, its summary, its best ensemble  ->  methods.md: paragraphs and references

The text says only what the study did and what was judged; a quality that could not be judged is named as such.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from segassay.checks.facts import spacing_text
from segassay.errors import DataError, number_of
from segassay.judgement.summary import format_interval, judged_in, outcome_of
from segassay.judgement.version import RULES_VERSION
from segassay.qualities.scores.measure import LEAVE_ONE_OUT, PAIRWISE
from segassay.qualities.validity.records import DICE, F1
from segassay_monai.sharing.references import REFERENCES
from segassay_monai.study.best import read_best
from segassay_monai.study.file import EXPERT
from segassay_monai.study.identity import training_config
from segassay_monai.study.plan import EVALUATION, HELD_OUT, TEST, Study
from segassay_monai.study.store import write_whole
from segassay_monai.targets import strategy_of
from segassay_monai.training.settings import is_plain

__all__ = ["METHODS", "methods_text", "write_methods"]

METHODS = "methods.md"

_SHOWN = (
    *("epochs", "iterations_per_epoch", "batch_size", "tile_size", "spatial_dims"),
    *("learning_rate", "weight_decay", "channels", "intensity_range"),
)


def write_methods(study: Study) -> Path:
    """Write `methods.md` into the folder of a study that was evaluated; returns the file."""
    path = study.out / METHODS
    write_whole(path, methods_text(study))
    return path


def methods_text(study: Study) -> str:
    """Methods and results of a study in Markdown, with the references that they name.

    Raises:
        DataError: If the study was not evaluated.
    """
    path = study.out / EVALUATION[HELD_OUT] / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        paragraphs = [_data(study), _training(study), _evaluation(study, summary), _results(study, summary)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError.of(path, f"cannot be read ({error})", "run the study again") from error
    text = "\n\n".join(paragraphs)
    cited = [str(reference) for reference in REFERENCES if reference.cited in text]
    return f"## Methods\n\n{text}\n\n## References\n\n" + "\n\n".join(cited) + "\n"


def _data(study: Study) -> str:
    dataset = study.dataset
    raters = f"{len(dataset.raters)} raters" if len(dataset.raters) > 1 else "one rater"
    text = f"The dataset holds {number_of(len(dataset.cases), 'image')}, annotated by {raters}."
    if (smallest := dataset.min_object_size) > 1:
        text += f" Objects of fewer than {smallest} pixels did not count."
    if dataset.settings.spacing_um is not None:
        text += f" A pixel measures {spacing_text(dataset.settings.spacing_um, 6)}."
    return text


def _training(study: Study) -> str:
    members, n_folds = study.members, study.file.n_folds
    n_held = len({planned.fold for planned in members})
    held = f"{'each' if n_held == n_folds else n_held} of them"
    seeds = sorted({len({m.seed for m in members if m.label == planned.label}) for planned in members})
    each = f"{number_of(seeds[0], 'random seed')}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} random seeds"
    text = [
        f"The images were divided into {n_folds} folds, and {held} was held out in turn; images of one subject stayed "
        "in one fold, and no model was scored on an image that it had seen in its training or selection.",
        "Residual U-Nets (Ronneberger et al., 2015; Kerfoot et al., 2019) were trained on "
        f"{_listed(dict.fromkeys(_target(planned.rater) for planned in members))}, with {each} for each target and "
        f"fold: {number_of(len(members), 'training')} in all.",
    ]
    if any(planned.rater.startswith("staple") for planned in members):
        text.append("STAPLE estimates the consensus (Warfield et al., 2004).")
    text.append(_settings(study))
    sizes = sorted({len(p.members) for p in study.predictions if len(p.members) > 1 and p.on == HELD_OUT})
    if sizes:
        text.append(
            f"Ensembles of {_listed(sizes)} models that differ in their seed average the models' probabilities "
            "(Lakshminarayanan et al., 2017)."
        )
    return " ".join(text)


def _target(rater: str) -> str:
    """Masks that a model is trained on; raters are not named.

    Example:
        >>> _target("staple"), _target("anna")
        ('the STAPLE consensus of all raters', 'the masks of each rater alone')
        >>> _target("soft_of_anna+ben"), _target("union_without_anna")
        ('the share of 2 raters who marked a pixel', 'the union consensus of all raters but one, each left out in turn')
    """
    method, _, number = strategy_of(rater).removeprefix("consensus:").partition("_of_")
    if method == EXPERT:
        return "the masks of each rater alone"
    who = f"{number} raters" if number else "all raters"
    if method.endswith("_without"):
        method, who = method.removesuffix("_without"), "all raters but one, each left out in turn"
    special = {
        "soft": f"the share of {who} who marked a pixel",
        "random_rater": f"the masks of {who}, one drawn at random for each tile",
    }
    return special.get(method, f"the {method.upper() if method == 'staple' else method} consensus of {who}")


def _settings(study: Study) -> str:
    """Length and optimiser of the trainings, if all have the same."""
    configs = [training_config(study.path, planned.training) for planned in study.members]
    found: list[dict[str, Any]] = [{name: config.get(name) for name in _SHOWN} for config in configs]
    libraries = f"MONAI {version('monai')} (Cardoso et al., 2022) and PyTorch {version('torch').partition('+')[0]}"
    if any(one != found[0] for one in found) or not all(map(is_plain, found[0].values())):
        return f"They were trained with {libraries}; their settings differ, and are listed in certificate.json."
    own: dict[str, Any] = found[0]
    tile = own["tile_size"] if isinstance(own["tile_size"], list) else [own["tile_size"]] * own["spatial_dims"]
    scaled = own["intensity_range"]
    fixed = " Images were scaled so that the values {:g} and {:g} became 0 and 1.".format(*scaled) if scaled else ""
    return (
        f"Each has {_listed(own['channels'])} features per level and was trained with {libraries} for {own['epochs']} "
        f"epochs of {own['iterations_per_epoch']} batches of {own['batch_size']} tiles of {' × '.join(map(str, tile))} "
        f"pixels, with AdamW (Loshchilov & Hutter, 2019), a one-cycle schedule up to a learning rate of "
        f"{own['learning_rate']:g}, and a weight decay of {own['weight_decay']:g}. The best state was chosen by the F1 "
        f"of objects on images that were set aside for it.{fixed}"
    )


def _evaluation(study: Study, summary: Mapping[str, Any]) -> str:
    intervals = summary["policy"]["intervals"]
    test = " A test split, which no model saw, was evaluated apart." if _has_test(study) else ""
    return (
        f"Masks were compared and judged with SegAssay {version('segassay')} (rules of version {RULES_VERSION}), which "
        "follows the questions of Segebarth et al., 2020. F1 counts two objects as one if their intersection over "
        f"union exceeds 0.5; Dice compares pixels. Intervals are at a level of {100 * intervals['level']:g} %, over "
        f"{_units(intervals['unit'])}, and hold for these raters and seeds.{test}"
    )


def _has_test(study: Study) -> bool:
    return any(prediction.on == TEST for prediction in study.predictions)


def _units(unit: str) -> str:
    return {"subject": "subjects", "case": "images"}.get(unit, "subjects where they are known, else images")


def _results(study: Study, summary: Mapping[str, Any]) -> str:
    lines = []
    between = _numbers(summary, "objectivity", "between raters", {"f1": "F1", "dice": "Dice"})
    if between:
        lines.append(f"Two raters agreed on average with {_listed(between)}.")
    try:
        best = read_best(study.out).annotator
    except DataError:  # no ensemble was compared with raters
        best = ""
    measures = {
        f"{base.name}_{kind}": name for base, name in ((F1, "F1"), (DICE, "Dice")) for kind in (LEAVE_ONE_OUT, PAIRWISE)
    }
    reached = _numbers(summary, "validity", best, measures)
    if reached:
        lines.append(f"The best ensemble ({best}) agreed with the raters with {_listed(reached)}.")
    for quality in judged_in(summary):
        lines.append(_verdict(quality, *outcome_of(summary[quality])))
    return " ".join(lines)


def _verdict(quality: str, outcome: str, missing: str = "") -> str:
    """One sentence; what was not judged is not claimed.

    Example:
        >>> _verdict("validity", "supported"), _verdict("validity", "cannot be judged", "no model")
        ('Validity was supported.', 'Validity could not be judged (no model).')
    """
    name = "The raters' agreement" if quality == "raters" else quality.capitalize()
    words = {"supported": "was supported", "not supported": "was not supported"}.get(outcome, "could not be judged")
    return f"{name} {words} ({missing})." if missing else f"{name} {words}."


def _numbers(summary: Mapping[str, Any], quality: str, target: str, measures: Mapping[str, str]) -> list[str]:
    """Name and interval of the first number of each kind, in the order of `measures`."""
    found: dict[str, str] = {}
    for number in summary[quality]["numbers"]:
        name = measures.get(number["measure"])
        if number["target"] == target and name and name not in found and number["value"] is not None:
            found[name] = format_interval(*(number[key] for key in ("value", "low", "high")))
    return [f"{name} {found[name]}" for name in dict.fromkeys(measures.values()) if name in found]


def _listed(words: Iterable[Any]) -> str:
    """Words as an English list.

    Example:
        >>> _listed([1]), _listed(["a", "b"]), _listed([8, 16, 32])
        ('1', 'a and b', '8, 16 and 32')
    """
    texts = [str(word) for word in words]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
