"""nnU-Net v2 with its own plan (2d, or 3d_fullres for volumes), stopped by the clock instead of after 1,000 epochs.

Planning and preprocessing run in processes of their own and do not count against the budget. The rate falls as nnU-Net
prescribes, over the budget instead of the epochs; nothing is validated in between. `memory_gb=N` is nnU-Net's option
`-gpu_memory_target`, from which the planner derives the sizes of patch and batch.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from budget import Budget, Case, Prediction, components, read_cases, run

DATASET = "Dataset001_peers"


def use_folder(model: Path) -> None:
    """Set the folders and switches that nnU-Net reads from the environment, before it is imported."""
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(model / name)
        (model / name).mkdir(exist_ok=True)
    os.environ |= {"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1", "nnUNet_compile": "f", "CUDA_VISIBLE_DEVICES": ""}


def configuration(axes: int) -> str:
    """Which of nnU-Net's configurations fits."""
    return "2d" if axes == 2 else "3d_fullres"


def write_raw(folder: Path, cases: Sequence[Case]) -> None:
    """Write images and masks as nnU-Net reads them."""
    import SimpleITK
    from skimage.io import imsave

    def write(array: np.ndarray, path: Path, spacing: Sequence[float]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if array.ndim == 2:
            imsave(path.with_name(f"{path.name}.png"), array.astype(np.uint8), check_contrast=False)
            return
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing([float(step) for step in reversed(spacing)])
        SimpleITK.WriteImage(image, str(path.with_name(f"{path.name}.nii.gz")))

    for case in cases:
        write(case.image, folder / "imagesTr" / f"{case.name}_0000", case.spacing)
        write((case.labels > 0).astype(np.uint8), folder / "labelsTr" / case.name, case.spacing)
    about = {
        "channel_names": {"0": "image"},
        "labels": {"background": 0, "object": 1},
        "numTraining": len(cases),
        "file_ending": ".png" if cases[0].image.ndim == 2 else ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(about), encoding="utf-8")


def plan(model: Path, axes: int, memory_gb: float | None) -> None:
    """Plan and preprocess with nnU-Net's own functions."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as api

    api.extract_fingerprint_dataset(1, num_processes=1, show_progress_bar=False)
    plans, _ = api.plan_experiment_dataset(1, gpu_memory_target_in_gb=memory_gb)
    chosen = plans["configurations"][configuration(axes)]
    print("plan:", {name: chosen[name] for name in ("patch_size", "batch_size")}, flush=True)
    api.preprocess_dataset(1, configurations=[configuration(axes)], num_processes=[1], show_progress_bar=False)


def make_trainer(model: Path, axes: int) -> Any:
    """Trainer on the CPU, on all cases."""
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    os.environ |= {"nnUNet_n_proc_DA": "0"}  # tiles are made in this process; the planner wants 1
    torch.set_num_threads(1)
    folder = model / "preprocessed" / DATASET
    plans = json.loads((folder / "nnUNetPlans.json").read_text()) | {"continue_training": False}
    about = json.loads((folder / "dataset.json").read_text())
    return nnUNetTrainer(plans, configuration(axes), "all", about, torch.device("cpu"))


def train(data: Path, model: Path, budget: Budget, seed: int, settings: dict[str, str]) -> None:
    """Plan, preprocess, and train until the budget is spent."""
    use_folder(model)
    cases = read_cases(data, "train", "val")
    axes = cases[0].image.ndim
    write_raw(model / "raw" / DATASET, cases)
    memory = settings.get("memory_gb")
    plan(model, axes, None if memory is None else float(memory))
    np.random.seed(seed)  # noqa: NPY002 - nnU-Net draws from it
    trainer = make_trainer(model, axes)
    trainer.plot_network_architecture = lambda: None
    trainer.on_train_start()
    trainer.network.train()
    steps = 0
    while not budget.is_over:
        for group in trainer.optimizer.param_groups:
            group["lr"] = trainer.initial_lr * (1 - budget.progress) ** 0.9
        trainer.train_step(next(trainer.dataloader_train))
        steps += 1
    trainer.save_checkpoint(str(model / "checkpoint.pth"))
    print("steps:", steps)


def predict(data: Path, model: Path, cases: Sequence[Case]) -> Iterator[Prediction]:
    """Predict as nnU-Net does by default: overlapping windows, averaged over mirror images."""
    use_folder(model)
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    axes = cases[0].image.ndim
    trainer = make_trainer(model, axes)
    trainer.load_checkpoint(str(model / "checkpoint.pth"))
    trainer.set_deep_supervision_enabled(False)
    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        "nnUNetTrainer",
        trainer.inference_allowed_mirroring_axes,
    )
    for case in cases:
        array = case.image[None] if axes == 3 else case.image[None, None]
        spacing = case.spacing if axes == 3 else [999, 1, 1]
        found = predictor.predict_single_npy_array(array, {"spacing": list(spacing)}, None, None, True)
        mask, prob = (part if axes == 3 else part.squeeze(-3) for part in found)
        yield components(mask > 0), prob[1]


if __name__ == "__main__":
    run(train, predict, ["torch", "nnunetv2"])
