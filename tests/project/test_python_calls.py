"""Functions called from Python: messages name their arguments beside the options, and nothing is shown unasked."""

import ast
from pathlib import Path

import numpy as np
import pytest

from segassay.consensus.write import write_consensus
from segassay.data.published.download import download
from segassay.errors import UsageError
from segassay.io.images import write_mask
from segassay.simulation.dataset import simulate
from segassay.simulation.settings import Simulation

ROOT = Path(__file__).parents[2] / "evaluation" / "segassay"
FOLDERS = ("assay", "consensus", "planning", "simulation", "data")
OTHER_PROGRAMS = ("--save_tif", "segassay download")
"""Texts that tell a command line to type, not an option of the call."""
WORDS_OF_A_COMMAND = ("--annotations", "--masks")
"""Words of the command line that the summary of an evaluation holds."""


def unexplained(tree: ast.AST) -> list[str]:
    """Texts that name an option outside the brackets behind its argument: `out (--out)` names both."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]
    return [
        text
        for text in texts
        if not any(other in text for other in OTHER_PROGRAMS)
        and text not in WORDS_OF_A_COMMAND
        and any(text[:match].endswith("(") is False for match in _options(text))
    ]


def _options(text: str) -> list[int]:
    return [at for at in range(len(text) - 2) if text[at : at + 2] == "--" and text[at + 2].isalpha()]


def test_no_message_names_an_option_alone() -> None:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            assert not unexplained(ast.parse(path.read_text(encoding="utf-8"))), path


@pytest.mark.parametrize(
    ("code", "n_found"),
    [("x = 'give another --out'", 1), ("x = f'--out {y}'", 1), ("x = 'give another out (--out)'", 0), ("'--out'", 0)],
)
def test_an_option_alone_is_found(code: str, n_found: int) -> None:
    assert len(unexplained(ast.parse(code))) == n_found


def test_an_existing_folder_is_refused_in_words_of_python(tmp_path: Path) -> None:
    both = r"give another out \(--out\), or overwrite \(--overwrite\) to replace it"
    with pytest.raises(UsageError, match=both):
        simulate(tmp_path, Simulation(n_cases=1, shape=(32, 32), n_nuclei=1))
    with pytest.raises(UsageError, match=both):
        write_consensus(tmp_path, tmp_path)
    with pytest.raises(UsageError, match=r"^mirror \(--mirror\)"):
        download(tmp_path / "labs", mirror=tmp_path / "nowhere")


def test_a_call_from_python_shows_progress_only_if_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[2:5, 2:5] = True
    for folder in ("images", "labels/anna", "labels/ben"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        write_mask(tmp_path / "data" / folder / "1.png", mask)
    write_consensus(tmp_path / "data", tmp_path / "quiet")
    assert capsys.readouterr().err == ""
    write_consensus(tmp_path / "data", tmp_path / "shown", progress=True)
    assert "fused masks of 1 of 1 images" in capsys.readouterr().err
