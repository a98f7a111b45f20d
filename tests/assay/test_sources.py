"""What an evaluation reads: no result replaces it or lies among it."""

import shutil
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest

from command import run, without_pictures
from folders import contents
from segassay.assay import evaluate
from segassay.errors import DataError, UsageError
from segassay.simulation.dataset import RaterHabit, Simulation, simulate

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture
def areas(tmp_path: Path) -> Path:
    """Two images by two raters, with ignored areas, regions and a reference."""
    raters = (RaterHabit("rater_0"), RaterHabit("rater_1", brightness_threshold=1.5))
    settings = Simulation(shape=(48, 48), n_cases=2, images_per_subject=1, n_nuclei=5, raters=raters)
    dataset = simulate(tmp_path / "data", settings)
    for name in ("no_use", "regions", "gt"):
        shutil.copytree(dataset / "labels" / "rater_0", dataset / name)
    with (dataset / "dataset.yaml").open("a") as file:
        file.write("ignore: no_use\nregion_masks: regions\nreference: gt\n")
    return dataset


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (".", "contains files that are evaluated"),
        *((name, "contains files that are evaluated") for name in ("data", "data/images", "data/labels", "tool")),
        *(
            (f"data/{name}", "contains files that are evaluated")
            for name in ("no_use", "regions", "gt", "labels/rater_0")
        ),
        *((f"{name}/new", f"{name}, which holds files") for name in ("data/images", "data/labels", "data/gt", "tool")),
    ],
)
def test_overwriting_never_removes_what_is_evaluated(areas, tmp_path, monkeypatch, capsys, out, message):
    shutil.copytree(areas / "labels" / "rater_1", tmp_path / "tool")
    before = contents(tmp_path)
    words = [areas, "--masks", f"tool={tmp_path / 'tool'}", "--overwrite"]
    assert run(monkeypatch, "evaluate", *words, "--out", tmp_path / out, "--no-mlflow") == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    assert len(error.splitlines()) <= 3
    assert message in error
    assert "; give another folder" in error
    assert "Traceback" not in error
    assert contents(tmp_path) == before


def test_results_may_lie_beside_images_and_masks(areas, monkeypatch):
    without_pictures(monkeypatch)
    before = contents(areas)
    for _ in range(2):
        assert (
            run(monkeypatch, "evaluate", areas, "--out", areas / "results", "--no-mlflow", "--overwrite", "--jobs", 1)
            == 0
        )
    assert before.items() <= contents(areas).items()
    found = evaluate(areas)
    with pytest.raises(UsageError, match="contains files that are evaluated"):
        found.save(areas / "images", overwrite=True)
    assert before.items() <= contents(areas).items()


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_of_further_annotators_match_whether_their_letters_are_composed(
    areas: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    (areas / "labels" / "rater_1").rename(areas / "labels" / "Jörg")
    name, masks = normalize(form, "Jörg"), areas / "labels" / "rater_0"
    with pytest.raises(DataError, match="'Jörg' is already an annotator"):
        evaluate(areas, masks={name: masks})
    words = [f"--masks={normalize(one, 'ö')}={masks}" for one in ("NFC", "NFD")]
    assert run(monkeypatch, "evaluate", areas, *words, "--out", areas / "results", "--no-mlflow") == 2
    assert "'ö' is given twice" in capsys.readouterr().err
    mask = np.eye(4, dtype=bool)
    found = evaluate(masks={name: {"1": mask}, "ben": {"1": mask}}, reference=normalize("NFC", name))
    assert found.kinds["Jörg"] == "consensus"
