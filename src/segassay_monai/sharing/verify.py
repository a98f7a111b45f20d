"""Verify a certificate: compare hashes, compute the numbers again, and train members again.

certificate.json, study or export  ->  one finding for each claim: agrees, differs, or not checked
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segassay.assay import evaluate
from segassay.data.dataset import data_hash
from segassay.errors import DataError, SegAssayError, UsageError, shortlist
from segassay.io.addresses import refuse_address
from segassay.io.text_tables import read_text_table
from segassay_monai.ensemble.network import read_checkpoint, read_weights, weights_hash
from segassay_monai.prediction.bundles import read_bundle, split_members
from segassay_monai.sharing.bioimageio.description import Files
from segassay_monai.sharing.certificate import (
    CACHED_CODE,
    CERTIFICATE,
    EXPORTS,
    FORMAT,
    ONNX,
    RDF,
    assay_of,
    certificate_path,
    environment,
    files_of,
    mask_hashes,
    plan_of,
    rules,
    seal,
)
from segassay_monai.sharing.retrain import retrain_member
from segassay_monai.study.judge import ANNOTATIONS
from segassay_monai.study.plan import HELD_OUT, Study, plan_study

__all__ = ["Finding", "verify"]

_CLOSE = 1e-9
"""Largest relative difference of two numbers that other versions of libraries may cause."""

_NAMES = ("measure", "target")
_GIVE = "give certificate.json, its folder, or an exported ONNX file"


@dataclass(frozen=True)
class Finding:
    """What became of one claim of a certificate.

    Attributes:
        claim: What is claimed, such as `weights`.
        agrees: Whether it holds; None if it was not checked, or if it only says something.
        detail: How well it agrees, or what differs.
    """

    claim: str
    agrees: bool | None
    detail: str


def verify(
    certificate: str | os.PathLike[str],
    *,
    study: str | os.PathLike[str] | None = None,
    retrain: int = 0,
    n_jobs: int = 1,
    trust: bool = False,
) -> Iterator[Finding]:
    """Check every claim of a certificate, the quick ones first.

    Args:
        certificate: `certificate.json`, the folder of the study or export that holds it, or an exported ONNX file.
        study: STUDY.yaml, if it is not where it was, or to compare an export with its study.
        retrain: Number of members to train again.
        n_jobs: Processes that compute the numbers again.
        trust: As of `plan_study`.

    Yields:
        One finding per claim, as soon as it is checked.

    Raises:
        UsageError: If the file is no certificate, or the study or dataset is not found.
    """
    path, content = _read(Path(certificate))
    sealed = seal(content) == content.get("seal")
    yield Finding("certificate", sealed, "is as it was written" if sealed else "was changed after it was written")
    yield _of_rules(content)
    yield _of_environment(content)
    if content["of"] in EXPORTS:
        yield from _of_export(path, content, study, trust)
        return
    file = path.parent / content["study_file"] if study is None else Path(study)
    if not file.is_file():
        raise UsageError(f"{path}: the study {file} is not there; give its file as --study")
    planned = replace(plan_study(file, trust=trust), out=path.parent.resolve())  # results may have been moved
    yield from _of_study(planned, content, retrain, n_jobs)


def _read(path: Path) -> tuple[Path, dict[str, Any]]:
    refuse_address(path, "certificate")
    path = certificate_path(path) if path.is_dir() or path.suffix == ONNX else path
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = content["certificate"] == FORMAT and content["of"] in ("study", *EXPORTS)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}); give certificate.json, its folder, or the ONNX file"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path}: is not a certificate of SegAssay; give certificate.json, its folder, or the ONNX file"
        ) from error
    if not known:
        raise UsageError(f"{path}: is a certificate of another version; use the version of SegAssay that wrote it")
    return path, content


def _of_rules(content: Mapping[str, Any]) -> Finding:
    then, now = content["rules"], rules()
    if then["version"] != now["version"]:
        text = f"were version {then['version']}, and are {now['version']} here: verdicts may differ"
        return Finding("rules", None, text)
    return Finding("rules", then == now, f"{'are' if then == now else 'are not'} those of version {then['version']}")


def _of_environment(content: Mapping[str, Any]) -> Finding:
    changed = changes_of_environment(content)
    text = f"differs: {shortlist(changed)}" if changed else "is the same, so results agree bit by bit"
    return Finding("environment", None, text)


def changes_of_environment(content: Mapping[str, Any]) -> list[str]:
    """What is another here than where a certificate was written, in words; empty if nothing is."""
    then, now = _flat(content["environment"]), _flat(environment())
    return [f"{name} {then.get(name)} there, {now.get(name)} here" for name in now if then.get(name) != now[name]]


def _flat(environment: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name != "packages"} | environment["packages"]


def _compare(claim: str, then: Mapping[str, Any], now: Mapping[str, Any], what: str) -> Finding:
    """Compare hashes by name."""
    changed = [name for name in then if name in now and then[name] != now[name]]
    lost, added = [name for name in then if name not in now], [name for name in now if name not in then]
    parts = [f"{word} {shortlist(names)}" for word, names in (("changed:", changed), ("missing:", lost)) if names]
    parts += [f"new: {shortlist(added)}"] if added else []
    return Finding(claim, not parts, "; ".join(parts) or f"{len(then)} {what} agree bit by bit")


def _of_export(
    path: Path, content: Mapping[str, Any], study: str | os.PathLike[str] | None, trust: bool
) -> Iterator[Finding]:
    then = {str(number): member["weights"] for number, member in enumerate(content["members"])}
    if content["of"] == "onnx":
        file = path.with_name(path.name.removesuffix(f".{CERTIFICATE}") + ONNX)
        yield _compare("files", content["files"], files_of(file) if file.is_file() else {}, "files")
        yield Finding("weights", None, "not compared: ONNX holds them in another form")
    else:
        yield _compare("files", content["files"], files_of(path.parent), "files")
        try:
            found = [weights_hash(weights) for weights in _exported(path.parent, content["of"])]
            yield _compare("weights", then, {str(number): value for number, value in enumerate(found)}, "members")
        except SegAssayError as error:
            yield Finding("weights", False, str(error))
    if cached := sorted(path.parent.rglob(CACHED_CODE)):
        text = f"not compared: remove {shortlist([found.relative_to(path.parent).as_posix() for found in cached])}"
        yield Finding("cached code", None, f"{text}, which Python may run instead of the scripts")
    if content["of"] == "bioimageio":
        yield Finding(RDF, None, "not compared: bioimage.io adds to it when it publishes a model")
    if study is None:
        yield Finding("data, numbers", None, "not checked: give the study that it comes from as --study")
        return
    planned = plan_study(study, trust=trust)
    same = [data_hash(planned.dataset)] == content["data"]["sha256"]
    yield Finding("data", same, "are those of the study" if same else "are not those of the study")
    weights = set(_weights(planned.out, [planned_member.folder for planned_member in planned.members]).values())
    strange = [name for name, value in then.items() if value not in weights]
    yield Finding("members", not strange, "are members of the study" if not strange else "are not all of this study")


def _exported(folder: Path, kind: str) -> list[Mapping[str, Any]]:
    """Weights of each member of an export."""
    if kind == "bundle":
        return [read_checkpoint(path)["model"] for path in read_bundle(folder).checkpoints]
    return list(split_members(read_weights(folder / Files().state)))


def _ids(members: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {member["id"]: member["trained_on"] for member in members}


def _weights(out: Path, folders: list[str]) -> dict[str, str]:
    found = {}
    for folder in folders:
        try:
            found[folder] = weights_hash(read_checkpoint(out / "members" / folder / "model.pt")["model"])
        except ValueError as error:  # PredictionError: missing or damaged
            found[folder] = str(error)
    return found


def _of_study(study: Study, content: Mapping[str, Any], retrain: int, n_jobs: int) -> Iterator[Finding]:
    for claim, now in plan_of(study).items():
        yield _compare(claim, content[claim], now, "entries")
    yield _compare("members", _ids(content["members"]), {planned.id: planned.rater for planned in study.members}, "ids")
    then = {member["folder"]: member["weights"] for member in content["members"]}
    yield _compare("weights", then, _weights(study.out, list(then)), "members")
    try:
        parts = list(content["assay"])
        yield _compare("masks", content["masks"], mask_hashes(study, parts), "sets of masks")
        for on, assay in content["assay"].items():
            yield from _of_numbers(study, on, assay, n_jobs)
    except DataError as error:
        yield Finding("masks, numbers", False, str(error))
    if not retrain:
        yield Finding("training", None, "not checked: --retrain 1 trains a member again")
    for member in content["members"][:retrain]:
        yield Finding(f"training of {member['id']}", *retrain_member(study, member, changes_of_environment(content)))


def _of_numbers(study: Study, on: str, then: Mapping[str, Any], n_jobs: int) -> Iterator[Finding]:
    """Evaluate the masks again, and compare every verdict and number."""
    path = study.out / ANNOTATIONS[on]
    cases = tuple(dict.fromkeys(read_text_table(path)["case"]))
    found = evaluate(study.dataset.folder, annotations=path, masks=study.masks, cases=cases, n_jobs=n_jobs)
    now = assay_of(found.summary)
    of = "" if on == HELD_OUT else f" ({on})"
    verdicts = [{name: part["verdict"] for name, part in assay["qualities"].items()} for assay in (then, now)]
    changed = [
        f"{name} was {verdicts[0][name]!r}" for name in verdicts[0] if verdicts[0][name] != verdicts[1].get(name)
    ]
    yield Finding(f"verdicts{of}", not changed, shortlist(changed) or "are the same")
    yield _compare_numbers(f"numbers{of}", _numbers(then), _numbers(now))


def _numbers(assay: Mapping[str, Any]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    seen: Counter[str] = Counter()
    for quality, part in assay["qualities"].items():
        for number in part["numbers"]:
            text = f"{quality}, {number['measure']} of {number['target']}"
            seen[text] += 1
            again = f" ({seen[text]})" if seen[text] > 1 else ""
            found |= {f"{text}{again}, {name}": value for name, value in number.items() if name not in _NAMES}
    return found


def _compare_numbers(claim: str, then: Mapping[str, float | None], now: Mapping[str, float | None]) -> Finding:
    if then == now:
        return Finding(claim, True, f"{len(then)} numbers agree bit by bit")
    differences = {name: _difference(then.get(name), now.get(name)) for name in {**then, **now}}
    worst = max(differences, key=lambda name: differences[name])
    text = (
        f"largest relative difference {differences[worst]:.1e}, {worst}: {then.get(worst)} there, {now.get(worst)} here"
    )
    return Finding(claim, differences[worst] <= _CLOSE, text)


def _difference(one: float | None, other: float | None) -> float:
    """Relative difference; infinite if only one of them is defined."""
    if one == other:
        return 0.0
    if one is None or other is None:
        return float("inf")
    return abs(one - other) / max(abs(one), abs(other))
