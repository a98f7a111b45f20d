"""Stop the work of this process at a safe point: between two steps of a training, or two images of a prediction.

    another thread: ask_to_stop() -> next safe point: SystemExit -> `with` blocks end the MLflow run and free locks

At any other moment a transaction of MLflow may be open, and an interruption would leave its store locked.
"""

from __future__ import annotations

import threading
from typing import Any

from ignite.engine import Engine, Events

__all__ = ["ask_to_stop", "stop_between_steps", "stop_if_asked"]

_asked = threading.Event()


def ask_to_stop() -> None:
    """Ask this process to stop at the next safe point; may be called from any thread."""
    _asked.set()


def stop_if_asked(*_: Any) -> None:
    """Stop if this process was asked to; call it at a safe point.

    Raises:
        SystemExit: With exit code 0.
    """
    if _asked.is_set():
        raise SystemExit(0)


def stop_between_steps(engine: Engine) -> None:
    """Make each end of a step of a trainer, validator or evaluator a safe point."""
    engine.add_event_handler(Events.ITERATION_COMPLETED, stop_if_asked)
