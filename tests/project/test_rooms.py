"""Rooms import downward only: read from the imports of both packages, and from drawn trees that break the rules."""

import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from small_trees import plant

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from rooms import HOMES, find_modules, imported_names, module_of, read_imports, read_rooms, room_of  # noqa: E402

FOREIGN = {"torch", "monai", "ignite", "segassay_monai"}
"""What the evaluation never imports."""

BY_NAME = {
    "segassay_monai.ensemble.backends": "asks whether the package of a backend is installed",
    "segassay.lazy": "loads a public name when it is first used",
    "segassay.selftest.run": "calls every estimator by the name that its check states",
}
"""Modules that import what only a run tells, and why they may."""

BY_PUBLIC_NAME = {
    "segassay_monai.ensemble.served_model": "is stored in a registered model, which a later version has to load",
    "segassay_monai.former": "finds former names among the public ones",
}
"""Modules that import from a package as a whole, and why they may."""

NO_MIRROR = {
    "before": "what an earlier version has stored",
    "cli": "the command line as a whole",
    "io/test_imagej.py": "what ImageJ itself finds in the files that are written",
    "project": "documents, the demo and the house itself",
    "training/test_classes.py": "training on classes, from the masks of raters to the scores of a study",
    "prediction/test_classes.py": "predictions of classes, in every file, table and export",
    "training/test_scaling.py": "a fixed range of values, from the check of a training to its scores",
    "training/test_spacings.py": "what a training says of images with other spacings",
    "planning/test_classes.py": "plans of several classes, from an evaluation to the files",
    "simulation/test_classes.py": "classes of simulated nuclei, from the settings to the folder",
    "training/test_touching.py": "training on objects that touch, from the masks of raters to the tables of a study",
    "prediction/test_touching.py": "predictions of objects that touch, in windows and tables",
    "assay/test_volumes.py": "real volumes and real raters, from their files to the tables",
    "training/test_multi_gpu.py": "training by several processes",
    "training/test_spatial_3d.py": "training on volumes",
    "training/test_torn.py": "damaged states and full disks, without a training",
    "figures/test_large.py": "figures of many annotators and large images, in both rooms that draw",
    "training/test_loaded_cases.py": "a case from its files to the tile, by the steps of the configuration",
    "bundle/test_bundle.py": "the bundle's configurations, run as MONAI runs them",
    "bundle/test_errors.py": "messages of the bundle's commands",
    "ensemble/test_foreign_checkpoints.py": "files that are no checkpoints, wherever one is read",
    "io/test_huge_images.py": "images that claim to be huge, in every format",
    "ensemble/test_exported.py": "modules that an export carries",
    "sharing/test_classes.py": "exports of models of classes, in every format",
    "prediction/test_places.py": "where predictions may lie, beside what they are made of",
    "sharing/test_touching.py": "exports of models of objects that touch, in every format",
    "sharing/test_volumes.py": "exports of members of volumes, in every format",
    "report/test_markup.py": "the page as it is read by parsers and screen readers",
    "report/test_style.py": "contrasts and colours of the page and of curves",
    "report/test_browser.py": "the page in a browser",
    "test_imports.py": "what importing either package loads and changes",
    "test_forked.py": "the processes that tests start",
}
"""Folders and files of tests that are about more than one module."""


def faults(root: Path) -> list[str]:
    """Every broken rule of a tree, in words."""
    modules, rooms = find_modules(root), read_rooms(root)
    imports = read_imports(modules)
    return [
        *_unknown(modules, rooms),
        *_foreign(modules),
        *_unclear(modules),
        *_upward(imports, rooms),
        *_circles(imports),
    ]


def _unknown(modules: dict[str, Path], rooms: list[str]) -> list[str]:
    found = {room_of(module) for module in modules} - set(HOMES)
    return [
        *(f"{room} is not listed in docs/rooms.yaml" for room in sorted(found - set(rooms))),
        *(f"{room} is listed in docs/rooms.yaml and is not there" for room in sorted(set(rooms) - found)),
    ]


def _foreign(modules: dict[str, Path]) -> list[str]:
    return [
        f"{module} imports {name}"
        for module, path in modules.items()
        if module.split(".")[0] == "segassay"
        for name in imported_names(path, module)
        if name.split(".")[0] in FOREIGN
    ]


def _unclear(modules: dict[str, Path]) -> list[str]:
    """Imports that do not say from which room they come."""
    found = []
    for module, path in modules.items():
        for name in imported_names(path, module):
            if name == "?" and module not in BY_NAME:
                found.append(f"{module} imports what only a run tells")
            elif module_of(name, modules) in HOMES and not (name.endswith(".__version__") or module in BY_PUBLIC_NAME):
                found.append(f"{module} imports {name}: import it from the module that has it")
    return found


def _upward(imports: dict[str, set[str]], rooms: list[str]) -> list[str]:
    rank = {room: number for number, room in enumerate(rooms)}
    return [
        f"{module} imports {other}, which stands above it"
        for module, others in imports.items()
        for other in sorted(others)
        if rank.get(room_of(other), len(rank)) < rank.get(room_of(module), -1)
    ]


def _circles(imports: dict[str, set[str]]) -> list[str]:
    """Circles of modules, and of what stands side by side in one package."""
    graphs = [imports]
    for package in sorted({module.rpartition(".")[0] for module in imports}):
        depth, siblings = package.count(".") + 2, {}
        for module, others in imports.items():
            inside = {".".join(other.split(".")[:depth]) for other in others if other.startswith(f"{package}.")}
            if module.startswith(f"{package}."):
                one = ".".join(module.split(".")[:depth])
                siblings.setdefault(one, set()).update(inside - {one})
        graphs.append(siblings)
    return [f"circle: {' <- '.join(circle)}" for graph in graphs if (circle := _circle(graph))]


def _circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_import_leads_downward():
    assert faults(ROOT) == []


def test_a_tree_without_faults_has_none(tmp_path):
    assert faults(plant(tmp_path)) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("io", "import segassay.tables.build", "segassay.io imports segassay.tables.build, which stands above it"),
        ("io", "from segassay.tables.build import build", "segassay.io imports segassay.tables.build, which stands"),
        ("io", "from .tables import build", "segassay.io imports segassay.tables.build, which stands above it"),
        ("io", "def read():\n    from segassay import tables", "segassay.io imports segassay.tables, which stands"),
        ("io", "import_module('segassay.tables')", "segassay.io imports segassay.tables, which stands above it"),
        ("io", "if TYPE_CHECKING:\n    import segassay.judgement", "segassay.io imports segassay.judgement, which"),
        ("io", "importlib.import_module(name)", "segassay.io imports what only a run tells"),
        ("io", "from segassay import read_dataset", "segassay.io imports segassay.read_dataset: import it from"),
        ("io", "import segassay\nsegassay.read_dataset()", "segassay.io imports segassay.read_dataset: import it from"),
        ("io", "import segassay\nsegassay.tables.build", "segassay.io imports segassay.tables, which stands above it"),
        ("io", "import segassay\nprint(segassay.__version__)", None),
        ("__main__", "from segassay.judgement import verdicts", "segassay.cli is not listed in docs/rooms.yaml"),
        ("io", "def read():\n    import torch.nn", "segassay.io imports torch.nn"),
        ("io", "from monai import data", "segassay.io imports monai.data"),
        ("io", "import segassay_monai.study", "segassay.io imports segassay_monai.study"),
        ("io", "import segassay_monai.study", "segassay.io imports segassay_monai.study, which stands above it"),
        ("__init__", "from segassay.judgement import verdicts", "circle: segassay"),
        ("__init__", "if TYPE_CHECKING:\n    from segassay.judgement import verdicts", None),
        ("tables/build", "import segassay.tables.case", "circle: segassay.tables."),
        ("tables/build", "from ..judgement.verdicts import judge", "circle: segassay."),
        ("tables/parts/one", "import segassay.tables.case", None),
        ("charts", "", "segassay.charts is not listed in docs/rooms.yaml"),
        ("charts/tables", "", "segassay.charts is not listed in docs/rooms.yaml"),
    ],
)
def test_each_broken_rule_is_found(tmp_path, module, source, fault):
    plant(tmp_path, {module: source})
    found = faults(tmp_path)
    if fault is None:
        assert found == []
    else:
        assert any(one.startswith(fault) for one in found), found


def test_a_circle_of_folders_whose_modules_have_none_is_found(tmp_path):
    forth = {"tables/one/a": "import segassay.tables.two.b", "tables/two/b": ""}
    back = {"tables/two/c": "import segassay.tables.one.d", "tables/one/d": ""}
    assert faults(plant(tmp_path, forth)) == []
    plant(tmp_path, back)
    (found,) = faults(tmp_path)
    assert found.startswith("circle: segassay.tables.")


def test_a_room_that_is_gone_is_found(tmp_path):
    plant(tmp_path)
    (tmp_path / "evaluation/segassay/io.py").unlink()
    assert "segassay.io is listed in docs/rooms.yaml and is not there" in faults(tmp_path)


def without_mirror(root: Path) -> list[str]:
    """Test files below a room's name, of which no package has the module that they test."""
    found = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        test = path.relative_to(root / "tests")
        module = test.with_name(test.name.removeprefix("test_"))
        if not any((root / home / package / module).is_file() for package, home in HOMES.items()):
            found.append(test.as_posix())
    return found


def test_tests_mirror_the_rooms():
    files = {name for name in NO_MIRROR if name.endswith(".py")}
    left = {test for test in without_mirror(ROOT) if test.split("/")[0] not in set(NO_MIRROR) - files}
    assert left == files


def test_a_test_without_its_module_is_found(tmp_path):
    plant(tmp_path)
    for name in (
        "tables/test_build.py",
        "tables/test_nothing.py",
        "test_io.py",
        "test_tables.py",
        "build/test_build.py",
    ):
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / name).write_text("")
    assert without_mirror(tmp_path) == ["build/test_build.py", "tables/test_nothing.py", "test_tables.py"]
