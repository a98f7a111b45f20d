"""Public names of the evaluation: they load when they are used, and each says how."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import segassay
from segassay import masks, qualities, statistics

HEAVY = ("numpy", "pandas", "scipy", "matplotlib", "mlflow", "torch")
PUBLIC = [name for name in segassay.__all__ if not inspect.ismodule(getattr(segassay, name))]


def test_importing_loads_nothing_and_the_version_is_there():
    lines = (
        "import sys, segassay\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
        "print(segassay.__version__, 'evaluate' in dir(segassay))\n"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    loaded, version = done.stdout.splitlines()
    assert loaded == "[]"
    assert version.split() == ["0.1.0", "True"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'segassay' has no attribute 'evalute'"):
        segassay.evalute  # noqa: B018


@pytest.mark.parametrize("package", [segassay, statistics, masks, qualities])
def test_every_name_loads_and_is_no_module_of_that_name(package):
    for name in package.__all__:
        loaded = getattr(package, name)
        if inspect.ismodule(loaded):
            assert loaded.__name__ == f"{package.__name__}.{name}"
        else:
            assert loaded.__name__ == name
            assert not (Path(package.__file__).parent / f"{name}.py").exists()


def test_all_estimators_of_arrays_are_offered():
    """Whatever a module of `statistics` lists as its own can be had from the package."""
    for path in Path(statistics.__file__).parent.glob("[a-z]*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                listed = getattr(sys.modules.get(f"segassay.statistics.{path.stem}"), "__all__", [])
                assert node.name in statistics.__all__ or node.name not in listed, f"{path.stem}.{node.name}"


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_how_it_is_used(name):
    thing = getattr(segassay, name)
    text = inspect.getdoc(thing) or ""
    if inspect.isfunction(thing):
        assert "Args:" in text
        assert "Returns:" in text
    if not (inspect.isclass(thing) and issubclass(thing, Exception)):
        assert "Example:" in text
