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


def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations write no figures, no gallery and no page, for tests of something else: half of their time."""
    from segassay.report import page, plots
    from segassay.report.gallery import make

    monkeypatch.setattr(plots, "draw_figures", lambda *arguments: {})
    monkeypatch.setattr(make, "make_gallery", lambda *arguments, **named: None)
    monkeypatch.setattr(page, "write_report", lambda *arguments, **named: None)
