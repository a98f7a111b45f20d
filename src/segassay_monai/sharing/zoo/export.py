"""Export a model as a bundle for the MONAI Model Zoo.

MODEL -> members, numbers of the assay, about.yaml -> configs/, models/, scripts/, docs/, LICENSE
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from segassay.errors import UsageError
from segassay.io.outputs import check_output, prepare_output, publish_output, refuse_inputs, whole_or_nothing
from segassay_monai.ensemble.familiar import FAMILIAR
from segassay_monai.ensemble.mean_net import read_mean_net
from segassay_monai.ensemble.network import read_network_settings
from segassay_monai.prediction.models import Model, find_model, model_places
from segassay_monai.sharing.about import About, read_about
from segassay_monai.sharing.certificate import write_certificate
from segassay_monai.sharing.zoo.card import write_card, write_data_license
from segassay_monai.sharing.zoo.configs import evaluate_config, gives_logits, inference_config, train_config
from segassay_monai.sharing.zoo.files import copy_scripts, large_files, write_familiar, write_json, write_large_files
from segassay_monai.sharing.zoo.metadata import bundle_metadata
from segassay_monai.sharing.zoo.numbers import Numbers, certificate_of, numbers_of
from segassay_monai.sharing.zoo.weights import write_state_dict, write_torchscript

__all__ = ["export_zoo"]

logger = logging.getLogger("segassay")


def export_zoo(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    about: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a bundle that predicts without this package, as the MONAI Model Zoo wants it.

    Args:
        model: Study (its best ensemble), folder of members of one strategy, checkpoint, or `models:/NAME@best`.
        out: Folder to write; its name becomes that of the bundle.
        about: `about.yaml` with what only the author knows.
        overwrite: Whether `out` may be replaced.

    Returns:
        The folder. What is missing for a pull request is logged as a warning.

    Raises:
        UsageError: If `out` exists, its name is no name of a bundle, `about` or `model` cannot be used, or the name of
            a class or channel, or a text of `about`, is an expression of MONAI.

    Example:
        >>> export_zoo("nowhere", "my model")
        Traceback (most recent call last):
        segassay.errors.UsageError: --out my model: expected a folder named as the bundle, with letters, digits and \
underscores, such as neurons_fluorescence_segmentation
    """
    folder = Path(os.path.abspath(out))
    name = folder.name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", name):
        raise UsageError(
            f"--out {out}: expected a folder named as the bundle, with letters, digits and underscores, such as "
            "neurons_fluorescence_segmentation"
        )
    said, found = read_about(about), find_model(model)
    _refuse_texts(said)
    classes = [name for name, _ in read_network_settings(found.checkpoints).classes]
    _refuse_expressions("class", classes)
    _refuse_expressions("channel", [*found.channels, *found.image_channels])
    options = ("--out", "--overwrite")
    given, folders = model_places(model)
    inputs = [*given, *found.checkpoints, *([] if about is None else [about])]
    final = check_output(folder, overwrite, options=options)
    refuse_inputs(final, inputs, folders=folders, used="exported", option="--out")
    work_dir = prepare_output(folder, overwrite, options=options)
    with whole_or_nothing(work_dir):
        numbers = numbers_of(model, found)
        _write(work_dir, name, found, said, numbers)
        large = large_files(work_dir)
        write_large_files(work_dir, large, said.files_url)
        write_certificate(work_dir, certificate_of("bundle", work_dir, model, found))
    for text in _missing(name, said, numbers, [path.name for path in large]):
        logger.warning(text)
    return publish_output(work_dir)


def _refuse_expressions(what: str, names: Sequence[str]) -> None:
    """Refuse names that MONAI would not take for a text: what follows $ is run, @ and % name another entry."""
    wrong = [name for name in names if set(name) & set("$@%#")]
    if wrong:
        raise UsageError(
            f"the {what} {wrong[0]!r} cannot be exported: configurations of MONAI take $, @, % and # for expressions; "
            "rename it in dataset.yaml, and train again"
        )


def _refuse_texts(about: About) -> None:
    """Refuse texts that MONAI would take for an expression, with which no command of the bundle would run."""
    for entry, value in about.model_dump().items():
        texts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for text in texts:
            if text.startswith(("$", "@", "%")):
                raise UsageError(
                    f"--about: {entry} {text!r} cannot be exported: configurations of MONAI take what begins with "
                    f"{text[0]} for an expression; begin it otherwise"
                )


def _write(folder: Path, name: str, model: Model, about: About, numbers: Numbers) -> None:
    mean, settings = read_mean_net(model.checkpoints)
    n_members = len(model.checkpoints)
    net = mean.members[0] if gives_logits(settings, n_members) else mean
    for part in ("configs", "models", "docs"):
        (folder / part).mkdir()
    metadata = bundle_metadata(name, settings, n_members, about, numbers.eval_metrics, model.channels)
    size = model.min_object_size or 0
    inference = inference_config(settings, n_members, size, model.channels, model.image_channels)
    write_json(folder / "configs" / "metadata.json", metadata)
    write_json(folder / "configs" / "inference.json", inference)
    write_json(folder / "configs" / "evaluate.json", evaluate_config(settings))
    write_json(folder / "configs" / "train.json", train_config(settings, n_members))
    write_state_dict(folder / "models" / "model.pt", net)
    write_torchscript(folder / "models" / "model.ts", net, metadata, inference)
    write_familiar(folder / "models" / FAMILIAR, model.checkpoints)
    copy_scripts(folder, settings, n_members, has_channels=bool(model.channels))
    write_data_license(folder / "docs" / "data_license.txt", about)
    write_card(
        folder,
        name=name,
        metadata=metadata,
        about=about,
        settings=settings,
        members=model.members,
        n_members=n_members,
        numbers=numbers,
        min_object_size=size,
    )


def _missing(name: str, about: About, numbers: Numbers, large: list[str]) -> Iterator[str]:
    """What a reviewer of the zoo would ask for."""
    unsaid = [entry for entry in ("authors", "description", "data_source", "data_license") if not getattr(about, entry)]
    if unsaid:
        yield f"the bundle says nothing about {', '.join(unsaid)}; add them to a YAML file and give it as --about"
    if not numbers.numbers:
        yield "eval_metrics are empty, because the members hold no scores and there is no evaluation of a study"
    if "segmentation" not in name:
        yield f"the name {name} does not say what the model does; the zoo's names end in _segmentation"
    if large and not about.files_url:
        yield f"{', '.join(large)}: larger than 25 MB; upload them, and give the address of their folder as files_url"
