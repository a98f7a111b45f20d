"""Files that are no checkpoint of ours: each is one clear message, and none runs code or loads damaged weights."""

import io
import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segassay.errors import DataError
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.ensemble.members import read_members
from segassay_monai.ensemble.network import NetworkSettings, read_checkpoint, read_network_settings, residual_unet
from segassay_monai.training.folds import initialised
from segassay_monai.training.resume import mlflow_run

SETTINGS = NetworkSettings(2, 1, [4, 8], [[2, 2]])
WEIGHTS = OrderedDict({"output.weight": torch.arange(6.0).reshape(2, 3)})


class Bomb:
    """Unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def checkpoint() -> bytes:
    torch.manual_seed(0)
    weights = residual_unet(**SETTINGS.state_dict()).state_dict()
    return saved({"model": weights, "network": SETTINGS.state_dict()})


def scripted() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("readme.txt", "hello")
    return buffer.getvalue()


def flipped(data: bytes) -> bytes:
    """The same bytes, but one of a weight."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        weights = [info for info in opened.infolist() if "/data/" in info.filename]
    largest = max(weights, key=lambda info: info.file_size)
    start = largest.header_offset
    lengths = struct.unpack("<HH", data[start + 26 : start + 30])  # of the name and of what follows it
    middle = start + 30 + sum(lengths) + largest.file_size // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


NNUNET = {"network_weights": WEIGHTS, "trainer_name": "nnUNetTrainer", "_best_ema": np.float64(0.5)}
LIGHTNING = {"state_dict": WEIGHTS, "pytorch-lightning_version": "2.4.0", "epoch": 3}
CELLPOSE = WEIGHTS | {"diam_mean": torch.tensor([30.0]), "diam_labels": torch.tensor([17.2])}
FOREIGN: dict[str, tuple[Callable[[], bytes], str]] = {
    "weights alone": (lambda: saved(WEIGHTS), "but weights without the settings of their network"),
    "weights alone, old format": (lambda: saved(WEIGHTS, _use_new_zipfile_serialization=False), "but weights without"),
    "nnU-Net": (lambda: saved(NNUNET), "but one of nnU-Net"),
    "Lightning": (lambda: saved(LIGHTNING), "but one of Lightning"),
    "Cellpose": (lambda: saved(CELLPOSE), "but one of Cellpose"),
    "TorchScript": (scripted, "but a network of TorchScript"),
    "web page": (lambda: b"\n<!DOCTYPE html><html><title>404", "but a web page, as servers send it"),
    "reference of git": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
        "but a reference to a file",
    ),
    "archive": (archive, "but a zip archive of something else"),
    "network itself": (lambda: saved(torch.nn.Linear(2, 2)), "but Python objects .*torch.nn.modules.linear.Linear"),
    "objects": (
        lambda: saved({"model": Path("x")}),
        "but Python objects .*pathlib.*could run code and were not loaded",
    ),
    "empty": (lambda: b"", "but an empty file"),
    "text": (lambda: b"weights", "but a file of another kind"),
    "number": (lambda: saved(3), "but weights without the settings"),
    "broken pickle": (lambda: b"\x80\x02}q\xff", "but a damaged file"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_named_in_one_message_with_what_it_is_and_what_to_do(tmp_path: Path, name: str) -> None:
    make, what = FOREIGN[name]
    path = tmp_path / "model.pt"
    path.write_bytes(make())
    with pytest.raises(PredictionError, match=f"not a checkpoint written by SegAssay, {what}") as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: not a checkpoint")
    assert "\n" not in str(caught.value)
    assert "segassay evaluate --masks NAME=FOLDER" in caught.value.action
    with pytest.raises(DataError, match=rf"model\.pt is not a checkpoint written by SegAssay, {what}"):
        read_members([path])


@pytest.mark.parametrize("kind", ["model.pt", "resume.pt", "initialise_from", "network"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_file_that_runs_code_when_read_runs_nowhere(tmp_path: Path, kind: str, packed: bool) -> None:
    trace, folder = tmp_path / "ran", tmp_path / "out.partial"
    folder.mkdir()
    path = folder / ("resume.pt" if kind == "resume.pt" else "model.pt")
    content = {"model": WEIGHTS, "network": Bomb(trace), "mlflow_run": None}
    path.write_bytes(saved(content) if packed else pickle.dumps(content))
    read: dict[str, Callable[[], object]] = {
        "model.pt": lambda: read_members([path]),
        "resume.pt": lambda: mlflow_run(folder),
        "initialise_from": lambda: initialised(torch.nn.Linear(2, 2), path),
        "network": lambda: read_network_settings([path]),
    }
    with pytest.raises((DataError, PredictionError), match="not a checkpoint written by SegAssay"):
        read[kind]()
    assert not trace.exists()
    if packed:
        torch.load(path, weights_only=False)
    else:
        pickle.loads(path.read_bytes())
    assert trace.exists(), "the bomb of this test is a dud"


def test_damaged_checkpoints_are_refused_and_whole_ones_are_read(tmp_path: Path) -> None:
    path, whole = tmp_path / "model.pt", checkpoint()
    path.write_bytes(whole)
    assert "model" in read_checkpoint(path)
    changed = flipped(whole)
    assert len(changed) == len(whole)
    path.write_bytes(changed)
    torch.load(path, weights_only=True)  # torch does not notice
    with pytest.raises(PredictionError, match=r"damaged: .*does not agree with its checksum; copy it again, or remove"):
        read_checkpoint(path)
    for end in (30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(PredictionError, match="damaged: it is cut off"):
            read_checkpoint(path)
    path.unlink()
    with pytest.raises(PredictionError, match=r"missing; give the model\.pt of a trained member"):
        read_checkpoint(path)


def test_any_byte_of_a_checkpoint_that_changes_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    path, whole = tmp_path / "model.pt", checkpoint()
    path.write_bytes(whole)
    right = read_checkpoint(path)["model"]
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << int(rng.integers(8)))]) + whole[place + 1 :])
        try:
            found = read_checkpoint(path)["model"]
        except PredictionError:
            continue
        assert all(torch.equal(found[name], value) for name, value in right.items())


def test_torch_load_is_called_in_one_place_and_reads_weights_only() -> None:
    root = Path(__file__).parents[2]
    sources = {
        path: path.read_text("utf-8") for folder in ("evaluation", "src") for path in (root / folder).rglob("*.py")
    }
    calls = {
        path.name: re.findall(r"torch\.load\([^)]*\)", text) for path, text in sources.items() if "torch.load(" in text
    }
    assert set(calls) == {"network.py"}
    assert all("weights_only=True" in call for call in calls["network.py"])
    unsafe = r"\b(import|from) (pickle|cloudpickle|dill|joblib|shelve|marshal)\b|weights_only=False|allow_pickle=True"
    assert not [path for path, text in sources.items() if re.search(unsafe, text)]
