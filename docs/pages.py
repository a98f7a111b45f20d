"""Hook of the site: every page and file stands at its path in the project, so that links work there as on GitHub.

    pages of the navigation  ->  whatever they link to, and the reference of each room  ->  files of the site

Notebooks become pages; source code and data open as plain text.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from rooms import PURPOSE, find_modules, first_sentence, read_rooms  # noqa: E402

SHOWN = {".md", ".png", ".svg", ".html"}
"""Endings of what a browser shows; everything else gets the ending .txt as well."""

LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
REFERENCE = "docs/reference"


class Notebook(File):
    """A notebook as a page."""

    def is_documentation_page(self) -> bool:
        """It is one, although its name does not end in .md."""
        return True


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the reference to the navigation."""
    entries = [{page.removesuffix(".md"): f"{REFERENCE}/{page}"} for page in reference() if page != "index.md"]
    config.nav = [*(config.nav or []), {"Python": [f"{REFERENCE}/index.md", *entries]}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files below docs/ by those of the project that a reader can reach, and add the reference."""
    listed = re.findall(r"'([\w/]+\.(?:md|ipynb))'", str(config.nav))
    found = [_file(config, path) for path in reachable(listed)]
    written = [File.generated(config, f"{REFERENCE}/{page}", content=text) for page, text in reference().items()]
    of_theme = [file for file in files if file.src_dir != config.docs_dir]
    return Files([*of_theme, *found, *written])


def reachable(pages: list[str]) -> list[str]:
    """These pages, and whatever is linked from them or from what they link to, by their paths in the project."""
    found: set[str] = set()
    left = list(pages)
    while left:
        path = left.pop()
        if path not in found and (ROOT / path).is_file():
            found.add(path)
            if path.endswith(".md"):
                left += linked(path)
    return sorted(found)


def linked(page: str) -> list[str]:
    """Files of the project that a page links to."""
    targets = [target for target in LINK.findall((ROOT / page).read_text(encoding="utf-8")) if "://" not in target]
    paths = [((ROOT / page).parent / target).resolve() for target in targets]
    return [path.relative_to(ROOT).as_posix() for path in paths if path.is_relative_to(ROOT)]


def _file(config: MkDocsConfig, path: str) -> File:
    if path.endswith(".ipynb"):
        return Notebook.generated(config, path, content=notebook_text(json.loads((ROOT / path).read_text("utf-8"))))
    file = File.generated(config, path, abs_src_path=str(ROOT / path))
    if PurePosixPath(path).suffix not in SHOWN:
        file.dest_uri = file.url = f"{path}.txt"
    return file


def notebook_text(notebook: dict[str, Any]) -> str:
    """A notebook as Markdown: texts, code, and what each cell shows."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [_shown(output) for output in cell.get("outputs", [])]
    return "\n\n".join(parts) + "\n"


def _shown(output: dict[str, Any]) -> str:
    data = {kind: "".join(content) for kind, content in output.get("data", {}).items()}
    if "image/png" in data:
        return f'<img alt="figure" src="data:image/png;base64,{data["image/png"].strip()}">'
    if "text/html" in data:
        plain = re.sub(r"<style.*?</style>|\n\s*", "", data["text/html"], flags=re.DOTALL)
        return re.sub(r"<(table|tr)\b[^>]*>", r"<\1>", plain)  # looks of the site, not those of pandas
    shown = data.get("text/plain", "".join(output.get("text", "")))
    return f"```text\n{shown.rstrip()}\n```"


def reference() -> dict[str, str]:
    """Pages of the reference: the public names of both packages, and the modules of each room."""
    rooms = {f"{room}.md": f"::: {room}\n" for room in read_rooms()}
    public = "\n\n".join(_public_names(package) for package in sorted(PURPOSE))
    return {"index.md": f"# Python interface\n\n{public}\n", **rooms}


def _public_names(package: str) -> str:
    modules = find_modules()
    names = sorted(public_names(package))
    rows = [f"| [`{name}`][{home}.{name}] | {said_of(home, name, modules)} |" for name, home in names]
    return "\n".join([f"## {package}", "", f"For {PURPOSE[package]}.", "", "| name | what it is |", "|---|---|", *rows])


def public_names(package: str) -> Iterator[tuple[str, str]]:
    """Names that a package loads when they are used, with their modules: from its `__init__.pyi`, or its tables."""
    path = find_modules()[package]
    stub = path.with_suffix(".pyi")
    if stub.is_file():
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                yield from ((alias.asname or alias.name, str(node.module)) for alias in node.names)
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(value, ast.Tuple):
                    yield from ((name, f"{package}.{ast.literal_eval(key)}") for name in ast.literal_eval(value))
                elif isinstance(value, ast.Constant):
                    yield ast.literal_eval(key), value.value


def said_of(home: str, name: str, modules: Mapping[str, Path]) -> str:
    """First sentence of what is documented of a function, a class or a module; `modules` are those of the project."""
    if f"{home}.{name}" in modules:
        return first_sentence(ast.parse(modules[f"{home}.{name}"].read_text(encoding="utf-8")))
    tree = ast.parse(modules[home].read_text(encoding="utf-8"))
    return next((first_sentence(node) for node in tree.body if getattr(node, "name", None) == name), "")
