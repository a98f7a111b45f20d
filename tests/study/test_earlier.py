"""Members of an earlier version (`tests/before`): found where all that was written agrees, and kept on demand."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from command import run
from segassay_monai.study import identity
from segassay_monai.study.earlier import describe_earlier, find_earlier, keep_earlier
from segassay_monai.study.masks import list_masks
from segassay_monai.study.plan import Study, plan_study

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")

MADE = Path(__file__).parents[1] / "before" / "made"
IDS = ["staple_fold0_seed0", "staple_fold0_seed1"]


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A study of an earlier version."""
    return Path(shutil.copytree(MADE, tmp_path / "made"))


def plan(lab: Path, **content: object) -> Study:
    path = lab / "study.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | content))
    identity.known_hash.cache_clear()
    return plan_study(path)


def test_old_members_are_found_and_named_once(lab):
    study = plan(lab)
    assert not any(map(study.is_done, study.members))
    found = find_earlier(study)
    assert {name: folder.name.partition("-")[0] for name, folder in found.items()} == {name: name for name in IDS}
    words = describe_earlier(study, found)
    assert "2 members" in words
    assert f"segassay study run {study.path} --keep-old" in words


def test_kept_members_are_done_and_their_masks_are_taken(lab):
    study = plan(lab)
    old = sorted(folder.name for folder in find_earlier(study).values())
    assert keep_earlier(study) == IDS
    assert all(map(study.is_done, study.members))
    masks = list_masks(study)
    of_members = masks[masks["kind"] == "model"]
    assert len(of_members) == 4
    assert all((study.out / path).is_file() for path in of_members["path"])
    kept = json.loads((study.out / "state.json").read_text())["kept"]
    assert kept == {planned.folder: name for planned, name in zip(study.members, old, strict=True)}
    assert find_earlier(study) == {}
    assert keep_earlier(study) == []
    assert (
        describe_earlier(study, {}) == "2 members were trained by an earlier version and kept; state.json lists them."
    )


@pytest.mark.parametrize(
    "content",
    [
        {"settings": {"epochs": 2}},
        {"n_folds": 5},
        {"strategies": ["majority"]},
        {"folds": [1]},
    ],
    ids=str,
)
def test_members_of_other_settings_are_not_found(lab, content):
    assert find_earlier(plan(lab, **content)) == {}


def test_members_of_another_image_or_mask_are_not_found(lab):
    shutil.copy(lab / "data" / "labels" / "ben" / "c0.png", lab / "data" / "labels" / "anna" / "c0.png")
    assert find_earlier(plan(lab)) == {}


def test_a_checkpoint_of_another_seed_is_not_found(lab):
    one, other = sorted((lab / "study" / "members").iterdir())
    shutil.copy(other / "model.pt", one / "model.pt")
    assert list(find_earlier(plan(lab))) == IDS[1:]


@pytest.mark.parametrize("name", ["config.yaml", "model.pt"])
def test_a_folder_that_cannot_be_read_is_not_found(lab, name):
    one, _ = sorted((lab / "study" / "members").iterdir())
    (one / name).write_bytes(b"\xff")
    assert list(find_earlier(plan(lab))) == IDS[1:]


def test_a_strategy_with_another_name_finds_them_too(lab):
    study = plan(lab, strategies=[{"target": "staple", "name": "the consensus"}])
    assert keep_earlier(study) == ["the_consensus_fold0_seed0", "the_consensus_fold0_seed1"]
    assert all(map(study.is_done, plan(lab, strategies=["staple"]).members))


def test_the_command_line_tells_of_them_and_keeps_them(lab, monkeypatch, capsys):
    assert run(monkeypatch, "study", "status", lab / "study.yaml") == 0
    assert "2 members in" in capsys.readouterr().out
    assert run(monkeypatch, "study", "run", lab / "study.yaml", "--keep-old", "--member", "1") == 0
    assert "2 members were trained by an earlier version and kept" in capsys.readouterr().out
    study = plan(lab)
    assert all(map(study.is_done, study.members))
