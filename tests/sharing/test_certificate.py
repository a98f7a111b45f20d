"""The certificate of a study or bundle: the same bytes each time, everything that a number rests on, and no name."""

import json
import os
import re
from pathlib import Path

import pytest
import torch

from segassay.errors import DataError
from segassay_monai.sharing.certificate import (
    CERTIFICATE,
    export_certificate,
    files_of,
    seal,
    study_certificate,
    write_certificate,
)
from segassay_monai.study.plan import Study, plan_study


def test_it_holds_what_the_numbers_rest_on(finished: Study) -> None:
    content = study_certificate(finished)
    assert content["of"] == "study"
    assert content["data"]["n_images"] == 6
    assert re.fullmatch(r"[0-9a-f]{64}", content["data"]["sha256"])
    assert [member["seed"] for member in content["members"]] == [0, 1]
    assert len({member["weights"] for member in content["members"]}) == 2
    assert content["configuration"]["strategies"][0]["settings"]["channels"] == [4, 8]
    assert content["determinism"]["cudnn_deterministic"] is True
    assert (
        content["environment"]["packages"]["torch"] == torch.__version__.partition("+")[0] or "+" in torch.__version__
    )
    summary = json.loads((finished.out / "evaluation" / "summary.json").read_text())
    for quality, part in content["assay"]["held_out"]["qualities"].items():
        assert part == {name: summary[quality][name] for name in ("verdict", "numbers")}
    assert content["seal"] == seal(content)


def test_the_same_study_gives_the_same_bytes_in_every_place(finished: Study, copied: Study) -> None:
    one, other = (write_certificate(study.out, study_certificate(study)) for study in (finished, copied))
    assert one.read_bytes() == other.read_bytes()
    again = study_certificate(plan_study(finished.path))
    assert json.loads(one.read_text()) == json.loads(json.dumps(again))
    text = one.read_text()
    assert str(finished.out) not in text
    assert os.path.expanduser("~") not in text.replace('"/', "")


def test_a_study_that_is_not_finished_has_none(copied: Study) -> None:
    (copied.out / "evaluation" / "summary.json").write_text("{")
    with pytest.raises(DataError, match=r"summary\.json cannot be read"):
        study_certificate(copied)
    copied.checkpoint(copied.members[0]).unlink()
    with pytest.raises(ValueError, match=r"model\.pt: missing"):
        study_certificate(copied)


def test_the_certificate_of_a_bundle_names_nobody(finished: Study, tmp_path: Path) -> None:
    bundle = tmp_path / "net"
    (bundle / "scripts" / "__pycache__").mkdir(parents=True)
    (bundle / "scripts" / "net.py").write_text("x = 1\n")
    (bundle / "scripts" / "__pycache__" / "net.pyc").write_bytes(b"x")
    paths = [finished.checkpoint(planned) for planned in finished.members]
    content = export_certificate(
        "bundle", files_of(bundle), paths, evaluation=finished.out / "evaluation", annotator="staple/s0-1"
    )
    path = write_certificate(bundle, content)
    assert list(files_of(bundle)) == list(content["files"]) == ["scripts/net.py"], "without itself"
    numbers = [number for part in content["assay"]["held_out"]["qualities"].values() for number in part["numbers"]]
    assert numbers
    assert {number["target"] for number in numbers} == {"this model"}
    text = path.read_text().casefold()
    dataset = finished.dataset
    subjects = set(dataset.experiment["subject"]) if dataset.experiment is not None else set()
    for name in (*dataset.cases, *dataset.raters, *subjects, str(tmp_path), str(finished.path.parent)):
        assert not re.search(rf"(?<![\w.]){re.escape(str(name).casefold())}(?![\w.])", text), name
    assert path.name == CERTIFICATE
