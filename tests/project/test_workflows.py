"""Workflows and issue forms are valid: known keys, steps that do something, names that exist."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted(set((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) - {ROOT / ".github/ISSUE_TEMPLATE/config.yml"})
TOP = {"name", "on", "permissions", "concurrency", "env", "jobs"}
JOB = {"strategy", "runs-on", "timeout-minutes", "steps", "environment", "permissions", "env", "needs", "if"}
PINNED = r"actions/[\w-]+@[0-9a-f]{40}|pypa/gh-action-pypi-publish@release/v1"
"""By the hash of a commit, which nobody can move; the last one by the branch that PyPA keeps for this."""
STEP = {"name", "uses", "with", "run", "shell", "env", "if", "id"}
CONTEXTS = {"github", "matrix", "runner", "env", "secrets"}


def read(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def jobs() -> list[Any]:
    """All but those that run another workflow."""
    found = [(path, name, job) for path in WORKFLOWS for name, job in read(path)["jobs"].items() if "uses" not in job]
    return [pytest.param(job, id=f"{path.stem}-{name}") for path, name, job in found]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_the_keys_of_one(path):
    found = {"on" if key is True else key: value for key, value in read(path).items()}  # YAML 1.1 reads `on` as true
    assert set(found) <= TOP
    assert {"name", "on", "permissions", "jobs"} <= set(found)
    assert set(found["on"]) <= {"push", "pull_request", "schedule", "workflow_dispatch", "workflow_call"}


@pytest.mark.parametrize("job", jobs())
def test_a_job_runs_somewhere_ends_and_every_step_does_one_thing(job):
    assert set(job) <= JOB
    assert {"runs-on", "timeout-minutes", "steps"} <= set(job)
    for step in job["steps"]:
        assert set(step) <= STEP
        assert ("uses" in step) != ("run" in step)
        assert "uses" not in step or re.fullmatch(PINNED, step["uses"])


@pytest.mark.parametrize("job", jobs())
def test_a_job_names_only_what_its_matrix_has(job):
    matrix = job.get("strategy", {}).get("matrix", {})
    known = set(matrix) - {"include"} | {key for row in matrix.get("include", []) for key in row}
    expressions = re.findall(r"\$\{\{ *([\w.-]+) *\}\}", yaml.safe_dump(job))
    assert {name.split(".")[0] for name in expressions} <= CONTEXTS
    assert {name.split(".")[1] for name in expressions if name.startswith("matrix.")} == known


def test_tests_run_on_every_system_and_python_that_is_promised():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    matrix = read(ROOT / ".github/workflows/tests.yml")["jobs"]["systems"]["strategy"]["matrix"]
    assert matrix["python"] == re.findall(r"Python :: (3\.\d+)", project)
    assert [system.split("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]


def test_nothing_is_published_before_all_tests_pass():
    _, tests, release = read(ROOT / ".github/workflows/release.yml")["jobs"].values()
    assert release["needs"] == "tests"
    assert tests == {"needs": "version", "uses": "./.github/workflows/tests.yml"}
    all_tests = read(ROOT / ".github/workflows/tests.yml")
    assert "workflow_call" in all_tests[True]  # YAML 1.1 reads `on` as true
    assert not [name for name, job in all_tests["jobs"].items() if "if" in job or "continue-on-error" in job]
    assert ".ci/run" in [step.get("run") for step in all_tests["jobs"]["gate"]["steps"]]


@pytest.mark.skipif(sys.platform == "win32" or sys.version_info < (3, 11), reason="the step needs bash and tomllib")
@pytest.mark.parametrize(("suffix", "is_ours"), [("", True), (".1", False)])
def test_a_release_has_the_version_of_the_package(suffix, is_ours):
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"', project, re.MULTILINE)[1]
    steps = read(ROOT / ".github/workflows/release.yml")["jobs"]["version"]["steps"]
    (code,) = [step["run"] for step in steps if "GITHUB_REF_NAME" in step.get("run", "")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    words = os.environ | {"GITHUB_REF_NAME": f"v{version}{suffix}", "PATH": path}
    done = subprocess.run(["bash", "-e", "-c", code], cwd=ROOT, env=words, check=False)
    assert (done.returncode == 0) == is_ours


def test_workflows_run_files_and_targets_that_exist():
    words = " ".join(
        step["run"]
        for path in WORKFLOWS
        for job in read(path)["jobs"].values()
        for step in job.get("steps", [])
        if "run" in step
    )
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z]+)", words)) <= set(targets)
    for path in re.findall(r"(?<![\w/])(\.ci/[\w.]+|tests/[\w/]+\.py)", words):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_asks_something(path):
    form = read(path)
    assert {"name", "description", "body"} <= set(form) <= {"name", "description", "body", "labels", "title"}
    for field in form["body"]:
        assert set(field) <= {"type", "id", "attributes", "validations"}
        assert field["type"] in {"textarea", "input"}
        assert field["attributes"]["label"]
    assert any(field.get("validations", {}).get("required") for field in form["body"])
