"""YAML is read in one place, and a hostile file is refused at once."""

import tracemalloc
from pathlib import Path

import pytest
import yaml

from segassay.errors import UsageError
from segassay.io import yaml_files
from segassay.io.yaml_files import MAX_BYTES, MAX_VALUES, parse_yaml, read_yaml
from segassay.simulation.settings_file import read_simulation

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 6)
)


def test_plain_yaml_is_read_with_numbers_or_as_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("\ufeffgroup: 0144\nno: [no, 2.5, ~]\n", encoding="utf-8")
    assert read_yaml(tmp_path / "a.yaml") == {"group": 100, False: [False, 2.5, None]}
    assert read_yaml(tmp_path / "a.yaml", as_text=True) == {"group": "0144", "no": ["no", "2.5", None]}
    (tmp_path / "a.yaml").write_bytes(b"")
    assert read_yaml(tmp_path / "a.yaml") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "line 6: with its aliases it holds more than 100000 values"),
        ("a: &a [*a]", "an alias stands inside of what it refers to"),
        ("a: 1\na: 2", "the key 'a' is repeated here"),
        ("x" * (MAX_BYTES + 1), "larger than 256 KiB"),
        ("[" * 500, "line 1: more than 50 nested lists or mappings"),
        ("\n".join(" " * level + "a:" for level in range(60)), "line 50: more than 50 nested lists or mappings"),
        ("a: !!python/object/apply:os.system ['touch pwned']", "could not determine a constructor"),
        ("a: !!int ''", "a value has the wrong form"),
        ("a: !!bool x", "a value has the wrong form"),
        ("a: !!timestamp x", "a value has the wrong form"),
        ("a: 1" + "0" * 5000, "Exceeds the limit"),
        ("{[1, 2]: 3}", "unhashable key"),
        (b"a: \xff", "can't decode byte"),
        ("a: \x00", "special characters are not allowed"),
    ],
)
def test_a_hostile_or_broken_text_is_refused_in_little_memory(text: str | bytes, why: str) -> None:
    tracemalloc.start()
    with pytest.raises(ValueError, match=why):
        parse_yaml(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**25
    assert not Path("pwned").exists()


def test_a_file_of_30_megabytes_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"a: [1, 2]\n" * 3_000_000)
    tracemalloc.start()
    with pytest.raises(ValueError, match="larger than 256 KiB"):
        read_yaml(path)
    with pytest.raises(UsageError, match=r"large\.yaml cannot be read as YAML: it is larger than 256 KiB"):
        read_simulation(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_aliases_of_a_file_that_a_program_wrote_are_read() -> None:
    """As PyYAML writes a list that stands in two places."""
    shared = [4, 8]
    text = yaml.safe_dump({"a": {"channels": shared}, "b": [{"channels": shared}]})
    assert "&id001" in text
    assert parse_yaml(text) == {"a": {"channels": [4, 8]}, "b": [{"channels": [4, 8]}]}
    assert parse_yaml("a: &a {b: 1}\nc: {<<: *a, d: 2}")["c"] == {"b": 1, "d": 2}


def test_values_that_are_written_out_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a smaller limit: a hundred thousand of them take seconds."""
    assert 2 * MAX_VALUES < MAX_BYTES  # so many can stand in a file
    monkeypatch.setattr(yaml_files, "MAX_VALUES", 1000)
    assert len(parse_yaml("[" + "1," * 999 + "]")) == 999  # and the list
    with pytest.raises(ValueError, match="more than 1000 values"):
        parse_yaml("[" + "1," * 1000 + "]")
