"""Resume: a training that was killed starts again after its last finished epoch, and ends as without a break.

    epoch finished -> OUTPUT.partial/resume.pt: weights, optimizer, schedule, best state so far, MLflow run
    same call again -> same version, settings and data? -> load -> next epoch;  OUTPUT finished -> nothing to do

All random numbers of an epoch are drawn from states that follow from (seed, epoch), set when the epoch starts, so that
an epoch is the same whether or not the ones before it were run by the same process. Saved states of the generators
could not do this: processes that load data have generators of their own.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from filelock import FileLock, Timeout
from ignite.engine import Events
from monai.data.utils import set_rnd
from monai.utils import set_determinism

from segassay import tracking
from segassay.errors import DataError, UsageError
from segassay.io.outputs import OPTIONS, UNFINISHED, check_output, prepare_output, whole_or_nothing
from segassay_monai.bundle.workflow import config_text, write_config
from segassay_monai.ensemble.members import Member, read_members
from segassay_monai.ensemble.network import read_checkpoint
from segassay_monai.training.settings import ELSEWHERE, is_plain
from segassay_monai.training.version import TRAINING_VERSION

__all__ = ["KeepStates", "check_output_dir", "mlflow_run", "open_training", "reseed", "unfinished"]

logger = logging.getLogger("segassay")

_VERSION = "the version of SegAssay's training"


def unfinished(output_dir: str | Path) -> Path:
    """Folder in which a training works until it is finished."""
    final = Path(str(output_dir)).resolve()
    return final.with_name(final.name + ".partial")


def check_output_dir(output_dir: str | Path, overwrite: bool) -> None:
    """Refuse, before anything is read, a folder that is neither free nor a finished member; see `open_training`."""
    is_member = (Path(str(output_dir)) / "model.pt").is_file()
    check_output(output_dir, overwrite or is_member)


@contextmanager
def open_training(output_dir: str | Path, overwrite: bool, member: Member) -> Iterator[Path | None]:
    """Folder to train in, inside the `with` block: a new one, or that of an unfinished training of this very member.

    A break or an error leaves the folder for the next attempt once an epoch is finished, else nothing.

    Args:
        output_dir: Folder that the finished member will have.
        overwrite: Whether a finished or unfinished training of other settings may be replaced.
        member: What is trained.

    Yields:
        The folder, or `None` where this very training is finished already.

    Raises:
        UsageError: If the folder holds something else, or another process trains there.
    """
    final, partial = Path(str(output_dir)).resolve(), unfinished(output_dir)
    with _alone(final):
        if (final / "model.pt").is_file() and not overwrite:
            if differences := _differences(final / "model.pt", member):
                option, replace_it = OPTIONS.get()
                raise UsageError(
                    f"{final} holds a training that differs in {differences}; give another {option}, or {replace_it} "
                    "to replace it"
                )
            (final / UNFINISHED).unlink(missing_ok=True)  # left by a break in the very last moment
            yield None
            return
        check_output(final, overwrite)
        if not _can_resume(partial, member, overwrite):
            prepare_output(final, overwrite, drop_unfinished=True)
            write_config(partial / "config.yaml")
        with whole_or_nothing(partial):
            yield partial


@contextmanager
def _alone(final: Path) -> Iterator[None]:
    """Refuse a second process that trains into the same folder."""
    lock = FileLock(final.with_name(f".{final.name}.lock"))
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"{final}: another process trains into this folder; wait for it, or give another") from None
    except OSError as error:
        raise UsageError(f"{final}: cannot be written ({error.strerror}); give another {OPTIONS.get()[0]}") from error
    try:
        yield
    finally:
        with suppress(OSError):  # not possible on Windows, where the file stays
            Path(lock.lock_file).unlink()
        lock.release()


def _can_resume(partial: Path, member: Member, overwrite: bool) -> bool:
    """True if the folder holds an unfinished training of this member, with these settings, that can be continued."""
    if not (partial / UNFINISHED).is_file():
        return False
    try:
        differences = _differences(partial / UNFINISHED, member)
    except DataError:
        logger.warning(f"{partial / UNFINISHED} cannot be read; the training starts again from the beginning")
        return False
    if differences and not overwrite:
        option, drop_it = OPTIONS.get()
        finish = "" if differences.startswith(_VERSION) else "repeat the call of that one to finish it, "
        raise UsageError(
            f"{partial} holds an unfinished training that differs in {differences}; {finish}give another {option}, or "
            f"{drop_it} to drop it"
        )
    if differences:
        logger.warning(f"{partial}: the unfinished training there is dropped, it differs in {differences}")
        return False
    shutil.rmtree(partial / "held_out", ignore_errors=True)  # written after the training, and written again
    return True


def _differences(checkpoint: Path, member: Member) -> str:
    """What makes the training of a checkpoint another one than `member` with the running configuration, in words."""
    folder, found = checkpoint.parent, read_members([checkpoint])[0]
    version = read_checkpoint(checkpoint).get("training_version", "an earlier one")
    if version != TRAINING_VERSION:
        return f"{_VERSION} (there {version}, here {TRAINING_VERSION})"
    if not (folder / "config.yaml").is_file():
        return "settings that are not known (config.yaml is missing)"
    then = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    now = yaml.safe_load(config_text())
    names = [name for name in {**then, **now} if name not in ELSEWHERE and then.get(name) != now.get(name)]
    plain = [name for name in names if is_plain(then.get(name)) and is_plain(now.get(name))]
    changed = [f"--{name} (there {_short(then.get(name))}, here {_short(now.get(name))})" for name in plain]
    if len(plain) < len(names):
        changed.append("the configuration itself (another version of it, or an overlay)")
    if not changed and replace(found, strategy=member.strategy) != member:
        changed = ["its images or masks (they were changed since)"]
    return ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def reseed(seed: int, epoch: int, rank: int = 0, dataset: Any = None) -> None:
    """Set every random generator to the state that an epoch starts with.

    Args:
        seed: Of the member.
        epoch: From 1 on.
        rank: Of the process, where several train one member: each draws other tiles.
        dataset: Whose transforms draw random numbers in this process.
    """
    state = int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0])
    set_determinism(seed=state)
    if dataset is not None:
        set_rnd(dataset, state)


class KeepStates:
    """Start every epoch from random states of its own, and keep the best state and what is needed to go on.

    Stands last among the handlers of the trainer, so that an epoch is kept when its validation is over.

    Args:
        member: What is trained; its seed is the only source of randomness.
        output_dir: Folder that the finished member will have; states go to that of the unfinished one.
        network: As the optimizer has it; where several processes train, the network within.
        network_settings: What the network is built from; for the checkpoint.
        optimizer: Of the trainer.
        lr_scheduler: Stepped by a handler before this one.
        evaluator: Validator; knows the best score and its epoch.
        rank: Of the process; only the first writes.
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
    new = path.with_suffix(".new")
    torch.save(state, new)
    os.replace(new, path)


def _read_state(folder: Path) -> dict[str, Any]:
    return dict(torch.load(folder / UNFINISHED, map_location="cpu", weights_only=True))


def mlflow_run(folder: Path) -> str | None:
    """The MLflow run that an unfinished training wrote into, if an epoch of it is finished."""
    return _read_state(folder)["mlflow_run"] if (folder / UNFINISHED).is_file() else None
