"""How tests call `segassay`: in this process, as the shell does."""

import sys

import pytest

from segassay import cli


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Exit code of `segassay …`; an error that is not ours would end the test."""
    monkeypatch.delenv("SEGASSAY_DEBUG", raising=False)
    monkeypatch.setattr(sys, "argv", ["segassay", *map(str, words)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0
