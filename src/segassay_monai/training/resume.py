"""Resume a killed training after its last finished epoch; the result is the same as without an interruption.

    epoch finished -> OUTPUT.partial/resume.pt: weights, optimizer, schedule, best state so far, MLflow run
    same command again -> same version, settings and data? -> load -> next epoch;  OUTPUT finished -> nothing to do

All random generators are seeded from (seed, epoch) when an epoch starts, so that an epoch does not depend on the
process that ran the epochs before. Saved states of the generators could not ensure this, because processes that load
data have generators of their own.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ignite.engine import Events
from monai.data.utils import set_rnd
from monai.utils import set_determinism

from segassay import tracking
from segassay.errors import DataError, UsageError
from segassay.io.durable import replaced
from segassay.io.outputs import OPTIONS, UNFINISHED, alone, check_output, prepare_output, whole_or_nothing
from segassay.io.yaml_files import parse_yaml, read_yaml
from segassay_monai.bundle.workflow import config_text, write_config
from segassay_monai.ensemble.members import Member, read_members
from segassay_monai.ensemble.network import read_checkpoint, read_record
from segassay_monai.training.progress_file import unfinished
from segassay_monai.training.settings import ELSEWHERE, is_plain
from segassay_monai.training.version import TRAINING_VERSION

__all__ = ["KeepStates", "check_output_dir", "mlflow_run", "open_training", "reseed"]

logger = logging.getLogger("segassay")


def check_output_dir(output_dir: str | Path, overwrite: bool) -> None:
    """Refuse, before reading any data, a folder that exists and is not a finished member; see `open_training`."""
    is_member = (Path(str(output_dir)) / "model.pt").is_file()
    check_output(output_dir, overwrite or is_member)


@contextmanager
def open_training(output_dir: str | Path, overwrite: bool, member: Member) -> Iterator[Path | None]:
    """Open the folder to train in: a new one, or that of an unfinished training of the same member.

    After an interruption or an error the folder stays for the next attempt if an epoch is finished; else it is removed.

    Args:
        output_dir: Folder of the finished member.
        overwrite: Whether a finished or unfinished training with other settings may be replaced.
        member: The member to train.

    Yields:
        The folder, or `None` if this training is already finished.

    Raises:
        UsageError: If the folder holds something else, or another process trains there.
    """
    final, partial = Path(str(output_dir)).resolve(), unfinished(output_dir)
    with alone(final, OPTIONS.get()[0]):
        if (final / "model.pt").is_file() and not overwrite:
            if differences := _differences(final / "model.pt", member):
                option, replace_it = OPTIONS.get()
                raise UsageError(
                    f"{final} holds a training that differs in {differences.words}; give another {option}, or "
                    f"{replace_it} to replace it"
                )
            (final / UNFINISHED).unlink(missing_ok=True)  # left by an interruption at the last moment
            yield None
            return
        check_output(final, overwrite)
        if not _can_resume(partial, member, overwrite):
            prepare_output(final, overwrite, drop_unfinished=True)
            write_config(partial / "config.yaml")
        with whole_or_nothing(partial):
            yield partial


def _can_resume(partial: Path, member: Member, overwrite: bool) -> bool:
    """Whether the folder holds an unfinished training of this member and these settings, which can be resumed."""
    if not (partial / UNFINISHED).is_file():
        return False
    try:
        differences = _differences(partial / UNFINISHED, member)
        if not differences and (partial / "model.pt").is_file():  # the best state so far
            read_members([partial / "model.pt"])
    except DataError as error:
        logger.warning(f"{error.file} {error.what}; the training starts from the beginning")
        return False
    if differences and not overwrite:
        option, drop_it = OPTIONS.get()
        finish = "repeat its command to finish it, " if differences.can_be_finished else ""
        raise UsageError(
            f"{partial} holds an unfinished training that differs in {differences.words}; {finish}give another "
            f"{option}, or {drop_it} to remove it"
        )
    if differences:
        logger.warning(
            f"{partial}: the unfinished training there is removed, because it differs in {differences.words}"
        )
        return False
    shutil.rmtree(partial / "held_out", ignore_errors=True)  # written again after the training
    return True


class _Differences(NamedTuple):
    """How two trainings differ, in words, and whether this version can finish the other one."""

    words: str
    can_be_finished: bool


def _differences(checkpoint: Path, member: Member) -> _Differences | None:
    """Differences between the training of a checkpoint and `member` with the running configuration, if any."""
    folder, found = checkpoint.parent, read_members([checkpoint])[0]
    version = read_record(checkpoint).values.get("training_version", "an earlier one")
    if version != TRAINING_VERSION:
        return _Differences(f"the version of SegAssay's training (there {version}, here {TRAINING_VERSION})", False)
    if not (folder / "config.yaml").is_file():
        return _Differences("unknown settings (config.yaml is missing)", False)
    try:
        then, now = dict(read_yaml(folder / "config.yaml")), parse_yaml(config_text())
    except (OSError, ValueError, TypeError):
        return _Differences("unknown settings (config.yaml cannot be read)", False)
    names = [name for name in {**then, **now} if name not in ELSEWHERE and then.get(name) != now.get(name)]
    plain = [name for name in names if is_plain(then.get(name)) and is_plain(now.get(name))]
    changed = [f"--{name} (there {_short(then.get(name))}, here {_short(now.get(name))})" for name in plain]
    if len(plain) < len(names):
        changed.append("the configuration itself (another version, or an overlay)")
    if not changed and found.dataset != member.dataset and found.data_hash == member.data_hash:
        keep = f"write `name: {found.dataset}` into dataset.yaml if it was only moved"
        changed = [f"the name of its dataset (there {found.dataset}, here {member.dataset}: {keep})"]
    if not changed and replace(found, strategy=member.strategy) != member:
        changed = ["its images or masks (they have changed since)"]
    if not changed:
        return None
    return _Differences(", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else ""), True)


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def reseed(seed: int, epoch: int, rank: int = 0, dataset: Any = None) -> None:
    """Seed every random generator for an epoch.

    Args:
        seed: Random seed of the member.
        epoch: Number of the epoch, from 1.
        rank: Rank of the process, if several train one member; each draws other tiles.
        dataset: Dataset with random transforms to seed in this process.
    """
    state = int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0])
    set_determinism(seed=state)
    if dataset is not None:
        set_rnd(dataset, state)


class KeepStates:
    """Seed the random generators of every epoch, and save the best state and what is needed to resume.

    Attach it as the last handler of the trainer, so that an epoch is saved after its validation.

    Args:
        member: The member to train; its seed is the only source of randomness.
        output_dir: Folder of the finished member; states are saved in the folder of the unfinished training.
        network: Network that the optimizer updates; with several processes, without its wrapper.
        network_settings: Settings of the network, for the checkpoint.
        optimizer: Optimizer of the trainer.
        lr_scheduler: Schedule, stepped by a handler before this one.
        evaluator: Validator; has the best score and its epoch.
        rank: Rank of the process; only the first writes.
    """

    def __init__(
        self,
        *,
        member: Member,
        output_dir: str | Path,
        network: torch.nn.Module,
        network_settings: Any,
        optimizer: torch.optim.Optimizer,
        lr_scheduler: Any,
        evaluator: Any,
        rank: int = 0,
    ) -> None:
        self.member, self.folder, self.rank = member, unfinished(output_dir), rank
        self.parts = {"model": network, "optimizer": optimizer, "lr_scheduler": lr_scheduler}
        self.network_settings, self.evaluator = network_settings, evaluator

    def attach(self, engine: Any) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.STARTED, self._load)
        engine.add_event_handler(Events.EPOCH_STARTED, self._reseed)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)

    def _load(self, engine: Any) -> None:
        if not (self.folder / UNFINISHED).is_file():
            return
        state = _read_state(self.folder)
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        if engine.amp and state["scaler"]:
            engine.scaler.load_state_dict(state["scaler"])
        engine.load_state_dict(state["trainer"])
        self.evaluator.state.best_metric = state["best_f1"]
        self.evaluator.state.best_metric_epoch = state["best_epoch"]
        logger.info(f"{self.member.name}: resumes after epoch {engine.state.epoch} of {engine.state.max_epochs}")

    def _reseed(self, engine: Any) -> None:
        reseed(self.member.seed, engine.state.epoch, self.rank, engine.data_loader.dataset)

    def _save(self, engine: Any) -> None:
        if self.rank:
            return
        model = {
            "model": self.parts["model"].state_dict(),
            "member": self.member.state_dict(),
            "network": self.network_settings.state_dict(),
            "training_version": TRAINING_VERSION,
        }
        best = self.evaluator.state
        if best.best_metric_epoch == engine.state.epoch:
            _write(model, self.folder / "model.pt")
        state = {name: part.state_dict() for name, part in self.parts.items()} | {
            "scaler": engine.scaler.state_dict() if engine.amp else {},
            "trainer": dict(engine.state_dict()),
            "best_f1": float(best.best_metric),
            "best_epoch": int(best.best_metric_epoch),
            "mlflow_run": tracking.active_run(),
        }
        _write(model | state, self.folder / UNFINISHED)


def _write(state: dict[str, Any], path: Path) -> None:
    with replaced(path, path.with_suffix(".new")) as new:  # torch writes this name into the file
        try:
            torch.save(state, new)
        except RuntimeError as error:  # torch does not say why it cannot write
            raise OSError(errno.ENOSPC, f"{path.name} cannot be written completely, as on a full disk") from error


def _read_state(folder: Path) -> dict[str, Any]:
    return read_checkpoint(folder / UNFINISHED)


def mlflow_run(folder: Path) -> str | None:
    """Id of the MLflow run of an unfinished training; None if no epoch is finished."""
    return _read_state(folder)["mlflow_run"] if (folder / UNFINISHED).is_file() else None
