"""What several test files share: the real data, and folders of their own for what a run leaves behind."""

import base64
import gc
import logging
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: processes side by side would fight for cores

import platformdirs
import pytest
from filelock import FileLock

from segassay.workers.memory import spend_memory
from stores import MODULE, CopiedStores

MEMORY = Path("/dev/shm")
"""Where Linux has a file system in memory."""
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg==")
"""A PNG of one pixel."""
LONGEST_FIRST = (
    *("tests/study/test_run.py", "tests/assay/", "tests/tables/test_measured.py", "tests/bundle/test_bundle.py"),
    *("tests/project/test_cheats.py", "tests/tables/", "tests/training/", "tests/project/", "tests/study/"),
    *(
        "tests/judgement/",
        "tests/before/",
        "tests/ensemble/",
        "tests/prediction/",
        "tests/sharing/",
        "tests/tracking/",
        "tests/test_",
    ),
    *("tests/cli/", "tests/qualities/", "tests/selftest/"),
)
"""Files and folders of files of half a minute to two minutes, the longest first; the rest takes seconds."""


if find_spec("pyspark") is None:
    sys.modules["pyspark"] = None  # type: ignore[assignment]  # MLflow seeks it in all folders at nearly every call


def pytest_configure(config: pytest.Config) -> None:
    """Keep our order where files are spread over processes: pytest-xdist begins with those of most tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False
    if config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = _folder_in_memory()


def _folder_in_memory() -> str | None:
    """Folder of a file system that lies in memory, if there is one with room: there nothing waits for a disk.

    What is written for good is written with `fsync`, and MLflow's store waits for the disk at each number: on a slow
    disk that was a third of the time of the tests.
    """
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < 6 * 2**30:
        return None
    return tempfile.mkdtemp(dir=MEMORY, prefix="segassay-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give the memory back."""
    if str(config.option.basetemp).startswith(f"{MEMORY / 'segassay-tests-'}") and not hasattr(config, "workerinput"):
        shutil.rmtree(config.option.basetemp, ignore_errors=True)


def pytest_sessionstart() -> None:
    """Seek no garbage until all is collected: the libraries make a million objects, and all of them stay.

    What is collected is compiled once, also where the environment says, as images of containers do, that nothing
    compiled is kept: each process took 13 s for it instead of 8.
    """
    gc.disable()
    sys.dont_write_bytecode = False


def pytest_collectstart() -> None:
    """Tables are as in the package, with which tests compare their own; a process that spreads files needs none."""
    import pandas as pd

    pd.set_option("mode.string_storage", "python")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Seek examples in docstrings of the packages alone: files of tests have none, and each was loaded for them."""
    return [one for one in (yield) if type(one).__name__ != "DoctestModule"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process works on one of them alone at the end."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    return next((at for at, name in enumerate(LONGEST_FIRST) if item.nodeid.startswith(name)), len(LONGEST_FIRST))


def pytest_collection_finish() -> None:
    """From here on garbage is collected, but not sought in what the libraries and the collection made."""
    gc.freeze()
    spend_memory()
    gc.set_threshold(gc.get_threshold()[0], 10, 100)  # what tests load stays, too, and is sought through less often
    gc.enable()
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with the real labs (`segebarth2020/…`): `$SEGASSAY_DATA`, by default `../shared/data`.

    Where it is missing the test is skipped, and says so; with `CI=true` it fails. An empty `SEGASSAY_DATA` says that
    there is no real data here.
    """
    return _folder_with("segebarth2020")


@pytest.fixture(scope="session")
def multirater_dir() -> Path:
    """Folder with the data of several raters of other labs (`multirater`); where it is missing as for `data_dir`."""
    return _folder_with("multirater") / "multirater"


def _folder_with(name: str) -> Path:
    """Folder of the real data that has this folder."""
    if os.environ.get("SEGASSAY_DATA") == "":
        pytest.skip("SEGASSAY_DATA is empty: there is no real data here")
    folder = Path(os.environ.get("SEGASSAY_DATA", Path(__file__).parents[1] / ".." / "shared" / "data")).resolve()
    if not (folder / name).is_dir():
        message = f"real data not found: {folder / name} is no folder; set SEGASSAY_DATA"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Make an empty MLflow store in a folder, a copy of one that MLflow made; returns its address."""
    first = tmp_path_factory.mktemp("store") / "mlflow.db"

    def make(folder: Path) -> str:
        if not first.exists():
            import mlflow

            mlflow.MlflowClient(f"sqlite:///{first.as_posix()}").search_experiments()
        path = folder / "mlflow.db"
        shutil.copy(first, path)
        return f"sqlite:///{path.as_posix()}"

    return make


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes to the user's cache or to an MLflow store in the current folder."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))  # processes that a test starts
        patch.setattr(platformdirs, "user_cache_dir", lambda *args, **kwargs: str(folder / "cache"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
        copied = CopiedStores(_shared_folder(tmp_path_factory) / "first.db")
        if MODULE in sys.modules:
            copied.change(sys.modules[MODULE])
        else:
            sys.meta_path.insert(0, copied)
        yield


@pytest.fixture(scope="module")
def own_store(new_store: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs of a file are logged to a store of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture(scope="module")
def unrendered() -> Iterator[None]:
    """Figures are made, but each is saved as a single pixel: for files whose tests look at no picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with pytest.MonkeyPatch.context() as patch:
        _spare(patch, Figure, "savefig", lambda figure, file, **options: Path(file).write_bytes(PIXEL))
        _spare(patch, FigureCanvasAgg, "print_png", lambda canvas, file, **options: file.write(PIXEL))
        _spare(patch, FigureCanvasSVG, "print_svg", lambda canvas, file, **options: file.write(b"<svg/>"))
        yield


@pytest.fixture(scope="module")
def unlogged_models() -> Iterator[None]:
    """A training logs its numbers, and no model: MLflow takes longer for it than the small training does."""
    with pytest.MonkeyPatch.context() as patch:
        module = import_module("segassay_monai.training.train")  # by its path, `train` may be the function
        _spare(patch, module, "log_model", lambda checkpoints, **about: None)
        yield


_SPARED: dict[tuple[Any, str], Any] = {}
"""What files of tests replace, as it is without them."""


def _spare(patch: pytest.MonkeyPatch, owner: Any, name: str, by: Callable[..., Any]) -> None:
    """Replace something for a file of tests, but not where `_made_once` makes what other files read, too."""
    _SPARED.setdefault((owner, name), getattr(owner, name))
    patch.setattr(owner, name, by)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """What the `logging.conf` of a bundle sets ends with the test: its handler would write to a closed stream."""
    loggers = [logging.getLogger(name) for name in ("", "segassay", "monai", "ignite.engine.engine")]
    states = [(logger.handlers[:], logger.level, logger.disabled) for logger in loggers]
    yield
    for logger, (handlers, level, disabled) in zip(loggers, states, strict=True):
        kept = [handler for handler in handlers if type(handler) is not logging.StreamHandler]  # of a fixture's run
        logger.handlers[:] = [handler for handler in logger.handlers if handler in kept]
        if logger.level != level:
            logger.setLevel(level)  # tells every logger there is
        logger.disabled = disabled


@pytest.fixture(scope="session")
def finished(new_store: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny study, trained and evaluated once; no test may change it."""
    from finished_study import finish_study

    return _made_once(tmp_path_factory, "finished", lambda folder: finish_study(folder, new_store(folder)))


@pytest.fixture(scope="session")
def written(new_store: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An evaluation, written and logged once; no test may change it."""
    from written_evaluation import write_evaluation

    return _made_once(tmp_path_factory, "written", lambda folder: write_evaluation(folder, new_store(folder)))


@pytest.fixture(scope="session")
def lab_wue1(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A published lab with its tables; no test may change it."""
    from published_lab import compare_lab

    return _made_once(tmp_path_factory, "wue1", lambda folder: compare_lab(folder, data_dir / "segebarth2020"))


def _made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> Any:
    """What the first process that asks for it makes in a folder; all others of this run of the tests read it."""
    folder = _shared_folder(tmp_path_factory) / name
    made = folder.with_suffix(".pickle")
    with FileLock(folder.with_suffix(".lock")), pytest.MonkeyPatch.context() as patch:
        for (owner, attribute), own in _SPARED.items():
            patch.setattr(owner, attribute, own)
        if not made.exists():
            folder.mkdir()
            made.write_bytes(pickle.dumps(make(folder)))
        return pickle.loads(made.read_bytes())


def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of all processes of this run of the tests, and of no other run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture
def copied(finished: Any, tmp_path: Path) -> Any:
    """The finished study in another place, to be broken."""
    from segassay_monai.study.plan import plan_study

    shutil.copytree(finished.path.parent, tmp_path / "copy", ignore=shutil.ignore_patterns("mlflow.db"))
    return plan_study(tmp_path / "copy" / finished.path.name)
