"""The certificate of a study or an exported bundle: what its numbers rest on, by hashes, in one file.

    study                        ->  data, configuration, members, masks, verdicts, versions  ->  certificate.json
    export, members, evaluation  ->  files, members, verdicts, versions                       ->  certificate.json

The same study gives the same bytes on the same machine: no time, no absolute path. The certificate of an export names
no case, rater, subject or dataset.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from segassay.data.dataset import data_hash
from segassay.errors import DataError
from segassay.io.images import sha256
from segassay.io.text_tables import read_text_table
from segassay.judgement.summary import judged_in
from segassay.judgement.version import RULES_VERSION
from segassay.judgement.words import RULES
from segassay_monai.ensemble.members import Member, member_from_state
from segassay_monai.ensemble.network import read_record
from segassay_monai.study.judge import ANNOTATIONS, further_masks
from segassay_monai.study.plan import COPY, EVALUATION, HELD_OUT, TEST, Study
from segassay_monai.study.store import write_whole
from segassay_monai.study.there import is_stored
from segassay_monai.targets import strategy_of
from segassay_monai.training.resume import reseed
from segassay_monai.training.version import TRAINING_VERSION

__all__ = [
    "CACHED_CODE",
    "CERTIFICATE",
    "EXPORTS",
    "ONNX",
    "RDF",
    "assay_of",
    "certificate_path",
    "environment",
    "export_certificate",
    "files_of",
    "mask_hashes",
    "plan_of",
    "rules",
    "seal",
    "study_certificate",
    "write_certificate",
]

CERTIFICATE = "certificate.json"
FORMAT = 1
ONNX = ".onnx"
RDF = "rdf.yaml"
CACHED_CODE = "__pycache__"

EXPORTS = ("bundle", "bioimageio", "onnx")
"""What is exported: for the Model Zoo, for bioimage.io, as one ONNX file."""

_PACKAGES = ("segassay", "torch", "monai", "pytorch-ignite", "numpy", "scipy", "pandas", "nibabel", "tifffile")
_PLACES = ("dataset", "output_dir", "masks")


def write_certificate(place: Path, content: Mapping[str, Any]) -> Path:
    """Write a certificate into the folder of a study or export, or beside its only file; returns its path.

    Args:
        place: Folder or file.
        content: From `study_certificate` or `export_certificate`.
    """
    path = certificate_path(place)
    write_whole(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def seal(content: Mapping[str, Any]) -> str:
    """SHA-256 of a certificate without its own seal, so that a changed number is noticed.

    Whoever changes a number on purpose can compute it again; `segassay verify` therefore also computes the numbers.

    Example:
        >>> seal({"a": 1}) == seal({"a": 1, "seal": "x"}), seal({"a": 1}) == seal({"a": 2})
        (True, False)
    """
    rest = {name: value for name, value in content.items() if name != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, allow_nan=False).encode()).hexdigest()


def study_certificate(study: Study) -> dict[str, Any]:
    """The certificate of a study that is trained and evaluated.

    Raises:
        DataError: If a member is missing or damaged, or the study was not evaluated.
    """
    parts = [on for on in (HELD_OUT, TEST) if (study.out / EVALUATION[on]).is_dir() or on == HELD_OUT]
    content: dict[str, Any] = {
        "certificate": FORMAT,
        "of": "study",
        "name": study.name,
        "study_file": COPY if is_stored(study) else Path(os.path.relpath(study.path, study.out)).as_posix(),
        **plan_of(study),
        "members": list(_members_of(study)),
        "masks": mask_hashes(study, parts),
        "assay": {on: _assay(study.out / EVALUATION[on]) for on in parts},
        **_versions(),
    }
    return content | {"seal": seal(content)}


def certificate_path(place: Path) -> Path:
    """The certificate of a study or export: in its folder, or beside a model that is one file.

    Example:
        >>> certificate_path(Path("net.onnx")).name
        'net.certificate.json'
    """
    return place.with_suffix(f".{CERTIFICATE}") if place.suffix == ONNX else place / CERTIFICATE


def export_certificate(
    kind: str,
    files: Mapping[str, str],
    checkpoints: Sequence[Path],
    *,
    evaluation: Path | None = None,
    annotator: str = "",
) -> dict[str, Any]:
    """The certificate of an export, once all its other files are written.

    Args:
        kind: One of `EXPORTS`.
        files: SHA-256 of its files, as of `files_of`.
        checkpoints: Its members, in the order in which they are averaged.
        evaluation: Folder of the evaluation of the study that they come from.
        annotator: Name of the model there; its own numbers are kept.

    Raises:
        PredictionError: If a checkpoint was not written by SegAssay.
        DataError: If the evaluation cannot be read.
    """
    records = [read_record(path) for path in checkpoints]
    states = [record.values.get("member") for record in records]
    members = [None if state is None else member_from_state(state) for state in states]
    content: dict[str, Any] = {
        "certificate": FORMAT,
        "of": kind,
        "files": dict(files),
        "data": {"sha256": sorted({member.data_hash for member in members if member is not None})},
        "members": [
            _anonymous(member) | {"weights": record.weights} for member, record in zip(members, records, strict=True)
        ],
        "assay": {} if evaluation is None else {HELD_OUT: _assay(evaluation, annotator)},
        **_versions(),
    }
    return content | {"seal": seal(content)}


def files_of(place: Path) -> dict[str, str]:
    """SHA-256 of every file of an export, by its path in it.

    Left out are the certificate, what Python and a download cache, and the description of a package of bioimage.io. It
    holds the hash of the certificate, and the collection adds entries to it when it publishes a model.

    Args:
        place: Its folder, or its only file.
    """
    if place.is_file():
        return {place.name: sha256(place)}
    paths = sorted(path.relative_to(place) for path in place.rglob("*") if path.is_file())
    own = [path for path in paths if path.as_posix() not in (CERTIFICATE, RDF) and path.parts[0] != ".cache"]
    return {path.as_posix(): sha256(place / path) for path in own if CACHED_CODE not in path.parts}


def mask_hashes(study: Study, parts: Sequence[str]) -> dict[str, str]:
    """SHA-256 of all predicted masks and maps, by `held_out` and `test`, and of the masks of each further annotator."""
    found = {on: _hash_of_listed(study.out / ANNOTATIONS[on]) for on in parts}
    for name, folder in study.masks.items():
        lines = [f"{path.name}\0{sha256(path)}" for _, path in further_masks({name: folder})]
        found[f"masks/{name}"] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return found


def _hash_of_listed(annotations: Path) -> str:
    """SHA-256 over case, annotator and content of every mask and map that a table of annotations lists."""
    table = read_text_table(annotations)
    lines = []
    for row in table.to_dict("records"):
        files = [annotations.parent / row[kind] for kind in ("path", "prob", "uncertainty") if row.get(kind)]
        found = [sha256(file) if file.is_file() else "missing" for file in files]
        lines.append("\0".join([row["case"], row["annotator"], *found]))
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def plan_of(study: Study) -> dict[str, Any]:
    """What is known of a study before it is trained: data, configuration and determinism, as certificates hold them."""
    dataset, settings, file = study.dataset, study.dataset.settings, study.file.model_dump(mode="json")
    data = {
        "name": dataset.name,
        "sha256": data_hash(dataset),
        "n_images": len(dataset.cases),
        "n_raters": len(dataset.raters),
        "min_object_size": settings.min_object_size,
        "spacing_um": None if settings.spacing_um is None else list(settings.spacing_um),
        "control_group": settings.control_group,
    }
    configuration = {name: value for name, value in file.items() if name not in _PLACES}
    return {"data": data, "configuration": configuration, "determinism": _determinism(study.file.threads)}


def _members_of(study: Study) -> Iterator[dict[str, Any]]:
    for planned in study.members:
        yield {
            "folder": planned.folder,
            "id": planned.id,
            "strategy": planned.strategy,
            "trained_on": planned.rater,
            "fold": planned.fold,
            "seed": planned.seed,
            "identity": planned.identity,
            "weights": read_record(study.checkpoint(planned)).weights,
        }


def _anonymous(member: Member | None) -> dict[str, Any]:
    """How a member was trained; nothing of one from an exported bundle, which does not say it."""
    if member is None:
        return {}
    return {
        "trained_on": strategy_of(member.trained_on),
        "fold": member.fold,
        "n_folds": member.n_folds,
        "seed": member.seed,
        "n_train": len(member.train),
        "n_selection": len(member.val),
        "n_held_out": len(member.held_out),
    }


def _assay(evaluation: Path, annotator: str | None = None) -> dict[str, Any]:
    """Verdicts and numbers of an evaluation; of one annotator alone its numbers, without any name."""
    path = evaluation / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        return assay_of(summary, annotator)
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"cannot be read ({type(error).__name__}: {error})"
        raise DataError.of(path, what, "run the study again") from error


def assay_of(summary: Mapping[str, Any], annotator: str | None = None) -> dict[str, Any]:
    """Verdicts and numbers of a summary, as certificates hold them."""
    found = {}
    for quality in judged_in(summary):
        numbers = summary[quality]["numbers"]
        if annotator is not None:
            numbers = [number | {"target": "this model"} for number in numbers if number["target"] == annotator]
        found[quality] = {"verdict": summary[quality]["verdict"], "numbers": numbers}
    intervals = {"level", "n_resamples", "seed", "unit"}
    policy = {name: value for name, value in summary["policy"]["intervals"].items() if name in intervals}
    return {"qualities": found, "intervals": policy}


def _determinism(threads: int) -> dict[str, Any]:
    """What makes a training repeatable, with the switches of torch as a training sets them."""
    reseed(0, 1)
    return {
        "seeded_by": "seed of the member and number of the epoch",
        "threads": threads,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
    }


def rules() -> dict[str, Any]:
    """Version of the rules of the verdicts, and the hash of their texts."""
    return {"version": RULES_VERSION, "sha256": hashlib.sha256(json.dumps(RULES).encode()).hexdigest()}


def environment() -> dict[str, Any]:
    """Versions and kind of computer, on which the last bits of a result depend."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _versions() -> dict[str, Any]:
    return {
        "environment": environment(),
        "rules": rules(),
        "training_version": TRAINING_VERSION,
    }
