"""Public names of a package that are loaded when they are first used (PEP 562).

They are listed once, as imports in the `__init__.pyi` next to `__init__.py`, where editors and type checkers read them
too.
"""

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["attach"]


def attach(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Read the public names of a package.

    Args:
        package: `__name__` of the package.
        file: `__file__` of the package; the names are listed in `__init__.pyi` next to it.

    Returns:
        The package's `__getattr__`, `__dir__` and `__all__`.

    Example:
        >>> import segassay.statistics
        >>> get, _, names = attach("segassay.statistics", segassay.statistics.__file__)
        >>> "lins_ccc" in names, get("lins_ccc").__module__
        (True, 'segassay.statistics.methods')
    """
    tree = ast.parse(Path(file).with_name("__init__.pyi").read_text(encoding="utf-8"))
    home = {
        alias.asname or alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if home[name] == package:  # a subpackage
            return import_module(f"{package}.{name}")
        return getattr(import_module(home[name]), name)

    names = sorted(home)
    return get, lambda: names, names
