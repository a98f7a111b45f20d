"""Rooms of both packages, their contracts and what they import, read from the source without running it.

    folder of the project -> modules -> imports of each -> arrows between rooms

A room is what stands directly in a package: a folder of modules, or one module. Imports inside functions count as well.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
HOMES = {"segassay": "evaluation", "segassay_monai": "src"}
"""Folder of the project that each package lies in."""

PURPOSE = {"segassay_monai": "training and prediction", "segassay": "evaluation"}


def read_rooms(root: Path = ROOT) -> list[str]:
    """Rooms such as `segassay.data`, from top to bottom, as `docs/rooms.yaml` lists them."""
    listed = yaml.safe_load((root / "docs" / "rooms.yaml").read_text(encoding="utf-8"))
    return [f"{package}.{room}" for package, rooms in listed.items() for room in rooms]


def find_modules(root: Path = ROOT) -> dict[str, Path]:
    """Path of every module of both packages, by its name; a package stands for its `__init__`."""
    found = {}
    for package, home in HOMES.items():
        for path in sorted((root / home / package).rglob("*.py")):
            parts = path.relative_to(root / home).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(module: str) -> str:
    """Room of a module; a package's own `__init__` is the package, its `__main__` is part of its command line."""
    return ".".join(module.replace(".__main__", ".cli").split(".")[:2])


def imported_names(path: Path, module: str) -> Iterator[str]:
    """Dotted names that a module imports, `a.b` for `from a import b`; `?` where only running it tells.

    The packages' own `__init__`s offer names of all rooms; of these, only what they load at once counts.
    """
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if module in HOMES else ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _names_used(tree, alias.asname or alias.name) if alias.name in HOMES else [alias.name]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            given = node.args[0] if node.args else None
            yield str(given.value) if isinstance(given, ast.Constant) else "?"


def _names_used(tree: ast.AST, package: str) -> Iterator[str]:
    """What a module that imports a whole package takes from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == package:
            yield ast.unparse(node)


def read_imports(modules: dict[str, Path]) -> dict[str, set[str]]:
    """Modules that each module imports."""
    return {
        module: {found for name in imported_names(path, module) if (found := module_of(name, modules))} - {module}
        for module, path in modules.items()
    }


def module_of(name: str, modules: dict[str, Path]) -> str | None:
    """The module that a dotted name stands for or in, None if it is in neither package."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def room_arrows(root: Path = ROOT) -> dict[str, set[str]]:
    """Rooms below it that each room imports; what leads upward is a fault that the tests find."""
    rooms = read_rooms(root)
    arrows: dict[str, set[str]] = {room: set() for room in rooms}
    for module, imported in read_imports(find_modules(root)).items():
        if (room := room_of(module)) in arrows:
            arrows[room] |= {room_of(other) for other in imported} & set(rooms[rooms.index(room) + 1 :])
    return arrows


def contracts(root: Path = ROOT) -> dict[str, str]:
    """First sentence of the docstring of every room and of the rooms in it, by module."""
    modules, rooms = find_modules(root), set(read_rooms(root))
    return {
        module: first_sentence(ast.parse(path.read_text(encoding="utf-8")))
        for module, path in modules.items()
        if module not in HOMES and (path.name == "__init__.py" or module in rooms)
    }


def first_sentence(node: ast.Module | ast.FunctionDef | ast.ClassDef) -> str:
    """First paragraph of a docstring, in one line."""
    documented = ast.get_docstring(node) or ""
    return " ".join(documented.split("\n\n")[0].split())
