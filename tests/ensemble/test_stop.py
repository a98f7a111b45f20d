"""A process stops only between two steps, and only if it was asked to."""

import contextlib
import threading
from collections.abc import Iterator

import pytest
from ignite.engine import Engine

from segassay_monai.ensemble import stop


@pytest.fixture(autouse=True)
def _of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "_asked", threading.Event())


def test_a_process_that_nobody_asked_goes_on() -> None:
    steps: list[int] = []
    engine = Engine(lambda engine, batch: steps.append(batch))
    stop.stop_between_steps(engine)
    stop.stop_if_asked()
    engine.run([1, 2, 3])
    assert steps == [1, 2, 3]


def test_a_step_is_finished_before_the_process_stops_and_the_blocks_around_it_are_left() -> None:
    steps: list[str] = []

    def step(engine: Engine, batch: int) -> None:
        steps.append(f"begin {batch}")
        if batch == 2:
            thread = threading.Thread(target=stop.ask_to_stop)
            thread.start()
            thread.join()
        steps.append(f"end {batch}")

    def batches() -> Iterator[int]:
        yield from (1, 2, 3)

    engine = Engine(step)
    stop.stop_between_steps(engine)
    with contextlib.ExitStack() as blocks:
        blocks.callback(steps.append, "left")
        with pytest.raises(SystemExit) as caught:
            engine.run(batches(), epoch_length=3)
    assert steps == ["begin 1", "end 1", "begin 2", "end 2", "left"]
    assert caught.value.code == 0
