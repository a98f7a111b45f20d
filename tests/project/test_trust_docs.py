"""The page on trust tells the truth: its commands run, and its limits are those of the code."""

import re
import shlex
from pathlib import Path

import pytest

from command import run
from segassay.io.archives import MAX_RATIO, MAX_TOTAL_BYTES
from segassay.io.yaml_files import MAX_BYTES, MAX_VALUES
from segassay_monai.sharing import verify
from segassay_monai.sharing.certificate import study_certificate, write_certificate
from segassay_monai.sharing.retrain import SAME_MASKS

pytestmark = pytest.mark.usefixtures("unrendered", "unlogged_models")

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "trust.md").read_text(encoding="utf-8")


def test_limits_of_the_page_are_those_of_the_code():
    assert f"above {MAX_BYTES >> 10} KiB, or with more than {MAX_VALUES:,} values" in PAGE
    assert f"more than {MAX_RATIO} times as large, or {MAX_TOTAL_BYTES >> 30} GiB" in PAGE
    assert f"a Dice of {SAME_MASKS:g}" in PAGE
    assert f"relative difference of {verify._CLOSE:.0e}".replace("e-09", "e-9") in PAGE


def test_every_command_of_the_page_runs(copied, monkeypatch):
    monkeypatch.setattr(verify, "_of_numbers", lambda *_: iter(()))
    write_certificate(copied.out, study_certificate(copied))
    monkeypatch.chdir(copied.out.parent)
    copied.out.rename("RESULTS")
    (block,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert len(lines) == 2
    assert all(words[:2] == ["segassay", "verify"] for words in lines)
    for words in lines:
        assert run(monkeypatch, *words[1:]) == 0
