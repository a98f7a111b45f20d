"""Progress of a study: a display on a terminal, plain lines elsewhere, silence if asked for."""

import io
import re

import pytest
from rich.console import Console

from segassay.io.progress import sparkline
from segassay_monai.study import live
from segassay_monai.study.live import RunProgress, show_run
from segassay_monai.training.progress_file import TrainingProgress, unfinished, write_progress

PROGRESS = TrainingProgress(epoch=2, epochs=8, minutes_left=1.5, losses=[0.9, 0.4], f1=0.5)


def drawn(shown: RunProgress) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(shown)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text)


def test_the_display_has_tasks_epochs_loss_and_score(finished):
    shown = RunProgress(finished)
    name = finished.members[0].id
    shown.started[name] = 0.0
    place = unfinished(finished.place(finished.members[0]))
    place.mkdir()
    try:
        write_progress(place, PROGRESS)
        text = drawn(shown)
    finally:
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
    assert f"lab: {len(finished.tasks)} of {len(finished.tasks)} tasks" in text
    (row,) = (line for line in text.splitlines() if line.startswith(name))
    assert re.split(r"\s{1,}", row.removeprefix(name).strip()) == ["2/8", "0.400", "█▁", "0.500", "1.5"]


@pytest.mark.parametrize("terminal", [True, False])
def test_no_line_has_an_escape_code_without_a_terminal_or_with_no_color(finished, monkeypatch, capsys, terminal):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("NO_COLOR", "1")
    name = finished.members[0].id
    with show_run(finished) as report:
        report("start", name)
        report("done", name)
    text = capsys.readouterr().err
    assert f"{len(finished.tasks)}/{len(finished.tasks)} {name}: done, 0.0 min, F1 " in text
    assert "\x1b" not in text


def test_quiet_prints_failures_only(finished, monkeypatch, capsys):
    monkeypatch.setattr(live, "failure", lambda study, task: "the disk is full")
    name = finished.members[0].id
    with show_run(finished, quiet=True) as report:
        report("start", name)
        report("done", name)
        report("start", name)
        report("failed", name)
    assert (
        capsys.readouterr().err
        == f"{len(finished.tasks)}/{len(finished.tasks)} {name}: failed, 0.0 min, the disk is full\n"
    )


def test_a_sparkline_leaves_out_what_is_no_number_and_keeps_the_end():
    assert sparkline([]) == sparkline([float("nan")]) == ""
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert len(sparkline(list(range(50)))) == 20
    assert sparkline([*range(50), float("inf")])[-1] == "█"
