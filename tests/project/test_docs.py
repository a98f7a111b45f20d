"""The guides tell the truth: their commands are run in order, their output and numbers are what comes."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from command import without_pictures
from segassay import cli
from segassay.checks.check import check_dataset
from segassay.consensus import write
from segassay.data.dataset import read_dataset
from segassay.data.settings import DatasetFile, read_dataset_file
from segassay.simulation.dataset import Simulation, simulate
from segassay.simulation.settings_file import read_simulation

ROOT = Path(__file__).resolve().parents[2]
TEXT, CONSENSUS, SIMULATE = (
    (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in ("data", "consensus", "simulate")
)


def blocks(*languages: str, text: str = TEXT) -> list[tuple[str, str]]:
    """Language and content of the fenced blocks in these languages, "" for none, in their order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(language, content) for language, content in found if language in languages]


def commands(console: str) -> list[tuple[list[str], list[str]]]:
    """Words of each command of a console block, and the lines that it shows of their output."""
    parts = [part.splitlines() for part in re.split(r"^\$ ", console, flags=re.MULTILINE) if part]
    return [(shlex.split(lines[0]), [line.rstrip() for line in lines[1:]]) for lines in parts]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Exit code of `segassay …`, called as the shell does."""
    monkeypatch.setenv("SEGASSAY_DEBUG", "")
    monkeypatch.setattr(sys, "argv", list(words))
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.mark.skipif(shutil.which("bash") is None, reason="the page's shell commands need bash")
def test_every_command_runs_and_prints_what_the_page_shows(
    folder: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`download` takes the real data that is here as its mirror."""
    n_run = 0
    for language, content in blocks("console", "bash"):
        if language == "bash":
            subprocess.run(["bash", "-e"], input=content, text=True, check=True, cwd=folder, timeout=60)
            continue
        for words, shown in commands(content):
            assert words[0] == "segassay"
            mirror = ["--mirror", str(data_dir / "segebarth2020")] if words[1] == "download" else []
            code = run(monkeypatch, *words, *mirror)
            printed = "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())
            assert "\n".join(shown) in printed, words
            assert code == any(line.startswith("error: ") for line in shown), words
            n_run += 1
    assert n_run >= 5


def test_the_simulated_dataset_of_the_page_is_sound(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((_, first), *_) = blocks("console")
    (words,) = [words for words, _ in commands(first) if words[1] == "simulate"]
    assert run(monkeypatch, *words) == 0
    assert check_dataset(folder / words[3]).problems == ()


def test_dataset_yaml_of_the_page_has_every_key_and_is_valid(tmp_path: Path) -> None:
    ((_, content), *_) = blocks("yaml")
    keys = [line.split(":")[0] for line in content.splitlines()]
    assert keys == list(DatasetFile.model_fields)
    (tmp_path / "dataset.yaml").write_text(content, encoding="utf-8")
    _, problems = read_dataset_file(tmp_path / "dataset.yaml")
    assert {problem.what.split()[0] for problem in problems} == {"foreground", "invert", "objects"}  # not with classes
    without = re.sub(r"^(classes|ignore_value): .*\n", "", content, flags=re.MULTILINE)
    (tmp_path / "dataset.yaml").write_text(without, encoding="utf-8")
    settings, problems = read_dataset_file(tmp_path / "dataset.yaml")
    assert settings is not None
    assert problems == []


def test_channels_of_the_page_are_valid(tmp_path: Path) -> None:
    (content,) = [content for _, content in blocks("yaml") if content.startswith("channels")]
    (tmp_path / "dataset.yaml").write_text(content, encoding="utf-8")
    settings, problems = read_dataset_file(tmp_path / "dataset.yaml")
    assert problems == []
    assert settings is not None
    assert (settings.channels, settings.segment_channels) == (("DAPI", "cFOS"), "DAPI")


def test_classes_of_the_page_are_valid(tmp_path: Path) -> None:
    (content,) = [content for _, content in blocks("yaml") if content.startswith("raters") and "classes" in content]
    (tmp_path / "dataset.yaml").write_text(content, encoding="utf-8")
    settings, problems = read_dataset_file(tmp_path / "dataset.yaml")
    assert problems == []
    assert settings is not None
    assert settings.class_values == {"ground_glass": (1,), "part_solid": (2,), "solid": (3,)}
    assert settings.exchangeable


def test_defaults_of_the_page_are_those_of_the_code() -> None:
    ((_, content), *_) = blocks("yaml")
    comments = dict(re.findall(r"^(\w+): .*?# (.*)$", content, re.MULTILINE))
    defaults = DatasetFile()
    assert comments["raters"].endswith(f"by default {defaults.raters}")
    assert f"by default {defaults.min_object_size}," in comments["min_object_size"]
    for key in ("equivalence_margin", "images"):
        assert f"{key}: {getattr(defaults, key)} " in content


def test_the_tables_of_the_page_can_be_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "segassay", "simulate", "--out", "mydata", "--cases", "4", "--size", "96,96") == 0
    (_, content), (_, endpoints) = blocks("csv")
    for number, row in enumerate(content.splitlines()[1:]):
        case = row.split(",")[0]
        for path in sorted((folder / "mydata").rglob(f"case_{number:04}*")):
            path.rename(path.with_name(path.name.replace(f"case_{number:04}", case)))
    (folder / "mydata/experiment.csv").write_text(content, encoding="utf-8")
    (folder / "mydata/endpoints.csv").write_text(endpoints, encoding="utf-8")
    settings = "experiment: experiment.csv\ncontrol_group: H\nendpoints: endpoints.csv\n"
    (folder / "mydata/dataset.yaml").write_text(settings, encoding="utf-8")
    assert read_dataset(folder / "mydata").measurements[-2:] == ("freezing", "texture")
    found = check_dataset(folder / "mydata")
    assert found.errors == ()
    assert found.summary is not None
    assert [row["region"] for row in found.summary["experiment"]["groups"]] == ["CA1", "CA3"] * 2


def test_every_key_of_json_is_explained(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "segassay", "simulate", "--out", "mydata", "--cases", "2", "--size", "64,64") == 0
    capsys.readouterr()
    run(monkeypatch, "segassay", "check", "mydata", "--json")
    section = TEXT.split("## For programs")[1]

    def keys(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value).union(*(keys(item) for item in value.values()))
        return set().union(*(keys(item) for item in value)) if isinstance(value, list) else set()

    for key in sorted(keys(json.loads(capsys.readouterr().out))):
        assert re.search(rf"[`.]{key}`", section), key


def plain_commands(text: str) -> list[list[str]]:
    """Words of each command of the blocks without language; what follows `#` explains it."""
    lines = "".join(content for _, content in blocks("", text=text)).splitlines()
    return [shlex.split(line, comments=True) for line in lines]


def small_dataset(folder: Path) -> Path:
    return simulate(folder, Simulation(shape=(64, 64), n_cases=2, n_nuclei=5, regions={}))


def test_every_command_on_consensus_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_dataset(folder / "mydata")
    without_pictures(monkeypatch)
    for words in plain_commands(CONSENSUS):
        quick = ["--no-mlflow", "--jobs", "1"] if words[1] == "evaluate" else []
        assert run(monkeypatch, *words, *quick) == 0, words
    with (folder / "mydata/dataset.yaml").open("a") as file:
        file.write("reference: consensus/masks\n")  # as the last of them says
    assert check_dataset(folder / "mydata").errors == ()


def test_columns_of_raters_csv_are_explained(folder: Path) -> None:
    section = CONSENSUS.split("`raters.csv` holds")[1].split("\n## ")[0]
    for column in write.COLUMNS:
        assert re.search(rf"[` ]{column}[`, ]", section), column
    table = CONSENSUS.split("| `--method` |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(write.METHODS)


def test_numbers_of_objects_are_those_of_the_benchmark() -> None:
    results = json.loads((ROOT / "benchmarks" / "results" / "consensus.json").read_text())
    for row in results["methods"]["methods"]:
        numbers = f"{row['objects']} | {row['pixels_per_object']:.0f} | {row['dice']:.2f} | {row['f1']:.2f} |"
        assert f"| {row['method']} | {numbers.replace('0.', '.').replace('1.00', '1')}" in CONSENSUS, row
    for row in results["objects"]["totals"]:
        numbers = [f"{row[name]:.2f}".lstrip("0") for name in ("precision", "recall", "f1", "area") if row[name]]
        assert re.search(rf"^\| .*{row['by']}.* \| .*{re.escape(' | '.join(numbers))}", CONSENSUS, re.MULTILINE), row


def test_every_command_on_simulate_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With images as small as they may be, unless the size is what is shown."""
    (_, settings), (_, marker), (_, classes) = blocks("yaml", text=SIMULATE)
    (folder / "classes.yaml").write_text(classes, encoding="utf-8")
    assert read_simulation(folder / "classes.yaml").classes["swollen"].size == 2.5
    (folder / "marker.yaml").write_text(marker, encoding="utf-8")
    assert read_simulation(folder / "marker.yaml").groups["treated"].marker == 2
    (folder / "mine.yaml").write_text(settings, encoding="utf-8")
    without_pictures(monkeypatch)
    stated = re.findall(r"`(segassay simulate [^`]*--settings [^`]*)`", SIMULATE)
    assert stated == ["segassay simulate --out sim --settings mine.yaml"]
    for words in [*plain_commands(SIMULATE), [*stated[0].split(), "--overwrite"]]:
        if words[1] == "evaluate":
            assert run(monkeypatch, *words, "--no-mlflow", "--jobs", "1") == 0
            continue
        size = "8,32,32" if "32,128,128" in words else "64,64"
        words = [word for word in words if word not in ("--size", "32,128,128")]
        assert run(monkeypatch, *words, "--cases", "4", "--size", size) == 0, words
    known = json.loads((folder / "sim/simulation.json").read_text())["settings"]
    assert set(yaml.safe_load(settings)) <= set(known)
    assert known["crowding"] == yaml.safe_load(settings)["crowding"]


def test_what_simulate_writes_is_listed(folder: Path) -> None:
    small_dataset(folder / "sim")
    section = SIMULATE.split("## What it writes")[1].split("\n## ")[0]
    for path in (folder / "sim").iterdir():
        assert f"`{path.name}" in section, path.name


def test_python_on_simulate_runs() -> None:
    ((_, code),) = blocks("python", text=SIMULATE)
    names: dict[str, object] = {}
    exec(compile(code, "simulate.md", "exec"), names)
    masks = names["masks"]
    assert isinstance(masks, dict)
    assert sorted(masks) == ["average", "generous", "strict"]
