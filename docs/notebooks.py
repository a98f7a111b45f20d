"""Run the tutorials: each notebook from top to bottom, with what it shows kept in it.

Run it after a tutorial or what it shows has changed: `python docs/notebooks.py`.
"""

from pathlib import Path

import nbclient
import nbformat

TUTORIALS = Path(__file__).resolve().parent / "tutorials"


def run(path: Path) -> nbformat.NotebookNode:
    """A notebook with the outputs of its cells: results, figures and what is printed, no progress, warnings or times.

    Raises:
        CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    notebook.metadata = {"language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if is_shown(output)]
    return notebook


def is_shown(output: nbformat.NotebookNode) -> bool:
    """Whether an output is kept; progress comes as display without a picture."""
    if output.output_type == "display_data":
        return "image/png" in output.data
    return output.get("name") != "stderr"


def main() -> None:
    """Run every tutorial and write it back."""
    for path in sorted(TUTORIALS.glob("*.ipynb")):
        nbformat.write(run(path), path)


if __name__ == "__main__":
    main()
