"""Verification: a study agrees with its certificate, and whatever was tampered with is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import segassay
from segassay.errors import UsageError
from segassay.io.images import read_mask, write_mask
from segassay_monai.cli import verify as command
from segassay_monai.sharing import verify as module
from segassay_monai.sharing.certificate import (
    CERTIFICATE,
    export_certificate,
    files_of,
    seal,
    study_certificate,
    write_certificate,
)
from segassay_monai.sharing.verify import verify
from segassay_monai.study import identity
from segassay_monai.study.plan import Study

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")


def certified(study: Study) -> Path:
    return write_certificate(study.out, study_certificate(study))


def differing(path: Path, *, numbers: bool = True, **options: Any) -> set[str]:
    """Claims that do not hold; numbers are computed again if asked for, which takes seconds."""
    identity.known_hash.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        if not numbers:
            patch.setattr(module, "_of_numbers", lambda *_: iter(()))
        return {found.claim for found in verify(path, **options) if found.agrees is False}


@pytest.fixture(scope="module")
def evaluate_once() -> Callable[..., Any]:
    """`evaluate`, for copies of one study whose masks nobody changes: its numbers are computed once."""
    found: list[Any] = []

    def evaluate(*words: Any, **options: Any) -> Any:
        if not found:
            found.append(segassay.evaluate(*words, **options))
        return found[0]

    return evaluate


def forge(path: Path, change: Callable[[dict[str, Any]], None], *, sealed: bool) -> None:
    """Change a certificate, and its seal if the forger knows how."""
    content = json.loads(path.read_text())
    change(content)
    if sealed:
        content["seal"] = seal(content)
    path.write_text(json.dumps(content))


def raise_a_number(content: dict[str, Any]) -> None:
    numbers = content["assay"]["held_out"]["qualities"]["validity"]["numbers"]
    next(number for number in numbers if number["value"] not in (None, 0.0))["value"] *= 1.001


def raise_a_verdict(content: dict[str, Any]) -> None:
    content["assay"]["held_out"]["qualities"]["validity"]["verdict"] = "supported"


def hide_a_member(content: dict[str, Any]) -> None:
    content["members"].pop()


def hide_a_number(content: dict[str, Any]) -> None:
    content["assay"]["held_out"]["qualities"]["validity"]["numbers"].pop()


def lengthen_the_training(content: dict[str, Any]) -> None:
    content["configuration"]["strategies"][0]["settings"]["epochs"] = 40


def test_a_study_agrees_with_its_certificate_and_a_member_trained_again_bit_by_bit(copied: Study) -> None:
    path = certified(copied)
    found = {finding.claim: finding for finding in verify(path, retrain=1)}
    assert {claim for claim, finding in found.items() if finding.agrees is False} == set()
    for claim in (
        "certificate",
        "rules",
        "data",
        "configuration",
        "members",
        "weights",
        "masks",
        "verdicts",
        "numbers",
    ):
        assert found[claim].agrees, claim
    assert found["training of staple_fold0_seed0"].agrees
    assert found["training of staple_fold0_seed0"].detail == "its weights agree bit by bit"
    assert "bit by bit" in found["numbers"].detail
    assert found["environment"].agrees is None


@pytest.mark.parametrize(
    ("change", "claims"),
    [
        (raise_a_number, {"numbers"}),
        (raise_a_verdict, {"verdicts"}),
        (hide_a_member, {"members"}),
        (hide_a_number, {"numbers"}),
        (lengthen_the_training, {"configuration"}),
    ],
)
def test_a_forged_certificate_is_found_out_even_with_a_new_seal(
    copied: Study,
    change: Callable[[dict[str, Any]], None],
    claims: set[str],
    evaluate_once: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "evaluate", evaluate_once)
    path = certified(copied)
    forge(path, change, sealed=False)
    first = next(iter(verify(path)))
    assert (first.claim, first.agrees) == ("certificate", False)
    forge(path, lambda content: None, sealed=True)
    assert differing(path, numbers=bool(claims & {"numbers", "verdicts"})) == claims


def change_weights(study: Study) -> None:
    path = study.checkpoint(study.members[1])
    content = torch.load(path, weights_only=True)
    next(iter(content["model"].values())).view(-1)[0] += 1e-6
    torch.save(content, path)


def damage_weights(study: Study) -> None:
    path = study.checkpoint(study.members[1])
    path.write_bytes(path.read_bytes()[:-100])


def change_mask_of_rater(study: Study) -> None:
    path = next(iter(study.dataset.masks["generous"].values()))
    mask = read_mask(path) > 0
    mask[0, 0] = ~mask[0, 0]
    write_mask(path, mask)


def change_prediction(study: Study) -> None:
    path = next(iter((study.out / "members").glob("*seed0*"))) / "held_out" / "masks"
    file = sorted(path.iterdir())[0]
    mask = read_mask(file) > 0
    write_mask(file, np.logical_not(mask))


def remove_prediction(study: Study) -> None:
    shutil.rmtree(next(iter((study.out / "predictions").iterdir())) / "masks")


@pytest.mark.parametrize(
    ("tamper", "claims"),
    [
        (change_weights, {"weights"}),
        (damage_weights, {"weights"}),
        (change_prediction, {"masks", "numbers"}),
        (remove_prediction, {"masks"}),
        (change_mask_of_rater, {"data"}),
    ],
)
def test_tampered_files_are_named(copied: Study, tamper: Callable[[Study], None], claims: set[str]) -> None:
    path = certified(copied)
    tamper(copied)
    assert differing(path, numbers="numbers" in claims) >= claims


def test_another_training_of_a_member_is_found_out(copied: Study) -> None:
    """Weights, certificate and masks of the other seed: all hashes agree, the training does not."""
    first, second = (copied.place(planned) for planned in copied.members)
    content = torch.load(second / "model.pt", weights_only=True)
    own = torch.load(first / "model.pt", weights_only=True)
    torch.save(content | {"member": own["member"]}, first / "model.pt")
    path = certified(copied)
    assert differing(path, numbers=False, retrain=1) == {"training of staple_fold0_seed0"}


def test_in_another_environment_masks_are_compared_within_a_tolerance(
    copied: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certified(copied)

    def elsewhere(content: dict[str, Any]) -> None:
        content["environment"]["packages"]["torch"] = "1.0"
        content["members"][0]["weights"] = "0" * 64

    forge(path, elsewhere, sealed=True)
    monkeypatch.setattr(module, "_of_numbers", lambda *_: iter(()))
    found = {finding.claim: finding for finding in verify(path, retrain=1)}
    assert "torch 1.0 there" in found["environment"].detail
    training = found["training of staple_fold0_seed0"]
    assert training.agrees
    assert "agree with a Dice of 1.000 (tolerance: 0.9, because versions or computer differ)" in training.detail


def test_the_command_says_what_differs_and_ends_with_1(copied: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_of_numbers", lambda *_: iter(()))
    path = certified(copied)
    assert "all that was checked agrees" in CliRunner().invoke(command.app, [str(path.parent)]).output
    change_weights(copied)
    result = CliRunner().invoke(command.app, [str(path)])
    assert result.exit_code == 1
    assert "DIFFERS  weights: changed: staple_fold0_seed1" in result.output
    assert "note     training: not checked: --retrain 1" in result.output


def test_what_is_no_certificate_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"certificate\.json cannot be read"):
        list(verify(tmp_path))
    for text in ("", "{}", "[]", '{"certificate": 1}'):
        (tmp_path / CERTIFICATE).write_text(text)
        with pytest.raises(UsageError, match="is not a certificate of SegAssay"):
            list(verify(tmp_path))
    (tmp_path / CERTIFICATE).write_text('{"certificate": 99, "of": "study"}')
    with pytest.raises(UsageError, match="of another version"):
        list(verify(tmp_path))


def test_a_moved_study_needs_its_file(copied: Study) -> None:
    path = certified(copied)
    moved = copied.path.rename(copied.path.with_name("moved.yaml"))
    with pytest.raises(UsageError, match=r"lab\.yaml is not there; give its file as --study"):
        list(verify(path))
    assert moved.is_file()


def test_a_bundle_whose_files_changed_is_found_out(finished: Study, tmp_path: Path) -> None:
    bundle = tmp_path / "net"
    (bundle / "scripts").mkdir(parents=True)
    (bundle / "scripts" / "net.py").write_text("x = 1\n")
    paths = [finished.checkpoint(planned) for planned in finished.members]
    path = write_certificate(bundle, export_certificate("bundle", files_of(bundle), paths))
    assert differing(path) == {"weights"}, "this bundle holds none"
    (bundle / ".cache" / "huggingface").mkdir(parents=True)
    (bundle / ".cache" / "huggingface" / "net.lock").touch()  # as a download leaves it
    assert "cached code" not in {finding.claim for finding in verify(path)}
    (bundle / "scripts" / "__pycache__").mkdir()
    cached = next(finding for finding in verify(path) if finding.claim == "cached code")
    assert "remove scripts/__pycache__, which Python may run" in cached.detail
    (bundle / "scripts" / "net.py").write_text("import os\n")
    (bundle / "scripts" / "more.py").write_text("")
    found = {finding.claim: finding for finding in verify(path, study=finished.path)}
    assert found["files"].detail == "changed: scripts/net.py; new: scripts/more.py"
    assert found["data"].agrees
    assert found["members"].agrees
