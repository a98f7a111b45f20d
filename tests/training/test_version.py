"""TRAINING_VERSION holds: under one version the same files reach the network as the same numbers, and train it alike.

Beside it stands `recorded_version.json`: digests, which count on the machine and with the libraries that they were
recorded with, and a few numbers, which count everywhere. When the version was raised, record anew:

    python tests/training/test_version.py
"""

import hashlib
import json
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import monai
import nibabel
import numpy as np
import platformdirs
import pytest
import tifffile
import torch
import yaml
from monai.bundle import ConfigParser, run

from segassay.io.images import read_image
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.workflow import WORKFLOW
from segassay_monai.training.version import TRAINING_VERSION

RECORDED = Path(__file__).with_name("recorded_version.json")
SHAPE = (40, 48)
CASES = [f"c{number}" for number in range(5)]
TRAINING = {
    "channels": [4, 8],
    "epochs": 2,
    "iterations_per_epoch": 6,
    "batch_size": 2,
    "tile_size": 32,
    "val_interval": 1,
    "gamma": 0.2,
    "blur": 0.5,
    "elastic": 1.0,
    "weight_map": 5.0,
    "device": "$torch.device('cpu')",
    "num_workers": 0,
}
"""Every augmentation is on."""
VOLUMES = {**TRAINING, "spatial_dims": 3, "tile_size": [16, 16, 8]}

_ADVICE = "raise TRAINING_VERSION and record anew (python tests/training/test_version.py) if it was meant, else undo it"
_EXACT, _TRAINED = 1e-5, 2e-3  # how far numbers may be from the recorded ones: pixels; probabilities after a training


def discs(case: str, margin: int = 0) -> np.ndarray:
    """Three discs, boolean; they differ from case to case."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    number = int(case[1:])
    places = [(9 + number, 11, 5), (27, 10 + 3 * number, 6), (18 + 2 * number, 37, 4)]
    return np.any([(rows - y) ** 2 + (columns - x) ** 2 < (r + margin) ** 2 for y, x, r in places], axis=0)


def picture(case: str, channel: int = 0) -> np.ndarray:
    """Few grey values, int: bright discs on a ripple."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return 12 + 20 * discs(case) + (3 * rows + 5 * columns + 7 * channel + int(case[1:])) % 11


def write(path: Path, array: np.ndarray) -> None:
    """A file of the format that its name says, by the library of that format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(array.astype(np.uint8)))
    elif path.suffix == ".tif":
        resolution = {"resolution": (2.0, 2.0), "metadata": {"unit": "um", "axes": "YX"}}
        tifffile.imwrite(path, array.astype(np.uint16), imagej=True, **resolution)
    else:
        nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), np.diag([0.5, 0.5, 1.0, 1.0])), path)


def usual(ending: str) -> Callable[[Path], Path]:
    """A folder of images and of masks by three raters, with an ignored area and a region."""

    def make(folder: Path) -> Path:
        for case in CASES:
            write(folder / "images" / f"{case}{ending}", picture(case))
            for margin, rater in enumerate(("anna", "ben", "cleo")):
                write(folder / "labels" / rater / f"{case}{ending}", discs(case, margin))
        write(folder / "ignored" / f"c0{ending}", discs("c4"))
        write(folder / "inside" / f"c1{ending}", np.arange(SHAPE[1]) < 40 * np.ones(SHAPE))
        settings = {"ignore": "ignored", "region_masks": "inside", "min_object_size": 3}
        (folder / "dataset.yaml").write_text(yaml.safe_dump(settings))
        return folder

    return make


def volumes(folder: Path) -> Path:
    """The same as volumes of nine slices, twice as thick as their pixels; their first and last slices are blank."""
    slices = np.arange(9)
    for case in CASES:
        write(folder / "images" / f"{case}.nii.gz", picture(case)[..., None] + slices % 3)
        for margin, rater in enumerate(("anna", "ben", "cleo")):
            write(folder / "labels" / rater / f"{case}.nii.gz", discs(case, margin)[..., None] & (slices % 8 > 0))
    return folder


def nnunet(folder: Path) -> Path:
    """Two channels in files of their own, two classes and one that is ignored."""
    for case in CASES:
        for channel in (0, 1):
            write(folder / "imagesTr" / f"{case}_{channel:04}.png", picture(case, channel))
        classes = discs(case, 1) * 1 + discs(case)
        classes[:4] = 3
        write(folder / "labelsTr" / f"{case}.png", classes)
    labels = {"background": 0, "cell": 1, "nucleus": 2, "ignore": 3}
    content = {"channel_names": {"0": "a", "1": "b"}, "labels": labels, "numTraining": 5, "file_ending": ".png"}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def read(folder: Path, rater: str) -> list[np.ndarray]:
    """Image, label and area that counts of every case, as the configuration of a training reads them."""
    parser = ConfigParser(ConfigParser.load_config_file(str(config_path("train.yaml"))))
    parser.update({"dataset_dir": str(folder), "rater": rater, **TRAINING})
    preprocessing = parser.get_parsed_content("preprocessing")
    loaded = [preprocessing({"case": case}) for case in parser.get_parsed_content("annotated").cases]
    return [np.asarray(case[key]) for case in loaded for key in ("image", "label", "valid", "weight")]


def train(folder: Path, training: Mapping[str, Any]) -> dict[str, Any]:
    """The first tiles that reach the network, and what comes of the training.

    Bits are those of the weights of the best state, numbers those of the probabilities that it predicts: weights that
    do not matter, as a bias before a normalisation, follow from rounding errors alone.
    """
    tiles: list[np.ndarray] = []

    def keep(module: torch.nn.Module, inputs: Any) -> None:
        if not tiles:
            tiles.append(inputs[0].detach().numpy().copy())

    torch.set_num_threads(1)
    hook = torch.nn.modules.module.register_module_forward_pre_hook(keep)
    settings: dict[str, Any] = {"dataset_dir": str(folder), "output_dir": str(folder / "out"), **training}
    try:
        config = str(config_path("train.yaml"))
        run(run_id="training", config_file=config, workflow_name=WORKFLOW, logging_file=False, **settings)
    finally:
        hook.remove()
    weights = torch.load(folder / "out" / "model.pt", weights_only=True)["model"]
    bits = describe([weights[name].numpy() for name in sorted(weights)])
    predicted = describe([read_image(path).array for path in sorted((folder / "out" / "held_out" / "prob").iterdir())])
    return {"tiles": describe(tiles), "training": {"digest": bits["digest"], "numbers": predicted["numbers"]}}


def describe(arrays: Sequence[np.ndarray]) -> dict[str, Any]:
    """A digest of all bits, and of each array the mean, the deviation, and a mean in which every place counts apart."""
    digest, numbers = hashlib.sha256(), []
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
        flat = array.ravel().astype(np.float64)
        numbers.append([float(flat.mean()), float(flat.std()), float(flat @ np.linspace(0, 1, len(flat)) / len(flat))])
    return {"digest": digest.hexdigest(), "numbers": np.round(numbers, 7).tolist()}


def machine() -> str:
    """What bits depend on."""
    versions = [f"{module.__name__} {module.__version__}" for module in (torch, monai, np)]
    processor = platform.processor()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    return ", ".join([*versions, torch.backends.cpu.get_cpu_capability(), platform.platform(terse=True), processor])


READ: dict[str, tuple[Callable[[Path], Path], str]] = {
    "png": (usual(".png"), "anna"),
    "tiff": (usual(".tif"), "anna"),
    "nifti": (usual(".nii.gz"), "anna"),
    "nnunet": (nnunet, "labelsTr"),
    **{rater: (usual(".png"), rater) for rater in ("staple", "majority", "union", "object", "soft", "random_rater")},
}


TRAINED: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "images": (usual(".png"), TRAINING),
    "volumes": (volumes, VOLUMES),
}


@pytest.fixture
def recorded() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    assert content["version"] == TRAINING_VERSION, f"recorded for another version: python tests/training/{__name__}.py"
    return content


def check(found: dict[str, Any], name: str, recorded: dict[str, Any], tolerance: float) -> None:
    expected = recorded["of"][name]
    message = f"{name} differs from what is recorded for version {TRAINING_VERSION}: {_ADVICE}"
    np.testing.assert_allclose(found["numbers"], expected["numbers"], rtol=0, atol=tolerance, err_msg=message)
    if recorded["machine"] == machine():
        assert found["digest"] == expected["digest"], message


@pytest.mark.parametrize("name", READ)
def test_the_same_files_reach_the_network_as_the_same_numbers(name, tmp_path, recorded):
    make, rater = READ[name]
    check(describe(read(make(tmp_path / "lab"), rater)), name, recorded, _EXACT)


def test_a_consensus_from_the_cache_is_the_same(tmp_path, recorded, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *args, **kwargs: str(tmp_path / "cache"))
    folder = usual(".png")(tmp_path / "lab")
    read(folder, "staple")
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == len(CASES)
    check(describe(read(folder, "staple")), "staple", recorded, _EXACT)


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_training_gives_the_same_weights(name, tmp_path, recorded):
    make, training = TRAINED[name]
    found = train(make(tmp_path / "lab"), training)
    check(found["tiles"], f"tiles of {name}", recorded, _EXACT)
    check(found["training"], f"training on {name}", recorded, _TRAINED)


def record() -> None:
    """Write what is found now."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        patch.setattr(platformdirs, "user_cache_dir", lambda *args, **kwargs: str(folder / "cache"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
        found = {key: describe(read(make(folder / key), rater)) for key, (make, rater) in READ.items()}
        for key, (make, training) in TRAINED.items():
            trained = train(make(folder / f"training on {key}"), training)
            found |= {f"tiles of {key}": trained["tiles"], f"training on {key}": trained["training"]}
    content = {"version": TRAINING_VERSION, "machine": machine(), "of": found}
    RECORDED.write_text(json.dumps(content).replace('}, "', '},\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
