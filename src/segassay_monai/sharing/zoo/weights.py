"""Weights of the bundle: one flat state dict, and the network as TorchScript.

    checkpoints -> model.pt (names and tensors alone), model.ts

Nothing of a checkpoint but its weights is kept: it also holds names of cases and hashes of images.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.data import save_net_with_metadata
from torch import nn

__all__ = ["write_state_dict", "write_torchscript"]


def write_state_dict(path: Path, net: nn.Module) -> None:
    """Write names and tensors, without nesting: what `monai.bundle.load` and `CheckpointLoader` take."""
    torch.save({name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}, path)


def write_torchscript(path: Path, net: nn.Module, metadata: Mapping[str, Any], inference: Mapping[str, Any]) -> None:
    """Write the network with its metadata as `monai.bundle ckpt_export` does, without paths of this machine."""
    file = io.BytesIO()
    extra = {"inference.json": json.dumps(inference).encode()}
    save_net_with_metadata(
        torch.jit.script(net.eval()), file, include_config_vals=False, meta_values=metadata, more_extra_files=extra
    )
    path.write_bytes(_without_source_paths(file.getvalue()))


def _without_source_paths(archive: bytes) -> bytes:
    """Leave out the debug records of TorchScript, which hold the paths of the files that defined the network."""
    reader = torch._C.PyTorchFileReader(io.BytesIO(archive))
    file = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(file)
    for name in reader.get_all_records():
        if not name.endswith(".debug_pkl") and name not in ("version", ".data/serialization_id", "byteorder"):
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    return file.getvalue()
