"""The commands of the page on bioimage.io and ONNX run as they stand there."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from segassay import cli
from segassay_monai.sharing.bioimageio.description import Files
from shared_members import FLAT, members

PAGE = Path(__file__).resolve().parents[2] / "docs" / "share-bioimageio.md"


def run(monkeypatch, *words):
    """Exit code of `segassay …`, called as the shell does."""
    monkeypatch.setattr(sys, "argv", list(words))
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_every_command_of_the_page_runs(tmp_path, monkeypatch, capsys):
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install segassay[onnx]")
    monkeypatch.chdir(tmp_path)
    members(Path("STUDY"), FLAT)
    Path("about.yaml").write_text(yaml.safe_dump({"authors": ["Ada Example"], "title": "Nuclei of mice"}))
    image = np.random.default_rng(1).integers(0, 4000, (2, 48, 64)).astype(np.uint16)
    tifffile.imwrite("image.tif", image, photometric="minisblack", metadata={"axes": "CYX"})
    lines = re.findall(r"^segassay .*", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(lines) == 4
    for line in lines:
        assert run(monkeypatch, *shlex.split(line)) == 0, line
    printed = capsys.readouterr().out
    assert re.search(r"largest difference of a probability \d\.\de-0[6-9], 0 of the mask", printed)
    described = yaml.safe_load(Path("cfos-nuclei/rdf.yaml").read_text(encoding="utf-8"))
    assert (described["name"], described["authors"]) == ("Nuclei of mice", [{"name": "Ada Example"}])
    np.testing.assert_array_equal(np.load("cfos-nuclei/test_input.npy")[0], image)
    tiles = yaml.safe_load(Path("cfos-nuclei-tiles/rdf.yaml").read_text(encoding="utf-8"))
    assert all("halo" in axis for axis in tiles["outputs"][0]["axes"][2:])


def test_files_that_the_page_lists_are_those_of_a_package():
    table = "|---" + PAGE.read_text(encoding="utf-8").partition("| file |")[2].partition("|---")[2].partition("\n\n")[0]
    listed = [name for line in table.splitlines() for name in re.findall(r"`([\w.]+)`", line.split("|")[1])]
    assert sorted(listed) == sorted([*vars(Files()).values(), "rdf.yaml"])
