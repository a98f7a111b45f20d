"""Configurations of the bundle: inference and evaluation need only its own scripts, training needs this package.

    NetworkSettings, number of members -> inference.json, evaluate.json, train.json

They are JSON, because `monai.bundle.load` reads no other format, and their network has literal arguments, because the
checks of the zoo and other programs build it without a checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from segassay.io.yaml_files import read_yaml
from segassay_monai.bundle.paths import config_path
from segassay_monai.ensemble.classes import TOUCHING, plain_classes
from segassay_monai.ensemble.network import NetworkSettings, size_divisor

__all__ = ["evaluate_config", "gives_logits", "inference_config", "network_config", "train_config"]

_BUNDLE_ROOT = (
    "$next((folder for folder in sys.path[1:2] "
    "if os.path.isfile(os.path.join(folder, 'scripts', 'image_files.py'))), '.')"
)
"""Folder above that of the configuration. MONAI's `run` puts it second on the search path before it evaluates anything,
so commands work in any folder; a configuration that is only read has the current folder, as in other bundles."""

_FIND_SCRIPTS = "$sys.path.insert(0, @bundle_root)"
"""First step of a run: a package `scripts` of the current folder is not taken for that of the bundle."""

_MAX_PIXELS = {2: 2**22, 3: 2**21}


def network_config(settings: NetworkSettings, n_members: int) -> dict[str, Any]:
    """Network of the bundle: the U-Net itself if it `gives_logits`; else the mean of probabilities."""
    plain = settings.arguments()
    if not gives_logits(settings, n_members):
        return {"_target_": "scripts.mean_net.MeanNet", "n_members": n_members, **plain}
    own = {"out_channels": 1, "num_res_units": 2, "norm": "BATCH"}
    return {"_target_": "monai.networks.nets.UNet", **plain, **own}


def gives_logits(settings: NetworkSettings, n_members: int) -> bool:
    """Whether the bundle holds a plain U-Net: a single member of one output; else it gives probabilities."""
    return n_members == 1 and not settings.classes and settings.objects != TOUCHING


def inference_config(
    settings: NetworkSettings,
    n_members: int,
    min_object_size: int = 0,
    channels: Sequence[str] = (),
    image_channels: Sequence[str] = (),
) -> dict[str, Any]:
    """`inference.json`: from a folder of images to probabilities and masks, and to instance labels if asked.

    Args:
        settings: Network of the members.
        n_members: Number of members.
        min_object_size: Smaller objects are left out of the instance labels, in pixels; the mask keeps them.
        channels: Names of the channels that the network sees, in its order; empty if they have none.
        image_channels: Names of all channels of the images of the training.
    """
    load: dict[str, Any] = {"_target_": "scripts.image_files.LoadImageFiled", "n_channels": settings.in_channels}
    if channels:
        load = {
            "_target_": "scripts.channel_files.LoadImageChannelsd",
            "channels": list(channels),
            "image_channels": list(image_channels),
        }
    run = _run("@dataset_dir")
    return {
        "imports": ["$import os", "$import sys"],
        "bundle_root": _BUNDLE_ROOT,
        "dataset_dir": "$@bundle_root + '/images'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "max_pixels": _MAX_PIXELS[settings.spatial_dims],
        "save_instances": settings.objects == TOUCHING,  # no mask shows such objects
        "min_object_size": min_object_size,
        **({"classes": plain_classes(settings.classes)} if settings.classes else {}),
        "network_def": network_config(settings, n_members),
        "network": "$@network_def.to(@device)",
        "data": {"_target_": "scripts.image_files.find_images", "folder": "@dataset_dir"},
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {**load, "keys": "image", "spatial_dims": settings.spatial_dims},
                {"_target_": "scripts.images.NormalisePercentiled", "keys": "image", **_fixed_range(settings)},
            ],
        },
        "dataset": {"_target_": "Dataset", "data": "@data", "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": _inferer(settings, n_members),
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing(settings, n_members)},
        "key_metric": None,
        "handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@bundle_root + '/models/model.pt'",
                "load_dict": {"model": "@network"},
                "map_location": "@device",
            },
            {"_target_": "StatsHandler", "iteration_log": False},
        ],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "key_val_metric": "@key_metric",
            "val_handlers": "@handlers",
            "amp": "$@device.type == 'cuda'",
        },
        "run": run,
        "inference": run,
    }


def _fixed_range(settings: NetworkSettings) -> dict[str, Any]:
    """Argument of the normalisation; none if each image is scaled by its percentiles."""
    found = settings.state_dict()
    return {name: found[name] for name in ("intensity_range",) if name in found}


def _run(folder: str) -> list[Any]:
    return [
        _FIND_SCRIPTS,
        {"_target_": "scripts.image_files.check_images", "data": "@data", "folder": folder},
        "$@evaluator.run()",
    ]


def _inferer(settings: NetworkSettings, n_members: int) -> dict[str, Any]:
    whole = {
        "_target_": "scripts.inferer.WholeImageInferer",
        "divisor": size_divisor(settings.strides),
        "max_pixels": "@max_pixels",
    }
    if gives_logits(settings, n_members):
        return whole
    return {"_target_": "scripts.members_inferer.MembersInferer", "inferer": whole}


def _postprocessing(settings: NetworkSettings, n_members: int) -> list[dict[str, Any]]:
    """Probability and mask are written, instances if asked; the mask is above one half, MONAI's from one half on."""
    to_probability = {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}
    save = {"_target_": "scripts.image_files.SaveImageFiled", "keys": "pred"}
    save_prob = save | {"output_dir": "$@output_dir + '/prob'"}
    if settings.classes:
        of_classes = {"keys": "pred", "classes": "@classes"}
        return [
            save_prob,
            {"_target_": "scripts.class_files.ClassMasksd", **of_classes},
            {
                "_target_": "scripts.class_files.SaveClassMasksd",
                **of_classes,
                "output_dir": "$@output_dir + '/masks'",
            },
            {
                "_target_": "scripts.class_files.SaveClassInstancesd",
                "_disabled_": "$not @save_instances",
                **of_classes,
                "output_dir": "$@output_dir + '/instances'",
                "min_size": "@min_object_size",
            },
        ]
    is_touching = settings.objects == TOUCHING
    save_instances = {
        "_target_": "scripts.touching_files.SaveTouchingd" if is_touching else "scripts.instances.SaveInstancesd",
        "_disabled_": "$not @save_instances",
        "keys": "pred",
        "output_dir": "$@output_dir + '/instances'",
        "min_size": "@min_object_size",
    }
    without_depth = {"_target_": "Lambdad", "keys": "pred", "func": "$lambda pred: pred[:1]"}
    return [
        *([to_probability] if gives_logits(settings, n_members) else []),
        *([save_instances, without_depth] if is_touching else []),
        save_prob,
        {"_target_": "Lambdad", "keys": "pred", "func": "$lambda prob: (prob > 0.5).to(torch.uint8)"},
        save | {"output_dir": "$@output_dir + '/masks'"},
        *([] if is_touching else [save_instances]),
    ]


def evaluate_config(settings: NetworkSettings) -> dict[str, Any]:
    """`evaluate.json`, to be named after `inference.json`: the Dice coefficient on images that have masks.

    Of classes it is the mean over them, as MONAI makes it: a class that is in neither mask does not count.
    """
    run = _run("@label_dir")
    load: dict[str, Any] = {"_target_": "scripts.image_files.LoadImageMaskd", "keys": "label"}
    if settings.classes:
        load = {"_target_": "scripts.class_files.LoadImageClassesd", "keys": "label", "classes": "@classes"}
    return {
        "label_dir": "$@dataset_dir + '/labels'",
        "data": {
            "_target_": "scripts.image_files.find_labelled",
            "folder": "@dataset_dir",
            "label_dir": "@label_dir",
        },
        "+preprocessing#transforms": [load],
        "key_metric": {
            "val_mean_dice": {
                "_target_": "MeanDice",
                "include_background": True,
                "output_transform": "$monai.handlers.from_engine(['pred', 'label'])",
            }
        },
        "+handlers": [
            {
                "_target_": "MetricsSaver",
                "save_dir": "@output_dir",
                "metrics": ["val_mean_dice"],
                "metric_details": ["val_mean_dice"],
                "batch_transform": "$lambda batch: [item['image'].meta for item in batch]",
                "summary_ops": "*",
            }
        ],
        "run": run,
        "evaluating": run,
    }


def train_config(settings: NetworkSettings, n_members: int) -> dict[str, Any]:
    """`train.json`: trains another member as this package does, which must be installed.

    Its `network_def` is that of the bundle, because `monai.bundle.load` takes the network from here. Only what runs
    needs this package, so that the network can be loaded without it.
    """
    config = _read_yaml("train.yaml")
    if settings.spatial_dims == 3:
        config |= {name: value for name, value in _read_yaml("spatial_3d.yaml").items() if "::" not in name}
    plain = settings.state_dict()
    known = ("spatial_dims", "channels", "strides", "objects", "intensity_range")
    text = json.dumps(config | {name: plain[name] for name in known if name in plain})
    config = json.loads(text.replace("@network_def", "@member_def"))
    config["member_def"] = config["network_def"]
    config["network_def"] = network_config(settings, n_members)
    config["imports"] = [*config["imports"], "$import os", "$import sys"]
    config["bundle_root"] = _BUNDLE_ROOT
    config["output_dir"] = "$@bundle_root + '/models/' + @member.folder"
    checks = config.pop("initialize")
    for run_id in ("training", "find_lr"):
        config[run_id] = [_FIND_SCRIPTS, *checks, *config[run_id]]
    return config | {"run": config["training"]}


def _read_yaml(name: str) -> dict[str, Any]:
    return dict(read_yaml(config_path(name)))
