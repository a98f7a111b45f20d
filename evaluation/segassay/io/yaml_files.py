"""Read YAML: the only module that does; a hostile file is refused before it takes memory or time, and runs no code.

    YAML file or text -> plain values

No tags that build objects, no key twice, no file above `MAX_BYTES`, because reading takes seconds per megabyte, no more
than `MAX_VALUES` once its aliases are replaced, because a few of them can expand 300 bytes to gigabytes, and no value
deeper than `MAX_DEPTH`, because reading is recursive.
"""

import os
from pathlib import Path
from typing import Any
from unicodedata import normalize

import yaml

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_VALUES", "parse_yaml", "read_yaml"]

MAX_BYTES = 1 << 18
"""Largest YAML that is read; a study or a dataset with a thousand raters has a fifth of it."""

MAX_VALUES = 100_000
"""Most values of a YAML, where each alias counts as all that it stands for."""

MAX_DEPTH = 50
"""Most lists and mappings inside of each other; a study has four."""


def read_yaml(path: str | os.PathLike[str], *, as_text: bool = False) -> Any:
    """Read a YAML file, saved as UTF-8.

    Args:
        path: The file.
        as_text: Whether numbers, dates and words such as `no` stay text, with composed letters (NFC); aliases are
            refused then.

    Returns:
        Mappings, lists, texts and, without `as_text`, numbers, booleans and dates; None for an empty file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is not plain YAML, or is larger than `MAX_BYTES`; the message says why
            (`errors.why_unreadable` shortens it).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a.yaml").write_text("a: 0144")
        ...     read_yaml(Path(folder, "a.yaml")), read_yaml(Path(folder, "a.yaml"), as_text=True)
        ({'a': 100}, {'a': '0144'})
    """
    with Path(path).open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    return parse_yaml(data, as_text=as_text)


def parse_yaml(text: str | bytes, *, as_text: bool = False) -> Any:
    """Read YAML from a text or from bytes in UTF-8; arguments, result and errors as of `read_yaml`.

    Example:
        >>> parse_yaml("{a: 1, b: [x, 2.5]}")
        {'a': 1, 'b': ['x', 2.5]}
        >>> parse_yaml("a: &x [1]\\nb: *x")
        {'a': [1], 'b': [1]}
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES >> 10} KiB, the limit for YAML")
    content = text if isinstance(text, str) else text.decode("utf-8-sig")
    try:
        return yaml.load(normalize("NFC", content), _TextLoader) if as_text else yaml.load(content, _PlainLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(str(error)) from error
    except Exception as error:  # PyYAML's own, for values such as `!!int ''` and `!!bool x`
        raise ValueError(f"a value has the wrong form ({type(error).__name__}: {error})") from error


class _PlainLoader(yaml.SafeLoader):
    """Loader of plain values, which counts them as if each alias were the value itself."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.n_values = 0
        self.depth = 0
        self.sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        is_alias, line, before = self.check_event(yaml.AliasEvent), self.peek_event().start_mark.line + 1, self.n_values
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError(f"line {line}: more than {MAX_DEPTH} nested lists or mappings; write them flat")
        node = super().compose_node(parent, index)
        self.depth -= 1
        if is_alias and id(node) not in self.sizes:
            raise ValueError(f"line {line}: an alias stands inside of what it refers to; write the value itself")
        self.n_values += self.sizes[id(node)] if is_alias else 1
        if self.n_values > MAX_VALUES:
            raise ValueError(f"line {line}: with its aliases it holds more than {MAX_VALUES} values; write them out")
        self.sizes.setdefault(id(node), self.n_values - before)
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        known = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in known:
                problem = f"the key {key.value!r} is repeated here"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            known |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
        return super().construct_mapping(node, deep)


class _TextLoader(_PlainLoader):
    """Loader of texts, lists and mappings without aliases: a group `0144` keeps its zero, and a group `no` its name."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1
            raise ValueError(f"aliases are not allowed (line {line}); write the value itself")
        return super().compose_node(parent, index)


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
