"""The package says the truth of itself: what it needs, where its links lead, what a release changes."""

import ast
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OURS = {"segassay", "segassay-monai"}
TOOLS = {
    "mypy",
    "pandas-stubs",
    "pre-commit",
    "pytest-xdist",
    "ruff",
    "slipcover",
    "types-pyyaml",
    "zarr",
}  # called, not imported, or imported only where it can be installed
TOOLS_OF_DOCS = {"ipykernel", "mkdocs-material", "mkdocstrings-python"}
HOMES = {
    "PIL": "pillow",
    "distributed": "dask",
    "griffe": "griffelib",
    "ignite": "pytorch-ignite",
    "mlflow": "mlflow-skinny",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Distributions that are named otherwise than what one imports."""

IF_THERE = {"bioimageio", "tomli"}
"""What tests import only where it is installed."""

OF_MLFLOW = {"alembic", "mlflow"}
"""What MLflow imports for its store, and its user interface: called, not imported."""


def plain(name: str) -> str:
    """Name of a distribution as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {plain(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}  # type: ignore[index]


NEEDS = declared(PROJECT["dependencies"])
EXTRAS = {name: declared(requirements) for name, requirements in PROJECT["optional-dependencies"].items()}


def imported(text: str) -> set[str]:
    """Top-level names that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names


def used(folder: str) -> set[str]:
    """Distributions that the modules below a folder import."""
    modules = list((ROOT / folder).rglob("*.py"))
    assert modules
    names = set().union(*(imported(path.read_text(encoding="utf-8")) for path in modules))
    local = {path.stem for home in ("tests", "benchmarks", "docs") for path in (ROOT / home).glob("*.py")}
    return {plain(HOMES.get(name, name)) for name in names - local} - OURS


def test_the_evaluation_needs_what_it_imports_and_nothing_else():
    assert used("evaluation") - {"dask", "dask-jobqueue", "fsspec", "pyarrow"} == NEEDS - OF_MLFLOW
    assert {"dask", "dask-jobqueue"} == EXTRAS["cluster"] - {"bokeh"}  # which draws the dashboard of Dask
    assert {"fsspec"} == EXTRAS["storage"] - {"s3fs"}  # which fsspec loads for s3://
    assert EXTRAS["parquet"] == {"pyarrow"}
    assert EXTRAS["mlflow"] < EXTRAS["monai"]


def test_training_needs_what_it_imports_beyond_the_evaluation_and_nothing_else():
    assert used("src") - NEEDS == EXTRAS["monai"] - OF_MLFLOW | EXTRAS["onnx"] | {
        "openvino"
    }  # a backend that one may install


def test_developing_needs_what_the_tests_import_and_the_tools():
    of_extras = EXTRAS["monai"] | EXTRAS["cluster"] | EXTRAS["storage"]
    assert used("tests") - NEEDS - of_extras - IF_THERE - {"tomllib"} == EXTRAS["dev"] - TOOLS - {"tomli"}


def test_the_docs_need_what_their_programs_import_and_the_tools():
    assert used("docs") - NEEDS == EXTRAS["docs"] - TOOLS_OF_DOCS


def test_every_dependency_says_what_it_is_for_and_from_which_version_on():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = PROJECT["optional-dependencies"]
    named = [
        requirement
        for name in ("cluster", "parquet", "storage", "mlflow", "monai", "onnx", "docs")
        for requirement in extras[name]
    ]
    for requirement in [*PROJECT["dependencies"], *named]:
        assert re.search(r"[>=]=\d", requirement), requirement
        assert re.search(rf'^    "{re.escape(requirement)}", *# \w', text, re.MULTILINE), requirement


def test_constraints_fix_every_dependency():
    fixed = declared([line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"])
    assert NEEDS.union(*EXTRAS.values()) - {"tomli"} <= fixed


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_of_the_readme_are_absolute_in_a_package(monkeypatch):
    for name in ("", ".metadata", ".metadata.plugin", ".metadata.plugin.interface"):  # hatchling may not be installed
        monkeypatch.setitem(sys.modules, f"hatchling{name}", SimpleNamespace(MetadataHookInterface=object))
    text = load(ROOT / "hatch_build.py").absolute_links(README, "https://host/me/it", "1234")
    targets = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", text)
    assert len(targets) == len(re.findall(r"\]\(", README)) > 20
    assert all(target.startswith("https://") for _, target in targets)
    assert ("!", "https://host/me/it/raw/1234/docs/figures/held_out.png") in targets
    assert ("", "https://host/me/it/blob/1234/docs/data.md") in targets


def test_notes_of_a_release_are_its_section_of_the_changelog():
    notes_of = load(ROOT / ".ci" / "release_notes.py").notes_of
    changelog = "# Changelog\n\n## [Unreleased]\n\n## [1.0] - 2026-01-01\n### Added\n- all\n\n## [0.9]\n- less\n"
    assert notes_of("1.0", changelog) == "### Added\n- all"
    assert notes_of("0.9", changelog) == "- less"
    for missing in ("2.0", "Unreleased", "0"):
        with pytest.raises(SystemExit, match=f"says nothing of {missing}; add a section"):
            notes_of(missing, changelog)
    assert "segassay" in notes_of("Unreleased", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))


def test_hooks_before_a_commit_are_the_tools_of_the_gate():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    fixed = set((ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    assert {f"{tool}=={repo['rev'][1:]}" for tool, repo in zip(("ruff", "mypy"), hooks, strict=True)} <= fixed
    needs = [line for repo in hooks for hook in repo["hooks"] for line in hook.get("additional_dependencies", [])]
    assert {line.lower() for line in needs} <= {line.split(" ;")[0].lower() for line in fixed}
    assert not any(hook.get("language") == "system" for repo in hooks for hook in repo["hooks"])
