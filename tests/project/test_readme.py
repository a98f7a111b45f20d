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
from segassay_monai.ensemble.network import NetworkSettings
from segassay_monai.sharing.zoo.configs import inference_config

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "bundle/docs/README.md",
    ROOT / "mlflow/README.md",
]


def code_lines(page: Path) -> list[str]:
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]


def configuration(file: Path) -> dict[str, object]:
    """What a configuration holds: one of ours, or the one of an exported bundle, which is JSON."""
    if file.suffix == ".json":
        assert file.name == "inference.json"
        return inference_config(NetworkSettings(2, 1, [4, 8], [[2, 2]]), n_members=2)
    found: dict[str, object] = yaml.safe_load(config_path(file.name).read_text("utf-8"))
    return found


def recipe(target: str) -> list[str]:
    """Commands of a target of the Makefile, as one would type them."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{target}:"))
    commands = []
    for line in lines[start + 1 :]:
        if not line.startswith("\t"):
            break
        commands.append(
            re.sub(r" --overwrite( True)?| -W ignore", "", re.sub(r"\$\(RUN\)|\$\(COVER\) ", "", line.strip()))
        )
    return commands


def test_exactly_two_commands_set_everything_up():
    first_block = code_lines(ROOT / "README.md")
    assert [line for line in first_block if line.startswith("make ")] == ["make demo", "make test"]


def test_the_plain_lines_are_what_make_runs():
    """`.ci/run` runs `make demo` and `make test`, and so every line here."""
    lines = code_lines(ROOT / "README.md")
    for command in recipe("demo") + recipe("test"):
        assert command in lines


def test_the_gate_runs_both():
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert gate.split().count("make") >= 2
    assert "make demo" in gate
    assert "make test" in gate


def test_the_gate_checks_style_types_and_coverage_and_formats_nothing():
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make lint" in gate
    assert re.search(r"-m slipcover .*--fail-under [89]\d", gate)
    assert recipe("lint") == ["ruff format --check .", "ruff check .", "mypy"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_in_a_bundle_command_exists(page: Path):
    for line in code_lines(page):
        words = shlex.split(line)
        if words[:4] == ["python", "-m", "monai.bundle", "run"]:
            names = [word[2:] for word in words if word.startswith("--")]
            given = yaml.safe_load(words[words.index("--config_file") + 1])
            known: dict[str, object] = {}
            for file in given if isinstance(given, list) else [given]:
                known |= configuration(Path(file))
            assert ("run" if words[4].startswith("--") else words[4]) in known
            assert set(names) - {"config_file"} <= set(known)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    simulate(Path("mydata"), Simulation(n_cases=2, shape=(64, 64), n_nuclei=4))
    names: dict[str, object] = {}
    exec(block, names)
    found = names["found"]
    assert isinstance(found, Evaluation)
    assert set(found.verdicts) == {"raters", "objectivity", "reliability", "validity"}  # the page has raters alone
    plt.close("all")
