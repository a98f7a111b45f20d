"""Members that another program runs: ONNX Runtime or OpenVINO instead of torch.

    checkpoints -> network of each member -> ONNX in memory -> load_backend -> functions that EnsembleNet calls

A backend takes what the network takes and returns what it returns: normalised images `(B, C, *spatial)`, logits
`(B, 1, *spatial)`. It stands in for one member, so the parts of the uncertainty stay available. It runs on the CPU.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import torch
from torch import nn

from segassay.errors import UsageError
from segassay_monai.ensemble.mean_net import read_mean_net
from segassay_monai.ensemble.network import size_divisor

__all__ = ["BACKENDS", "OPSET", "check_backend", "load_backend", "save_onnx", "scripted"]

BACKENDS = ("torch", "onnxruntime", "openvino")
"""What can run the members."""

OPSET = 17
"""Version of the operators of ONNX; ONNX Runtime knows it since 1.12."""

Run = Callable[[torch.Tensor], torch.Tensor]


def load_backend(name: str, checkpoint_paths: Sequence[str | Path]) -> list[Run] | None:
    """Make one function per member, for the argument `backend` of `EnsembleNet`.

    Args:
        name: One of `BACKENDS`.
        checkpoint_paths: One file per member.

    Returns:
        As many functions as checkpoints; None for `torch`, with which `EnsembleNet` reads the checkpoints itself.

    Raises:
        UsageError: If the backend is unknown or not installed.
        PredictionError: If a file is not a checkpoint, or members differ in their network.
    """
    check_backend(name)
    if name == "torch":
        return None
    load = {"onnxruntime": _onnxruntime, "openvino": _openvino}[name]
    net, settings = read_mean_net(checkpoint_paths)
    example = torch.zeros(1, settings.in_channels, *[2 * size for size in size_divisor(settings.strides)])
    runs: list[Run] = []
    for member in net.members:
        file = io.BytesIO()
        save_onnx(member, file, example)
        runs.append(load(file.getvalue()))
    return runs


def check_backend(name: str) -> None:
    """Refuse a backend that is unknown or not installed.

    Raises:
        UsageError: If it is.
    """
    if name not in BACKENDS:
        raise UsageError(f"--backend {name}: expected one of {', '.join(BACKENDS)}")
    for package in () if name == "torch" else ("onnx", name):
        with _needs(package, f"--backend {name}"):
            import_module(package)


def save_onnx(net: nn.Module, file: str | BinaryIO, example: torch.Tensor) -> None:
    """Write a network as ONNX, for batches and images of any size.

    The network is scripted first: a trace would keep the padding of the example.

    Args:
        net: Takes one tensor `(B, C, *spatial)` and returns one.
        file: Where to write; the weights are in it.
        example: A tensor that the network takes.

    Raises:
        UsageError: If the package `onnx` is not installed.
    """
    axes = {0: "batch"} | {axis: f"axis{axis - 1}" for axis in range(2, example.ndim)}
    with _needs("onnx", "writing ONNX"):
        import onnx  # noqa: F401  # the exporter reads its own result
    with torch.no_grad(), _quiet():
        torch.onnx.export(
            torch.jit.script(net),
            (example,),
            file,  # type: ignore[arg-type]  # annotated too narrowly
            input_names=["image"],
            output_names=["prob"],
            dynamic_axes={"image": axes, "prob": axes},
            opset_version=OPSET,
            dynamo=False,  # the other exporter needs onnxscript
        )


def scripted(net: nn.Module) -> torch.jit.ScriptModule:
    """The network as TorchScript."""
    with _quiet():
        return torch.jit.script(net)


def _onnxruntime(content: bytes) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(image: torch.Tensor) -> torch.Tensor:
        found = session.run(None, {"image": image.float().cpu().numpy()})[0]
        return torch.from_numpy(found).to(image.device)

    return run


def _openvino(content: bytes) -> Run:
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    model = openvino.Core().compile_model(openvino.Core().read_model(io.BytesIO(content)), "CPU", settings)

    def run(image: torch.Tensor) -> torch.Tensor:
        found = model([image.float().cpu().contiguous().numpy()])[0]
        return torch.tensor(found).to(image.device)  # copied: the next call reuses the memory

    return run


@contextmanager
def _needs(package: str, what: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        install = "openvino onnx" if package == "openvino" else '"segassay[onnx]"'
        raise UsageError(f"{what} needs {package}; install it with: pip install {install}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch calls TorchScript and this exporter outdated; the formats that other programs read need both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
