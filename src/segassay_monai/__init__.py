"""Training and prediction with MONAI: the components that configurations of the bundle name, and what runs them.

Every component that a configuration names is an attribute of this package, loaded on first use. Saved configurations,
checkpoints and registered models therefore do not depend on the module that defines a name.

    bundle      location of the bundle, checks of settings, workflow
    targets     what a model learns from several raters
    ensemble    network, members, prediction, uncertainty, registry
    training    folds, tiles, loss, selection, training, resume
    study       plan, store, workers, run
    prediction  a model and new images: masks, objects, tables
"""

from importlib import import_module
from typing import Any

from segassay_monai.bundle.needs import training_needs

_HOME = {
    "bundle.paths": ("bundle_root", "config_path", "models_dir"),
    "bundle.workflow": ("Workflow", "check_settings"),
    "ensemble.classes": ("is_exclusive",),
    "ensemble.ensemble_net": ("EnsembleNet",),
    "ensemble.errors": ("PredictionError",),
    "ensemble.images": ("NormalisePercentiled", "ReadImaged", "as_float", "check_image"),
    "ensemble.inferer": ("WholeImageInferer", "window_size"),
    "ensemble.members": ("find_checkpoints", "held_out_cases", "read_members"),
    "ensemble.network": (
        "NetworkSettings",
        "network_strides",
        "read_network_settings",
        "residual_unet",
        "size_divisor",
    ),
    "ensemble.prediction": ("WritePredictions", "find_images", "run_inference"),
    "ensemble.scores": ("ScoreCases", "run_evaluating"),
    "ensemble.stored_maps": ("image_and_cases", "stored_probabilities"),
    "interface": ("train",),
    "prediction.run": ("predict",),
    "study.plan": ("plan_study",),
    "study.run": ("run_study",),
    "training.folds": ("initialised", "plan_member"),
    "training.inputs": (
        "check_scaling",
        "open_checkpoints",
        "open_classes",
        "open_dataset",
        "open_held_out",
        "open_images",
        "open_member",
        "open_n_channels",
        "open_reader",
        "open_network_settings",
        "open_spacing",
    ),
    "training.learning_rate": ("find_learning_rate",),
    "training.case_cache": ("CachedCases",),
    "training.loader": ("TileLoader",),
    "training.loss": ("MaskedDiceCELoss",),
    "training.processes": ("join_processes", "leave_processes", "process_device"),
    "training.progress": ("ShowProgress", "TrackTraining"),
    "training.resume": ("KeepStates", "check_output_dir"),
    "training.selection": ("ObjectF1", "PixelDice", "dice_metrics"),
    "training.tiles": ("LoadCased", "RandRaterd", "RandTiled", "n_channels", "tile_shape"),
    "training.train": ("train_member",),
}
_MODULE_OF = {name: f"segassay_monai.{module}" for module, names in _HOME.items() for name in names} | {
    "channel_reader": "segassay.data.cases",
    "prepare_output": "segassay.io.outputs",
    "unfinished_output": "segassay.io.outputs",
    "read_case_image": "segassay.data.cases",
    "read_dataset": "segassay.data.dataset",
    "read_image": "segassay.io.images",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        former = import_module("segassay_monai.former")
        if name in former.MODULES:
            return former.module_of(name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with training_needs():
        return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
