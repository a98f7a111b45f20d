"""The front door tells the truth: its commands are what `make` runs; every file and setting it names exists."""

import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import yaml

from segassay import Evaluation
from segassay.simulation.dataset import simulate
from segassay.simulation.settings import Simulation
from segassay_monai.bundle.paths import config_path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "bundle/docs/README.md",
    ROOT / "mlflow/README.md",
]


def code_lines(page: Path) -> list[str]:
    monkeypatch.chdir(tmp_path)
    simulate(Path("mydata"), Simulation(n_cases=2, shape=(64, 64), n_nuclei=4))
    names: dict[str, object] = {}
    exec(block, names)
    found = names["found"]
    assert isinstance(found, Evaluation)
    assert set(found.verdicts) == {"objectivity", "reliability", "validity"}
    plt.close("all")
