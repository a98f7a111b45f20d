"""What an import or a help text does not load, and does not change: libraries come when they are needed."""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import segassay
import segassay_monai
from forked import Forked, forgetting

HEAVY = ("torch", "monai", "ignite", "mlflow", "sqlalchemy", "matplotlib", "seaborn")
ARRAYS = ("numpy", "pandas", "scipy")
HELP = "from segassay.cli import main; import sys; sys.argv = {words}\ntry:\n    main()\nexcept SystemExit:\n    pass\n"


def loaded(code: str, libraries: tuple[str, ...]) -> set[str]:
    """Which of these libraries a fresh process has loaded after running the code."""
    tail = f"import sys; print('\\nLOADED', *(set({libraries}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tail}"], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("package", ["segassay", "segassay_monai"])
def test_importing_a_package_loads_no_library(package):
    assert loaded(f"import {package}", HEAVY + ARRAYS) == set()


def test_the_public_names_are_listed_without_loading_what_they_name():
    assert loaded("import segassay_monai; dir(segassay_monai), segassay_monai.__all__", HEAVY + ARRAYS) == set()


def test_the_measure_sees_what_is_loaded():
    assert loaded("import numpy", HEAVY + ARRAYS) == {"numpy"}


@pytest.mark.parametrize(
    "words", [["--help"], ["study", "--help"], ["study", "status", "--help"], ["study", "plan", "--help"]], ids=" ".join
)
def test_a_help_text_loads_no_training_and_no_figures(words):
    assert loaded(HELP.format(words=["segassay", *words]), HEAVY) == set()


def test_where_the_bundle_lies_is_told_without_torch():
    assert loaded("import segassay_monai; segassay_monai.bundle_root()", HEAVY) == set()


def modules_of(package: object) -> list[str]:
    """Names of all modules of a package; scripts that start something when imported are not imported here."""
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")  # type: ignore[attr-defined]
    names = [module.name for module in found if not module.name.endswith("__main__")]
    return [name for name in names if name != "segassay_monai.ensemble.served_model"]  # the code of a registered model


def test_importing_any_module_changes_no_variable_handler_or_log_level_of_others():
    """Libraries that the modules need are loaded before: what they do to themselves is not ours.

    In a copy of this process, where they mostly are. There our modules are forgotten, and what they might have
    changed when they were imported first is as in a process that has imported nothing.
    """
    code = f"""
import logging, os, signal, sys
import matplotlib, mlflow, nibabel, sqlalchemy, tifffile, torch, monai.bundle, monai.engines, ignite.handlers, pandas
{forgetting("segassay", "segassay_monai")}
sys.excepthook = sys.__excepthook__
logging.root.setLevel(logging.WARNING)
for logger in logging.root.manager.loggerDict.values():
    if isinstance(logger, logging.Logger):
        logger.setLevel(logging.NOTSET)
def state():
    loggers = dict(logging.root.manager.loggerDict)
    levels = {{name: logger.level for name, logger in loggers.items() if isinstance(logger, logging.Logger)}}
    return dict(os.environ), levels, logging.root.level, signal.getsignal(signal.SIGTERM), sys.excepthook
before = state()
for name in {modules_of(segassay) + modules_of(segassay_monai)}:
    __import__(name)
after = state()
levels = {{name: level for name, level in after[1].items() if level and not name.startswith("segassay")}}
changed = {{name: level for name, level in levels.items() if before[1].get(name, 0) != level}}
print({{k: v for k, v in after[0].items() if before[0].get(k) != v}}, changed, after[2:] == before[2:])
"""
    words = [sys.executable, "-W", "ignore", "-c", code]
    with Forked(words, env=psutil.Process().environ(), stdout=subprocess.PIPE, text=True) as process:
        printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert printed.splitlines()[-1] == "{} {} True"


@pytest.mark.parametrize("package", [segassay, segassay_monai])
def test_no_module_ends_the_process_at_once_or_replaces_the_exception_hook(package):
    for path in Path(str(package.__file__)).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                name = ast.unparse(node)
                assert name not in ("os._exit", "sys.excepthook"), f"{path}:{node.lineno}"


def test_telemetry_of_mlflow_is_off_wherever_we_load_it():
    """No module loads it at import; `load_mlflow` does, before anything else of it is used."""
    for package in (segassay, segassay_monai):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            names = [alias.name for node in body if isinstance(node, ast.Import) for alias in node.names]
            names += [str(node.module) for node in body if isinstance(node, ast.ImportFrom)]
            if path.name != "served_model.py":  # run by MLflow
                assert not [name for name in names if name.partition(".")[0] == "mlflow"], path
