"""Models wherever they are kept: one ensemble of one strategy, or a message that names what there is."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from drawn_members import write_members
from segassay import tracking
from segassay.errors import DataError, UsageError
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.ensemble.mean_net import read_mean_net
from segassay_monai.ensemble.network import read_checkpoint
from segassay_monai.ensemble.registry import register_ensemble
from segassay_monai.prediction.models import find_model
from segassay_monai.study.best import read_best
from small_studies import finish_study, write_scores


@pytest.fixture
def mixed(dataset: Path, models: Path, tmp_path: Path) -> Path:
    """Members of three strategies in one folder, as the members of a study are."""
    folder = tmp_path / "members"
    shutil.copytree(models, folder / "consensus")
    for target, seeds in (("strict", (2, 3)), ("staple_without_strict", (4, 5))):
        write_members(folder / target, dataset, seeds=seeds, trained_on=target)
    return folder


def test_a_folder_a_file_and_several_files_are_the_same_model(models: Path) -> None:
    folder = find_model(models)
    paths = [models / "s15" / "model.pt", models / "s14" / "model.pt"]
    assert folder.checkpoints == find_model(paths).checkpoints == tuple(reversed(paths))
    assert folder.sha256 == find_model(paths).sha256
    assert (folder.name, folder.strategy, folder.trained_on) == ("staple/s14-15", "consensus:staple", "staple")
    assert (folder.dataset, folder.min_object_size) == ("simulation_0", None)
    alone = find_model(models / "s15")
    assert alone.name == find_model(paths[0]).name == "staple/s15"
    assert alone.sha256 != folder.sha256


def test_strategies_are_never_mixed(mixed: Path) -> None:
    names = "staple, staple_without_strict, strict"
    with pytest.raises(UsageError, match=f"members of 3 strategies, which are not averaged: {names}; .* --strategy"):
        find_model(mixed)
    with pytest.raises(UsageError, match="members of 2 strategies"):
        find_model([mixed / "strict" / "s2" / "model.pt", mixed / "consensus" / "s14" / "model.pt"])
    assert find_model(mixed, strategy="strict").name == "strict/s2-3"
    with pytest.raises(UsageError, match=f"--strategy strickt: .* expected one of {names}"):
        find_model(mixed, strategy="strickt")


def test_the_same_target_trained_in_two_ways_is_not_mixed_either(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models, tmp_path / "models")
    path = tmp_path / "models" / "s14" / "model.pt"
    state = torch.load(path, weights_only=True)
    state["member"]["strategy"] = "long"
    torch.save(state, path)
    with pytest.raises(UsageError, match=r"staple \(consensus:staple\), staple \(long\)"):
        find_model(tmp_path / "models")


def test_raters_drawn_for_each_seed_are_one_strategy(dataset: Path, tmp_path: Path) -> None:
    for seed, raters in ((0, "strict+generous"), (1, "average+strict")):
        write_members(tmp_path, dataset, seeds=(seed,), trained_on=f"staple_of_{raters}")
    found = find_model(tmp_path)
    assert (len(found.checkpoints), found.strategy, found.trained_on) == (2, "consensus:staple_of_2", "")


def test_members_of_two_datasets_are_not_mixed(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models, tmp_path / "models")
    settings = Simulation(shape=(30, 44), n_cases=6, images_per_subject=1, n_nuclei=4, seed=5)
    write_members(tmp_path / "models", simulate(tmp_path / "other", settings), seeds=(3,))
    with pytest.raises(UsageError, match="members of 2 datasets are not averaged: simulation_0, simulation_5"):
        find_model(tmp_path / "models")


def test_what_is_no_model_is_named(dataset: Path, models: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        find_model(dataset)
    (tmp_path / "model.pt").write_bytes(b"no model")
    with pytest.raises((DataError, PredictionError), match=r"model\.pt"):
        find_model(tmp_path / "model.pt")
    (tmp_path / "model.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match="is no zip archive, or a damaged one"):
        find_model(tmp_path / "model.zip")


@pytest.fixture
def study(mixed: Path, tmp_path: Path) -> Path:
    """A finished study whose best ensemble is that of the strict rater."""
    members = {"staple": mixed / "consensus"}
    members |= {target: mixed / target for target in ("strict", "staple_without_strict")}
    return finish_study(tmp_path / "study", members, best="strict")


def test_of_a_study_the_best_ensemble_predicts(study: Path, tmp_path: Path) -> None:
    found = find_model(study)
    assert (found.name, found.min_object_size, len(found.checkpoints)) == ("strict/s2-3", 30, 2)
    assert {member.trained_on for member in found.members} == {"strict"}
    write_scores(study, {"staple/s14-15": 0.6, "strict/s2-3": 0.5})
    assert find_model(study).name == "staple/s14-15"
    assert find_model(study / "study.yaml").name == "staple/s14-15"
    run_with = tmp_path / "elsewhere" / "mine.yaml"
    run_with.parent.mkdir()
    run_with.write_text(yaml.safe_dump({"dataset": "gone", "output_dir": str(study)}))
    assert find_model(run_with).name == "staple/s14-15"
    assert find_model(study, strategy="staple_without_strict").name == "staple_without_strict/s4-5"
    with pytest.raises(UsageError, match="members of 3 strategies"):
        find_model(study / "members")


def test_a_study_that_is_not_finished_or_has_no_ensemble_says_so(study: Path) -> None:
    write_scores(study, {})
    with pytest.raises(DataError, match=r"without an ensemble .* --strategy NAME"):
        find_model(study)
    write_scores(study, {"strict/s2-3": 0.7})
    shutil.rmtree(study / "members" / "strict_fold0_seed2")
    shutil.rmtree(study / "members" / "strict_fold0_seed3")
    with pytest.raises(DataError, match="lacks the members of strict/s2-3"):
        read_best(study)
    (study / "evaluation" / "summary.json").unlink()
    with pytest.raises(DataError, match="not finished; run it"):
        find_model(study)


def test_a_registered_model_is_found_by_its_name(
    models: Path, new_store: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))
    expected = find_model(models)
    with tracking.run("lab", "ensemble", tags={}, params={}):
        register_ensemble(list(reversed(expected.checkpoints)), name="lab", tags={})
    for uri in ("models:/lab@best", "models:/lab/1"):
        found = find_model(uri)
        assert (found.name, found.sha256, found.trained_on) == (expected.name, expected.sha256, "staple")
    with pytest.raises(UsageError, match="models:/lab@worst: not found in sqlite"):
        find_model("models:/lab@worst")


def write_bundle(models: Path, folder: Path, n_members: int) -> Path:
    """What is read of an exported bundle."""
    net, settings = read_mean_net(find_model(models).checkpoints[:n_members])
    single = {"_target_": "monai.networks.nets.UNet", "out_channels": 1, "norm": "BATCH"}
    kind = single if n_members == 1 else {"_target_": "scripts.mean_net.MeanNet", "n_members": n_members}
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "metadata.json").write_text(json.dumps({"name": "Neurons", "version": "0.1.0"}))
    (folder / "configs" / "inference.json").write_text(json.dumps({"network_def": kind | settings.state_dict()}))
    torch.save((net.members[0] if n_members == 1 else net).state_dict(), folder / "models" / "model.pt")
    return folder


@pytest.mark.parametrize("n_members", [1, 2])
def test_an_exported_bundle_and_a_zip_of_it_are_the_same_model(models: Path, tmp_path: Path, n_members: int) -> None:
    bundle = write_bundle(models, tmp_path / "neurons", n_members)
    expected = find_model(find_model(models).checkpoints[:n_members])
    zipped = Path(shutil.make_archive(str(tmp_path / "neurons"), "zip", tmp_path, "neurons"))
    for place in (bundle, zipped):
        found = find_model(place)
        assert (found.name, found.sha256, found.members) == ("Neurons 0.1.0", expected.sha256, ())
        for ours, theirs in zip(found.checkpoints, expected.checkpoints, strict=True):
            mine, other = read_checkpoint(ours)["model"], read_checkpoint(theirs)["model"]
            assert all(torch.equal(mine[name], other[name]) for name in other)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("metadata", []),
        ("inference", {"preprocessing": "$open('x', 'w')"}),
        ("inference", {"preprocessing": {"transforms": [7]}}),
        ("inference", {"channels": 3}),
        ("inference", {"channels": [10**8, 10**8]}),
        ("inference", {"in_channels": 2}),
    ],
    ids=str,
)
def test_a_bundle_that_claims_what_it_does_not_hold_is_one_message(
    models: Path, tmp_path: Path, file: str, change: object
) -> None:
    """Also if its network would need more memory than there is."""
    bundle = write_bundle(models, tmp_path / "other", 2)
    path = bundle / "configs" / f"{file}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for name, value in change.items() if isinstance(change, dict) else ():
        (content if name == "preprocessing" else content["network_def"])[name] = value
    path.write_text(json.dumps(content if isinstance(change, dict) else change), encoding="utf-8")
    with pytest.raises(DataError, match="other is not a bundle that SegAssay exported"):
        find_model(bundle)


def test_a_hostile_bundle_runs_no_code_and_writes_nowhere(models: Path, tmp_path: Path) -> None:
    bundle = write_bundle(models, tmp_path / "evil", 2)
    (bundle / "scripts").mkdir()
    (bundle / "scripts" / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        for name in ("configs/metadata.json", "configs/inference.json", "models/model.pt"):
            archive.write(bundle / name, f"../../{name}")
    with pytest.raises(DataError, match=r"evil\.zip is refused: .* leaves the folder of the archive"):
        find_model(tmp_path / "evil.zip")
    assert find_model(bundle).sha256 == find_model(models).sha256
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path.parents[0] / "models" / "model.pt").exists()

    class Code:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
            return open, (str(tmp_path / "ran"), "w")

    torch.save({"members.0.x": Code()}, bundle / "models" / "model.pt")
    with pytest.raises(DataError, match=r"holds weights that cannot be read: .*could run code"):
        find_model(bundle)
    assert not (tmp_path / "ran").exists()
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for place in ("a", "b"):
            archive.write(bundle / "configs" / "metadata.json", f"{place}/configs/metadata.json")
    with pytest.raises(DataError, match=r"holds 2 files configs/metadata\.json"):
        find_model(tmp_path / "two.zip")
