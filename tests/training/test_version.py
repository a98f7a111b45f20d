"""TRAINING_VERSION holds: under one version the same files reach the network as the same numbers, and train it alike.

Beside it stands `recorded_version.json`: digests, which count on the machine and with the libraries that they were
recorded with, and a few numbers, which count everywhere. Of each kind of training the first steps are recorded, of two
what comes of them. When the version was raised, record anew:

    python tests/training/test_version.py
"""

import hashlib
import itertools
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
from segassay_monai.bundle.workflow import WORKFLOW, Workflow
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
_EXACT, _STEPS, _TRAINED = 1e-5, 1e-4, 1e-2
"""How far numbers may be from the recorded ones: pixels; losses of the first steps; probabilities after a training.

Other instructions of the processor (`ATEN_CPU_CAPABILITY=default`) change them by 3e-7, 3e-7 and 2e-3."""


def numbered(case: str, margin: int = 0) -> np.ndarray:
    """Three discs, 1 to 3; they differ from case to case, and touch where the margin is 4."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    number = int(case[1:])
    places = [(9 + number, 11, 5), (27, 10 + 3 * number, 6), (18 + 2 * number, 37, 4)]
    inside = [(rows - y) ** 2 + (columns - x) ** 2 < (r + margin) ** 2 for y, x, r in places]
    return np.max([place * disc for place, disc in enumerate(inside, start=1)], axis=0)


def discs(case: str, margin: int = 0) -> np.ndarray:
    """The same, boolean."""
    return numbered(case, margin) > 0


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


def labelled(draw: Callable[[str, int], np.ndarray], **settings: Any) -> Callable[[Path], Path]:
    """A folder of images and of masks by three raters, who draw values."""

    def make(folder: Path) -> Path:
        for case in CASES:
            write(folder / "images" / f"{case}.png", picture(case))
            for margin, rater in enumerate(("anna", "ben", "cleo")):
                write(folder / "labels" / rater / f"{case}.png", draw(case, margin))
        (folder / "dataset.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
        return folder

    return make


def touching(case: str, margin: int) -> np.ndarray:
    """Numbers of discs that touch."""
    return numbered(case, margin + 3)


def rims(case: str, margin: int) -> np.ndarray:
    """Discs of the value 2 in rims of the value 1."""
    return discs(case, margin + 1) * 1 + discs(case, margin - 1)


def grouped(folder: Path) -> Path:
    """Images of three groups, two regions and subjects of one or two images; two of them are for tests alone."""
    rows = ["case,group,region,subject,split"]
    for number in range(20):
        case = f"c{number:02}"
        group, region = "abc"[number // 8], "xy"[number // 3 % 2]
        rows.append(f"{case},{group},{region},s{number // 4 * 3 + min(number % 4, 2)},{'test' * (number > 17)}")
        write(folder / "images" / f"{case}.png", np.full((8, 8), number))
        write(folder / "labels" / "anna" / f"{case}.png", np.eye(8) > 0)
    (folder / "experiment.csv").write_text("\n".join(rows) + "\n")
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"experiment": "experiment.csv", "control_group": "a"}))
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
    part = configured(folder, {**TRAINING, "rater": rater}).get_parsed_content
    preprocessing = part("preprocessing")
    loaded = [preprocessing({"case": case}) for case in part("annotated").cases]
    return [np.asarray(case[key]) for case in loaded for key in ("image", "label", "valid", "weight")]


def configured(folder: Path, training: Mapping[str, Any]) -> ConfigParser:
    """The configuration of a training."""
    parser = ConfigParser(ConfigParser.load_config_file(str(config_path("train.yaml"))))
    parser.update({"dataset_dir": str(folder), **training})
    return parser


def plan(folder: Path) -> dict[str, dict[str, str]]:
    """The cases of every member of some settings."""
    found = {}
    for fold, seed, n_train in itertools.product((0, 1), (0, 1), (None, 6)):
        words = {"rater": "anna", "fold": fold, "seed": seed, "n_train": n_train, "n_folds": 3, "val_fraction": 0.25}
        member = configured(folder, words).get_parsed_content("member")
        parts = {part: " ".join(getattr(member, part)) for part in ("train", "val", "held_out")}
        found[f"fold {fold}, seed {seed}, n_train {n_train}"] = parts
    return found


def begin(folder: Path, training: Mapping[str, Any]) -> dict[str, Any]:
    """The tiles of the first steps, the loss of fixed outputs for each of them, and the loss of each step."""
    torch.set_num_threads(1)
    places: dict[str, Any] = {"dataset_dir": str(folder), "output_dir": str(folder / "begun"), "logging_file": False}
    workflow = Workflow(str(config_path("train.yaml")), workflow_type="train", run_id="training", **places, **training)
    workflow.initialize()
    part = workflow.parser.get_parsed_content
    network, loss_function = part("network"), part("train::loss_function")
    optimizer, schedule = part("optimizer"), part("lr_scheduler")
    tiles, fixed, losses = [], [], []
    for batch in itertools.islice(part("train::dataloader"), 4):
        output = network.train()(batch["image"])
        loss = loss_function(output, batch["label"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        tiles += [batch["image"].numpy(), batch["label"].numpy()]
        fixed.append(loss_function(waves(output.shape), batch["label"]).item())
        losses.append(loss.item())
    return {"tiles": describe(tiles), "loss": as_found(fixed), "steps": as_found(losses)}


def waves(shape: Sequence[int]) -> torch.Tensor:
    """The same numbers from -2 to 2 for a shape, everywhere."""
    return torch.from_numpy(2 * np.sin(0.7 * np.arange(np.prod(shape)))).float().reshape(tuple(shape))


def first_weights(folder: Path, training: Mapping[str, Any]) -> Path:
    """A checkpoint to start from, as a training leaves it, with the same weights everywhere."""
    part = configured(folder, training).get_parsed_content
    network, path = part("network_def"), folder / "first.pt"
    weights = {name: waves(value.shape) / 8 for name, value in network.state_dict().items()}
    said = {"network": part("architecture").state_dict(), "member": part("member").state_dict()}
    torch.save({"model": weights, **said}, path)
    return path


def begin_again(folder: Path) -> dict[str, Any]:
    """The first steps of a training that starts from other weights."""
    return begin(folder, {**TRAINING, "initialise_from": str(first_weights(folder, TRAINING))})


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


def as_found(numbers: Sequence[float]) -> dict[str, Any]:
    """Numbers as they are, with a digest of all bits."""
    return {"digest": describe([np.array(numbers)])["digest"], "numbers": np.round(numbers, 7).tolist()}


def machine() -> str:
    """What bits depend on; not the kernel, of which there is a new one every other week."""
    versions = [f"{module.__name__} {module.__version__}" for module in (torch, monai, np)]
    processor = platform.processor()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    system = [platform.system(), platform.machine(), " ".join(platform.libc_ver()), processor]
    return ", ".join([*versions, torch.backends.cpu.get_cpu_capability(), *system])


READ: dict[str, tuple[Callable[[Path], Path], str]] = {
    "png": (usual(".png"), "anna"),
    "tiff": (usual(".tif"), "anna"),
    "nifti": (usual(".nii.gz"), "anna"),
    "nnunet": (nnunet, "labelsTr"),
    **{rater: (usual(".png"), rater) for rater in ("staple", "majority", "union", "object", "soft", "random_rater")},
}


BEGUN: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "one rater": (usual(".png"), {**TRAINING, "rater": "anna", "weight_map": 0.0}),
    "soft": (usual(".png"), {**TRAINING, "rater": "soft"}),
    "a rater at random": (usual(".png"), {**TRAINING, "rater": "random_rater"}),
    "few images": (usual(".png"), {**TRAINING, "rater": "anna", "n_train": 2}),
    "volumes": (volumes, VOLUMES),
    "exclusive classes": (labelled(rims, classes={"rim": 1, "core": 2}), {**TRAINING, "rater": "random_rater"}),
    "regions": (labelled(rims, classes={"whole": [1, 2], "core": 2}), TRAINING),
    **{
        f"touching, {rater}": (labelled(touching), {**TRAINING, "rater": rater, "objects": "touching"})
        for rater in ("anna", "soft", "random_rater")
    },
}
"""Each kind of target, of loss and of network."""


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


def test_the_same_members_have_the_same_cases(tmp_path, recorded):
    advice = f"members have other cases than are recorded for version {TRAINING_VERSION}: {_ADVICE}"
    assert plan(grouped(tmp_path / "lab")) == recorded["members"], advice


def check_steps(found: dict[str, Any], name: str, recorded: dict[str, Any]) -> None:
    for part, tolerance in (("tiles", _EXACT), ("loss", _EXACT), ("steps", _STEPS)):
        check(found[part], f"{part}: {name}", recorded, tolerance)


@pytest.mark.parametrize("name", BEGUN)
def test_each_kind_of_training_begins_alike(name, tmp_path, recorded):
    make, training = BEGUN[name]
    check_steps(begin(make(tmp_path / "lab"), training), name, recorded)


def test_a_training_from_other_weights_begins_alike(tmp_path, recorded):
    check_steps(begin_again(usual(".png")(tmp_path / "lab")), "other weights", recorded)


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
        begun = {key: begin(make(folder / f"begin {key}"), training) for key, (make, training) in BEGUN.items()}
        begun["other weights"] = begin_again(usual(".png")(folder / "other weights"))
        found |= {f"{part}: {key}": value for key, parts in begun.items() for part, value in parts.items()}
        members = plan(grouped(folder / "grouped"))
        for key, (make, training) in TRAINED.items():
            trained = train(make(folder / f"training on {key}"), training)
            found |= {f"tiles of {key}": trained["tiles"], f"training on {key}": trained["training"]}
    content = {"version": TRAINING_VERSION, "machine": machine(), "members": members, "of": found}
    RECORDED.write_text(json.dumps(content).replace('}, "', '},\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
