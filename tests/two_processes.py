"""Script that `torchrun` starts in test_multi_gpu.py: the bundle's training, and what each process saw and ended with.

python two_processes.py OUTPUT DATASET MEMBER [ITERATION_AT_WHICH_THE_SECOND_PROCESS_FAILS]
"""

import faulthandler
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from monai.bundle import run
from monai.engines import SupervisedTrainer

from bundles import TINY
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.workflow import WORKFLOW


def main(out: str, dataset: str, member: str, fails_at: str = "0") -> None:
    faulthandler.dump_traceback_later(200, exit=True)  # a process that waits for ever says where
    rank = int(os.environ["RANK"])
    tiles: list[str] = []
    attach = SupervisedTrainer._register_handlers

    def keep(trainer: Any) -> None:
        tiles.extend(hashlib.sha256(tile["image"].numpy().tobytes()).hexdigest() for tile in trainer.state.batch)
        if rank == 1 and trainer.state.iteration == int(fails_at):
            raise RuntimeError("the second process fails")

    def watch(trainer: Any, *arguments: Any) -> None:
        attach(trainer, *arguments)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, keep)
        trainer.add_event_handler(Events.COMPLETED, leave)

    def leave(trainer: Any) -> None:
        module = trainer.network.module
        weights = {name: value.detach() for name, value in module.named_parameters()}
        torch.save({"tiles": tiles, "weights": weights}, Path(out) / f"rank{rank}.pt")

    setattr(SupervisedTrainer, "_register_handlers", watch)  # noqa: B010
    configs = [str(config_path(name)) for name in ("train.yaml", "multi_gpu_train.yaml")]
    settings: dict[str, Any] = {"dataset_dir": dataset, "output_dir": member} | TINY
    run(run_id="training", config_file=configs, workflow_name=WORKFLOW, **settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
