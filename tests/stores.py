"""Stores of MLflow that tests make anew: the first is made by MLflow, the next are copies of it, as empty as it was.

MLflow makes a store by all changes that its tables ever had, which takes seconds; it also reads all of them whenever a
store is opened, here once for each process.
"""

import functools
import os
import sqlite3
import sys
from contextlib import closing
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MODULE = "mlflow.store.db.utils"


class CopiedStores(MetaPathFinder):
    """On `sys.meta_path`: changes MLflow when it is imported, as few tests need it."""

    def __init__(self, first: Path) -> None:
        self.first = first

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_change(module: Any) -> None:
            execute(module)
            self.change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec

    def change(self, module: Any) -> None:
        """From now on this module copies."""
        make, first = module._initialize_tables, self.first

        def copy(engine: Any) -> None:
            path = engine.url.database if engine.url.get_backend_name() == "sqlite" else None
            if path and first.exists():
                _copy(first, path)
                return
            make(engine)
            if path:
                part = first.with_suffix(f".{os.getpid()}")  # processes may come here together
                _copy(path, part)
                part.rename(first)

        copy.original = make  # type: ignore[attr-defined]
        module._initialize_tables = copy
        module._get_latest_schema_revision = functools.cache(module._get_latest_schema_revision)


def _copy(source: "str | Path", target: "str | Path") -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
