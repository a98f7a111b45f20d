"""A member that is trained again elsewhere: which masks count as the same."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from segassay.io.images import write_labels
from segassay_monai.ensemble.network import NetworkSettings
from segassay_monai.sharing import retrain
from shared_members import members

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")

BOTH = np.zeros((4, 8), dtype=np.int32)
BOTH[1:3, 1:4], BOTH[1:3, 4:7] = 1, 2
"""Two objects beside each other, or one of each of two classes."""


def compared(tmp_path: Path, then: np.ndarray, now: np.ndarray, objects: str = "separate") -> str:
    """What is said of a member whose masks of the held-out cases are `then`, and after another training `now`."""

    def write(held_out: Path, labels: np.ndarray) -> None:
        held_out.mkdir(parents=True)
        write_labels(held_out / "a.tif", labels)
        (held_out / "annotations.csv").write_text("case,path\na,a.tif\n", encoding="utf-8")

    def train(study: Any, planned: Any, place: Path) -> None:
        [path] = members(place / "of", NetworkSettings(2, 1, [4, 8], [[2, 2]], (), objects), n=1)
        path.rename(place / "model.pt")
        write(place / "held_out", now)

    write(tmp_path / "members" / "m" / "held_out", then)
    study: Any = SimpleNamespace(members=[SimpleNamespace(id="m")], out=tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrain, "train", train)
        member = {"id": "m", "folder": "m", "weights": "0" * 64}
        agrees, text = retrain.retrain_member(study, member, ["torch 1.0 there"])
    return f"{agrees}: {text}"


def test_objects_that_touch_are_compared_as_objects(tmp_path: Path) -> None:
    same = compared(tmp_path / "same", BOTH, 3 * BOTH, "touching")
    assert same == (
        "True: its weights differ; its masks of the held-out cases agree with a Dice of 1.000 and its objects of the "
        "held-out cases agree with a Dice of 1.000 (tolerance: 0.9 and 0.8, because versions or computer differ)"
    )
    joined = compared(tmp_path / "joined", BOTH, (BOTH > 0).astype(np.int32), "touching")
    assert joined.startswith("False: ")
    assert "its masks of the held-out cases agree with a Dice of 1.000 and its objects" in joined
    assert "its objects of the held-out cases agree with a Dice of 0.000 " in joined


def test_classes_are_compared_as_classes(tmp_path: Path) -> None:
    """Half of the foreground has another class."""
    found = compared(tmp_path, BOTH, (BOTH > 0).astype(np.int32))
    assert found.startswith("False: its weights differ; its masks of the held-out cases agree with a Dice of 0.500 ")
    one = (BOTH > 0).astype(np.int32)
    assert "with a Dice of 0.000 " in compared(tmp_path / "other", one, 2 * one), "one class alone, and another alone"


def test_a_foreground_that_is_lost_is_no_agreement(tmp_path: Path) -> None:
    assert compared(tmp_path, BOTH, np.zeros_like(BOTH), "touching").startswith("False: ")
    assert compared(tmp_path / "empty", np.zeros_like(BOTH), np.zeros_like(BOTH), "touching").startswith("True: ")
