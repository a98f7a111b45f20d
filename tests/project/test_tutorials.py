"""The tutorials run from top to bottom, and show what is kept in them."""

import sys
from pathlib import Path

import pytest

from forked import Forked

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
sys.path.insert(0, str(ROOT / "docs"))

nbformat = pytest.importorskip("nbformat", reason="the tutorials need the extra docs")
pytest.importorskip("nbclient", reason="the tutorials need the extra docs")
pytest.importorskip("ipykernel", reason="the tutorials need the extra docs")

import notebooks  # noqa: E402


def shown(notebook: "nbformat.NotebookNode") -> list[list[tuple[str, ...]]]:
    """Kinds of what each cell of code shows."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [[tuple(sorted(output.get("data", {"text": ""}))) for output in cell.outputs] for cell in cells]


SMALLER = """
%matplotlib inline
import functools
import matplotlib.pyplot
import segassay
from segassay.simulation.dataset import Simulation, simulate
matplotlib.pyplot.close("all")  # those of the process whose copy this is
segassay.simulate = functools.partial(simulate, settings=Simulation(shape=(96, 96), n_cases=8))
"""


def smaller(path: Path, copy: Path) -> Path:
    """The same notebook on fewer and smaller images, with figures as in a fresh process, of which a kernel is none."""
    notebook = nbformat.read(path, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source = SMALLER + first.source
    nbformat.write(notebook, copy)
    return copy


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs_and_shows_what_is_kept(path, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("jupyter_client.launcher.Popen", Forked)
    kept = nbformat.read(path, as_version=4)
    run = notebooks.run(smaller(path, tmp_path / path.name))
    assert shown(run) == shown(kept)
    assert sum(map(len, shown(kept))) >= 4
    assert path.stat().st_size < 300_000


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_uses_public_names_alone(path):
    import segassay

    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert "from segassay" not in cell.source
            for word in cell.source.replace("(", " ").split():
                if word.startswith("segassay."):
                    assert word.split(".")[1] in segassay.__all__, word


def test_a_tutorial_that_fails_is_found(tmp_path):
    cell = nbformat.v4.new_code_cell("import segassay\nsegassay.nothing")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "broken.ipynb")
    with pytest.raises(Exception, match="nothing"):
        notebooks.run(tmp_path / "broken.ipynb")
